"""A heartbeat for a dead-man switch: who expects one each night notices when none comes.

The addresses are those that healthchecks.io and its kin agree on: the address itself for success,
``/start`` and ``/fail`` below it. The address is a secret: who knows it can keep the switch quiet.
"""

from typing import Final

import requests
import tenacity

from gaussdb_tasks.api.auth import endpoints

_TIMEOUT_SECONDS: Final = 10
_LARGEST_BODY: Final = 10_000


class Heartbeat:
    """Tells a dead-man switch how a load goes; it never raises."""

    def __init__(self, url: str) -> None:
        """Take the address.

        Raises:
            ConfigurationError: it is none, or is plain http to another host.
        """
        parts = endpoints.checked_url(url.strip(), source="--ping-url")
        self._url = url.strip().rstrip("/")
        self._is_local = endpoints.is_loopback(parts.hostname or "")

    def start(self) -> str | None:
        """Say that a load begins; return why that failed, if it did."""
        return self._send("/start", "")

    def success(self, body: str) -> str | None:
        """Say that a load was published; return why that failed, if it did."""
        return self._send("", body)

    def failure(self, body: str) -> str | None:
        """Say that a load failed; return why that failed, if it did."""
        return self._send("/fail", body)

    def _send(self, path: str, body: str) -> str | None:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(requests.RequestException),
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        try:
            retrying(self._post, self._url + path, body.encode()[:_LARGEST_BODY])
        except requests.HTTPError as error:
            status = "an error" if error.response is None else error.response.status_code
            return f"the ping was answered with {status}"
        except requests.RequestException as error:
            return f"the ping could not be sent ({type(error).__name__})"  # the rest shows the URL
        return None

    def _post(self, url: str, body: bytes) -> None:
        with requests.Session() as http:
            http.trust_env = not self._is_local
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            answer = http.post(url, data=body, headers=headers, timeout=_TIMEOUT_SECONDS)
            answer.raise_for_status()
