"""Make one GET call reliable: credentials, rate limit, retries and a size limit."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn, TypeVar
from urllib.parse import urlencode

import requests
import tenacity
import urllib3
from requests.auth import AuthBase

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.api.connections import SEND_ERRORS, Connections
from gaussdb_tasks.api.deadline import PART_BYTES, Deadline, ends_by, read_at_most
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
        self.server_date: Micros | None = None
        """The ``Date`` of the latest response; None if it had none."""
        self.clock_ahead: Micros | None = None
        """How far this machine's clock was ahead of ``server_date`` at that time."""
        self.calls_made = 0
        """The number of calls made so far, repeats included."""
        self._count_lock = threading.Lock()
        self._http = http
        self._connections: Connections | None = None
        self._timeout = urllib3.Timeout(
            connect=retry_settings.connect_seconds, read=retry_settings.read_seconds
        )
        self._identity = identity
        self._accepted: AuthBase | None = None
        self._rate_limiter = rate_limiter
        self._retry_settings = retry_settings
        self._backoff = tenacity.wait_random_exponential(
            multiplier=retry_settings.first_wait_seconds, max=retry_settings.max_wait_seconds
        )
        self._throttled_backoff = tenacity.wait_exponential(
            multiplier=4 * retry_settings.first_wait_seconds,
            max=retry_settings.max_wait_seconds,
        )

    def get(self, path: str, params: Mapping[str, str], parse: Callable[[bytes], _T]) -> _T:
        """GET a path below the endpoint and parse the body; retry if parsing fails.

        Raises:
            AccessError: the service refuses the call; a repeat would not help.
            ConfigurationError: the connection cannot be made with these settings.
            LimitReachedError: the deadline of the load has passed.
            ResponseTooLargeError: the body is too large for the records that were requested.
            ServiceError: every allowed attempt failed.
        """
        try:
            with ends_by(self._rate_limiter.deadline):
                return self._get(f"{path}?{urlencode(params)}", parse)
        except ServiceError:
            self._rate_limiter.deadline.check()  # a call that it ended did not fail
            raise

    def _get(self, call: str, parse: Callable[[bytes], _T]) -> _T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(error_responses.TransientError),
            stop=_StopAfterAttempts(self._retry_settings),
            wait=self._wait,
            sleep=self._rate_limiter.sleep,
            reraise=True,
        )
        try:
            parsed: _T = retrying(self._attempt, call, parse)
        except error_responses.TransientError as error:
            message = (
                f"project {self.target.project_id}: {self.target.endpoint} failed "
                f"{retrying.statistics['attempt_number']} times in a row, last with: {error}"
            )
            if error.cause is error_responses.TransientCause.UNRESOLVED:
                message += "; check --endpoint, --region and the network"
            raise ServiceError(message) from error
        return parsed

    def _attempt(self, call: str, parse: Callable[[bytes], _T]) -> _T:
        for renewals in range(_MAX_RENEWALS):
            credential = self._identity.credential()
            try:
                return self._call(call, parse, credential)
            except error_responses.TokenRefusedError as refusal:
                # A new token that was never accepted will not be. One that was accepted may have
                # expired while other threads used it: then another one helps.
                never_accepted = renewals > 0 and credential != self._accepted
                if never_accepted or not self._identity.renew(credential):
                    raise self._permanent_refusal(refusal) from refusal
        message = (
            f"project {self.target.project_id}: the token expired before it could be used, "
            f"{_MAX_RENEWALS} times in a row; check what revokes this user's tokens"
        )
        raise AccessError(message)

    def _call(self, call: str, parse: Callable[[bytes], _T], auth: AuthBase) -> _T:
        with self._rate_limiter.slot():
            with self._count_lock:
                self.calls_made += 1
            status, headers, body = self._send(call, auth)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._refuse(status, headers, body, call=call)
        try:
            parsed = parse(body)
        except ValueError as error:
            words = error_responses.summarise(body)
            message = f"{status} with a body that is not the documented JSON: {error} ({words})"
            raise error_responses.TransientError(message) from error
        self._accepted = auth
        self._rate_limiter.record_success()
        return parsed

    def _send(self, call: str, auth: AuthBase) -> tuple[int, Mapping[str, str], bytes]:
        try:
            if self._connections is None:
                self._connections = Connections.choose(self._http, self.target.endpoint)
            with (
                ends_by(Deadline(self._retry_settings.answer_seconds)),
                closing(self._connections.get(call, auth, self._timeout)) as response,
            ):
                self._note_clock(error_responses.read_http_date(response.headers.get("Date")))
                body = read_at_most(
                    response.stream(PART_BYTES, decode_content=True), _MAX_BODY_BYTES
                )
        except SEND_ERRORS as error:
            raise self._no_response(error) from error
        if body is None:
            message = f"a response has more than {_MAX_BODY_BYTES:,} bytes"
            raise ResponseTooLargeError(message)
        return response.status, response.headers, body

    def _note_clock(self, server_date: Micros | None) -> None:
        self.server_date = server_date
        self.clock_ahead = None if server_date is None else times.now() - server_date

    def _refuse(
        self, status: int, headers: Mapping[str, str], body: bytes, *, call: str
    ) -> NoReturn:
        response = error_responses.parse_error_response(status, body)
        if error_responses.is_token_refusal(response):
            raise error_responses.TokenRefusedError(str(response))
        if error_responses.is_transient_status(status):
            raise error_responses.TransientError(
                str(response),
                retry_after=error_responses.read_retry_after(
                    headers.get("Retry-After"), times.now()
                ),
                cause=(
                    error_responses.TransientCause.THROTTLED
                    if status == HTTPStatus.TOO_MANY_REQUESTS
                    else error_responses.TransientCause.FAILED
                ),
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
        return error_responses.TransientError(
            f"no response{through}: {cause}", cause=error_responses.transient_cause(error)
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds that this thread waits; the rate limiter pauses all threads."""
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, error_responses.TransientError):
            return 0.0
        is_throttled = error.cause is error_responses.TransientCause.THROTTLED
        if error.retry_after is None and not is_throttled:
            return self._backoff(state)
        retry_after = error.retry_after
        seconds = self._throttled_backoff(state) if retry_after is None else retry_after
        max_seconds = self._retry_settings.max_retry_after_seconds
        if seconds > max_seconds:
            message = (
                f"{self.target.endpoint} asks to wait {seconds:.0f} seconds ({error}); "
                f"a load waits at most {max_seconds:.0f}; run it again later"
            )
            raise ServiceError(message)
        self._rate_limiter.pause(seconds)
        return 0.0

    def _permanent_refusal(self, refusal: error_responses.TokenRefusedError) -> AccessError:
        return SignInRefusedError(
            f"project {self.target.project_id}: {self._identity.remedy} (response: {refusal})"
        )


class _StopAfterAttempts(tenacity.stop.stop_base):
    """Limits the attempts of one call; they are counted separately for each cause."""

    def __init__(self, retry_settings: RetrySettings) -> None:
        self._left = {
            error_responses.TransientCause.FAILED: retry_settings.attempts,
            error_responses.TransientCause.THROTTLED: retry_settings.throttled_attempts,
            error_responses.TransientCause.SLOW: retry_settings.slow_attempts,
            error_responses.TransientCause.UNRESOLVED: retry_settings.unresolved_attempts,
        }

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, error_responses.TransientError):
            return True
        self._left[error.cause] -= 1
        return self._left[error.cause] <= 0
