"""Make one GET call reliable: credentials, rate limit, retries and a size limit."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn, TypeVar
from urllib.parse import urlencode

import requests
import urllib3
from requests.auth import AuthBase

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.api.connections import SEND_ERRORS, Connections
from gaussdb_tasks.api.deadline import PART_BYTES, Deadline, ends_by, read_at_most
from gaussdb_tasks.api.error_responses import TokenRefusedError, TransientCause, TransientError
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    RequestRefusedError,
    ResponseTooLargeError,
    ServiceError,
    SignInRefusedError,
)
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import RetrySettings

_T = TypeVar("_T")

# A page of 100 records has about 60 kB; a body 100 times as large is not a page.
_MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_MAX_RENEWALS: Final = 6


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """The endpoint and the project that the calls are for."""

    endpoint: str
    project_id: str


class HttpClient:
    """Makes authenticated GET calls for one project and retries transient errors."""

    def __init__(
        self,
        http: requests.Session,
        identity: Identity,
        target: ApiTarget,
        *,
        rate_limiter: RateLimiter,
        retry_settings: RetrySettings,
    ) -> None:
        self.target = target
        self.calls_made = 0
        """The number of calls made so far, repeats included."""
        self._count_lock = threading.Lock()
        self._latest_date: tuple[str | None, Micros] = (None, 0)
        self._http = http
        self._connections: Connections | None = None
        self._timeout = urllib3.Timeout(
            connect=retry_settings.connect_seconds, read=retry_settings.read_seconds
        )
        self._identity = identity
        self._accepted: AuthBase | None = None
        self._rate_limiter = rate_limiter
        self._retry_settings = retry_settings
        self._max_attempts = {
            TransientCause.FAILED: retry_settings.attempts,
            TransientCause.THROTTLED: retry_settings.throttled_attempts,
            TransientCause.SLOW: retry_settings.slow_attempts,
            TransientCause.UNRESOLVED: retry_settings.unresolved_attempts,
        }

    @property
    def server_date(self) -> Micros | None:
        """The ``Date`` of the latest response, to the second; None if it had none."""
        return error_responses.read_http_date(self._latest_date[0])

    @property
    def clock_ahead(self) -> Micros | None:
        """How far this machine's clock was ahead of ``server_date`` at that time."""
        header, received_at = self._latest_date
        server_date = error_responses.read_http_date(header)
        return None if server_date is None else received_at - server_date

    def get(self, path: str, params: Mapping[str, str], parse: Callable[[bytes], _T]) -> _T:
        """GET a path below the endpoint and parse the body; retry if parsing fails.

        Raises:
            AccessError: the service refuses the call; a repeat would not help.
            ConfigurationError: the connection cannot be made with these settings.
            LimitReachedError: the deadline of the load has passed.
            ResponseTooLargeError: the body is too large for the records that were requested.
            ServiceError: every allowed attempt failed.
        """
        call = f"{path}?{urlencode(params)}"
        failures: list[TransientCause] = []
        try:
            with ends_by(self._rate_limiter.deadline):
                while True:
                    try:
                        return self._attempt(call, parse)
                    except TransientError as error:
                        failures.append(error.cause)
                        self._wait_or_give_up(error, failures)
        except ServiceError:
            self._rate_limiter.deadline.check()  # a call that it ended did not fail
            raise

    def _attempt(self, call: str, parse: Callable[[bytes], _T]) -> _T:
        for renewals in range(_MAX_RENEWALS):
            credential = self._identity.credential()
            try:
                return self._call(call, parse, credential)
            except TokenRefusedError as refusal:
                # A new token that was never accepted will not be. One that was accepted may have
                # expired while other threads used it: then another one helps.
                never_accepted = renewals > 0 and credential != self._accepted
                if never_accepted or not self._identity.renew(credential):
                    message = (
                        f"project {self.target.project_id}: {self._identity.remedy} "
                        f"(response: {refusal})"
                    )
                    raise SignInRefusedError(message) from refusal
        message = (
            f"project {self.target.project_id}: the token expired before it could be used, "
            f"{_MAX_RENEWALS} times in a row; check what revokes this user's tokens"
        )
        raise AccessError(message)

    def _call(self, call: str, parse: Callable[[bytes], _T], auth: AuthBase) -> _T:
        with self._rate_limiter.slot():
            with self._count_lock:
                self.calls_made += 1
            response, body = self._send(call, auth)
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            self._refuse(response, body, call=call)
        try:
            parsed = parse(body)
        except ValueError as error:
            words = error_responses.summarise(body)
            message = (
                f"{response.status} with a body that is not the documented JSON: {error} ({words})"
            )
            raise TransientError(message) from error
        self._accepted = auth
        self._rate_limiter.record_success()
        return parsed

    def _send(self, call: str, auth: AuthBase) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        try:
            if self._connections is None:
                self._connections = Connections.choose(self._http, self.target.endpoint)
            with (
                ends_by(Deadline(self._retry_settings.answer_seconds)),
                closing(self._connections.get(call, auth, self._timeout)) as response,
            ):
                self._latest_date = (response.headers.get("Date"), times.now())
                body = read_at_most(
                    response.stream(PART_BYTES, decode_content=True), _MAX_BODY_BYTES
                )
        except SEND_ERRORS as error:
            raise self._no_response(error) from error
        if body is None:
            message = f"a response has more than {_MAX_BODY_BYTES:,} bytes"
            raise ResponseTooLargeError(message)
        return response, body

    def _refuse(self, refusal: urllib3.BaseHTTPResponse, body: bytes, *, call: str) -> NoReturn:
        status = refusal.status
        response = error_responses.parse_error_response(status, body)
        if error_responses.is_token_refusal(response):
            raise TokenRefusedError(str(response))
        if error_responses.is_transient_status(status):
            header = refusal.headers.get("Retry-After")
            is_throttled = status == HTTPStatus.TOO_MANY_REQUESTS
            raise TransientError(
                str(response),
                retry_after=error_responses.read_retry_after(header, times.now()),
                cause=TransientCause.THROTTLED if is_throttled else TransientCause.FAILED,
            )
        message = error_responses.describe_refusal(
            response, project_id=self.target.project_id, endpoint=self.target.endpoint, call=call
        )
        error_class = RequestRefusedError if status == HTTPStatus.BAD_REQUEST else AccessError
        raise error_class(message)

    def _no_response(self, error: Exception) -> Exception:
        """Return the error of a call that got no response, by whether a retry can help."""
        lasting = error_responses.describe_lasting_fault(self.target.endpoint, error, "--endpoint")
        if lasting is not None:
            return ConfigurationError(lasting)
        cause = error_responses.describe_cause(error)
        is_proxy = error_responses.is_proxy_fault(error)
        through = " through the proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)" if is_proxy else ""
        return TransientError(
            f"no response{through}: {cause}", cause=error_responses.transient_cause(error)
        )

    def _wait_or_give_up(self, error: TransientError, failures: Sequence[TransientCause]) -> None:
        """Wait before the next attempt; each cause has its own number of attempts."""
        seconds = self._seconds_to_wait(error, len(failures))
        if failures.count(error.cause) >= self._max_attempts[error.cause]:
            message = (
                f"project {self.target.project_id}: {self.target.endpoint} failed "
                f"{len(failures)} times in a row, last with: {error}"
            )
            if error.cause is TransientCause.UNRESOLVED:
                message += "; check --endpoint, --region and the network"
            raise ServiceError(message) from error
        self._rate_limiter.sleep(seconds)

    def _seconds_to_wait(self, error: TransientError, failure_count: int) -> float:
        """Return the seconds that this thread waits; the rate limiter pauses all threads."""
        settings = self._retry_settings
        is_throttled = error.cause is TransientCause.THROTTLED
        seconds = error.retry_after
        if seconds is None:
            first_seconds = settings.first_wait_seconds * (4 if is_throttled else 1)
            seconds = min(first_seconds * 2 ** (failure_count - 1), settings.max_wait_seconds)
            if not is_throttled:
                return random.uniform(0, seconds)  # noqa: S311 - spreads the threads' attempts
        if seconds > settings.max_retry_after_seconds:
            message = (
                f"{self.target.endpoint} asks to wait {seconds:.0f} seconds ({error}); a load "
                f"waits at most {settings.max_retry_after_seconds:.0f}; run it again later"
            )
            raise ServiceError(message)
        self._rate_limiter.pause(seconds)
        return 0.0
