"""Send GET calls over connections that are kept, at half the cost of a requests session.

The session chooses the connections once: proxy, trusted CAs, client certificate and deadlines are
those of the sign-in. Redirects are not followed, cookies are not kept, and nothing is retried.
"""

from dataclasses import dataclass
from typing import Any, Final

import requests
import urllib3
from requests.auth import AuthBase

from gaussdb_tasks.contract import LANGUAGE_HEADERS

SEND_ERRORS: Final = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What a call without a complete response raises."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The kept connections to one endpoint; all threads share them."""

    url: str
    _target: str
    _headers: dict[str, str]
    _pool: urllib3.HTTPConnectionPool
    _retries: urllib3.Retry

    @classmethod
    def choose(cls, http: requests.Session, endpoint: str) -> "Connections":
        """Choose the connections that a session would use for an endpoint.

        Raises:
            OSError: a file of certificates is missing.
            requests.RequestException: the endpoint or the proxy has no usable address.
        """
        request = http.prepare_request(
            requests.Request("GET", endpoint, LANGUAGE_HEADERS, auth=_unsigned)
        )
        url = str(request.url)
        # With the bundle of the session, or REQUESTS_CA_BUNDLE would override it.
        settings = http.merge_environment_settings(url, {}, True, http.verify, http.cert)  # noqa: FBT003 - as requests has it
        proxies, verify, cert = settings["proxies"], settings["verify"], settings["cert"]
        adapter: Any = http.get_adapter(url)  # its type does not show the methods for subclasses
        pool = adapter.get_connection_with_tls_context(request, verify, proxies, cert)
        adapter.cert_verify(pool, url, verify, cert)
        return cls(
            url.removesuffix("/"),
            adapter.request_url(request, proxies).removesuffix("/"),
            dict(request.headers),
            pool,
            adapter.max_retries,
        )

    def get(self, path: str, auth: AuthBase, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        """Send a GET request; return its response before the body is read.

        Args:
            path: below the endpoint, with the query.
            auth: of this request.
            timeout: for connecting, and for each read.
        """
        request = requests.PreparedRequest()
        request.method, request.url = "GET", self.url + path
        # A plain dict is copied at a tenth of the cost, and has the names as they are sent.
        request.headers = self._headers.copy()  # type: ignore[assignment]
        return self._pool.urlopen(
            "GET",
            self._target + path,
            headers=auth(request).headers,
            retries=self._retries,
            timeout=timeout,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return a request as it is; without it the session would look for a password in .netrc."""
    return request
