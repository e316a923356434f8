"""Send a heartbeat to a dead man's switch, a service that alerts if no heartbeat arrives.

The URLs are those of healthchecks.io and similar services: the configured URL for success, and
``/start`` and ``/fail`` below it. The URL is a secret: anybody who has it can suppress the alert.
"""

from typing import Final

import requests
import tenacity

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.deadline import Deadline, bounded_session, ends_by
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import remember

_TIMEOUT_SECONDS: Final = 10
_MAX_BODY_BYTES: Final = 10_000


class Heartbeat:
    """Reports the state of a load to a dead man's switch; sending never raises."""

    def __init__(self, url: str) -> None:
        """Check the URL.

        Raises:
            ConfigurationError: it is not an http(s) URL, or is plain http to another machine.
        """
        remember(url)
        parts = endpoints.checked_ping_url(clean(url), source="--ping-url")
        self._url = clean(url).rstrip("/")
        self._is_local = endpoints.is_loopback(parts.hostname or "")

    def start(self) -> str | None:
        """Report that a load begins; return why that failed, or None."""
        return self._send("/start", "")

    def success(self, body: str) -> str | None:
        """Report that a load was published; return why that failed, or None."""
        return self._send("", body)

    def failure(self, body: str) -> str | None:
        """Report that a load failed; return why that failed, or None."""
        return self._send("/fail", body)

    def _send(self, path: str, body: str) -> str | None:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(requests.RequestException),
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        try:
            retrying(self._post, self._url + path, body.encode()[:_MAX_BODY_BYTES])
        except requests.HTTPError as error:
            status = "an error" if error.response is None else error.response.status_code
            return f"the ping was answered with {status}"
        except requests.RequestException as error:
            return (
                f"the ping could not be sent ({type(error).__name__})"  # the message shows the URL
            )
        return None

    def _post(self, url: str, body: bytes) -> None:
        with bounded_session() as http, ends_by(Deadline(_TIMEOUT_SECONDS)):
            http.trust_env = not self._is_local
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            response = http.post(
                url,
                data=body,
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                # The body and the address must not reach another host.
                allow_redirects=False,
            )
            if response.is_redirect:
                message = "a redirect"
                raise requests.HTTPError(message, response=response)
            response.raise_for_status()
