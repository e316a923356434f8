"""Ask a time stamp authority for a time stamp of an entry (RFC 3161 over HTTP)."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import requests

from gaussdb_tasks.api.auth.endpoints import is_loopback, split_http_url
from gaussdb_tasks.api.deadline import PART_BYTES, read_at_most
from gaussdb_tasks.api.error_responses import describe_cause
from gaussdb_tasks.archive.store import DIGEST_NAME, TIMESTAMP_NAME
from gaussdb_tasks.archive.timestamps import (
    MAX_BYTES,
    TimestampError,
    printable,
    read_timestamp,
    refuse_without_package,
)
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import mask, remember_url_credentials
from gaussdb_tasks.model.times import Micros, now

_OPTION: Final = "--timestamp-url"
_MAX_SECONDS: Final = 10.0
_HEADERS: Final = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class StampResult:
    """The result of asking for a time stamp: a time and who confirms it, or the error."""

    at: Micros | None = None
    authority: str | None = None
    error: str | None = None


class TimestampAuthority:
    """A time stamp authority; one request, without a retry: the next entry asks again."""

    def __init__(self, url: str, *, max_seconds: float = _MAX_SECONDS) -> None:
        """Check the URL; this makes no call.

        Args:
            url: may have a user and a password; then https, or this machine.
            max_seconds: how long the complete exchange may take.

        Raises:
            ConfigurationError: the URL is wrong, or a package is not installed.
        """
        self._url = clean(url)
        remember_url_credentials(self._url)
        self._max_seconds = max_seconds
        self._is_local = check_url(self._url)
        refuse_without_package(_OPTION)

    def stamp_entry(self, folder: Path) -> StampResult:
        """Put a time stamp into the folder of a finished entry; an error is returned.

        Raises:
            OSError: the folder cannot be read or written.
        """
        content = (folder / DIGEST_NAME).read_bytes()
        try:
            answer, result = self._stamp(content)
        except TimestampError as error:
            return StampResult(error=mask(f"{self._url}: {error}"))
        (folder / TIMESTAMP_NAME).write_bytes(answer)
        return result

    def _stamp(self, content: bytes) -> tuple[bytes, StampResult]:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - optional

        builder = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        answer = self._exchange(request.as_bytes())
        timestamp = read_timestamp(answer, content, now())
        if timestamp.nonce != request.nonce:
            message = "its nonce is not that of the request: it answers another request"
            raise TimestampError(message)
        return answer, StampResult(timestamp.at, timestamp.authority)

    def _exchange(self, request: bytes) -> bytes:
        """Send a request and return the answer.

        It runs in a thread of its own: timeouts of sockets count for each read, not for an answer.
        """
        future: Future[bytes] = Future()
        arguments = (request, future)
        threading.Thread(target=self._post_into, args=arguments, daemon=True).start()
        try:
            return future.result(self._max_seconds)
        except (TimeoutError, requests.Timeout) as error:
            message = f"there was no complete answer within {self._max_seconds:g} seconds"
            raise TimestampError(message) from error
        except (requests.RequestException, OSError, ValueError) as error:
            message = f"it cannot be reached: {printable(describe_cause(error))}"
            raise TimestampError(message) from error

    def _post_into(self, request: bytes, future: "Future[bytes]") -> None:
        try:
            future.set_result(self._post(request))
        except Exception as error:  # noqa: BLE001 - the waiting thread raises it
            future.set_exception(error)

    def _post(self, request: bytes) -> bytes:
        with requests.Session() as http:
            http.trust_env = not self._is_local
            with http.post(
                self._url,
                data=request,
                headers=_HEADERS,
                timeout=self._max_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                _refuse_other_answers(response)
                answer = read_at_most(response.iter_content(PART_BYTES), MAX_BYTES)
        if answer is None:
            message = f"its answer has more than {MAX_BYTES:,} bytes"
            raise TimestampError(message)
        return answer


def _refuse_other_answers(response: requests.Response) -> None:
    if response.is_redirect:
        message = (
            f"it answers with a redirect ({response.status_code}); redirects are not followed; "
            f"set {_OPTION} to the final address"
        )
        raise TimestampError(message)
    if response.status_code != HTTPStatus.OK:
        message = f"it answers with the status {response.status_code}"
        raise TimestampError(message)


def check_url(url: str, *, option: str = _OPTION) -> bool:
    """Check the URL of an authority, and return whether it is of this machine.

    Raises:
        ConfigurationError: it is not an http(s) URL, or would send a password unencrypted.
    """
    parts = split_http_url(url)
    if parts is None:
        message = f"{option}: {mask(url)!r} is not an http(s) URL; write it like https://timestamp.example/tsr"
        raise ConfigurationError(message)
    is_local = is_loopback(parts.hostname or "")
    if parts.scheme == "http" and parts.username is not None and not is_local:
        message = f"{option}: passwords are only sent encrypted to another machine; use https"
        raise ConfigurationError(message)
    return is_local
