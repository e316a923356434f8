"""One GET with everything that makes it dependable: token, budget, retries, bounds."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn, TypeVar
from urllib.parse import urlencode

import requests
import tenacity
from requests.auth import AuthBase

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.contract import LANGUAGE_HEADERS
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    RequestRefusedError,
    ServiceError,
)
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import RetrySettings

_T = TypeVar("_T")

# A page of 100 records takes some 60 kB. What is five hundred times larger is no page.
_LARGEST_BODY_BYTES: Final = 32 * 1024 * 1024
_MOST_RENEWALS: Final = 6
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """Where the calls go: one project at one endpoint."""

    endpoint: str
    project_id: str


class HttpClient:
    """Makes authenticated GET calls for one project, as patiently as it was told to be."""

    def __init__(
        self,
        http: requests.Session,
        identity: Identity,
        place: ApiTarget,
        *,
        budget: RateLimiter,
        retry_settings: RetrySettings,
    ) -> None:
        self.place = place
        self.server_date: Micros | None = None
        """The ``Date`` of the latest answer; None where it has none."""
        self.clock_ahead: Micros | None = None
        """By how much this machine's clock was ahead of it then."""
        self.calls_made = 0
        """Calls made so far, repeats among them."""
        self._counting = threading.Lock()
        self._http = http
        self._identity = identity
        self._proven: AuthBase | None = None
        self._budget = budget
        self._patience = retry_settings
        self._backoff = tenacity.wait_random_exponential(
            multiplier=retry_settings.first_wait_seconds, max=retry_settings.longest_wait_seconds
        )
        self._throttled_backoff = tenacity.wait_exponential(
            multiplier=4 * retry_settings.first_wait_seconds,
            max=retry_settings.longest_wait_seconds,
        )

    def get(self, path: str, params: Mapping[str, str], parse: Callable[[bytes], _T]) -> _T:
        """GET a path below the endpoint and parse the body; a body that won't parse is a fault.

        Raises:
            AccessError: the service refuses, and would again.
            ServiceError: it failed as often as patience allows.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(error_responses.TransientError),
            stop=_Exhaustion(self._patience),
            wait=self._wait,
            sleep=self._budget.sleep,
            reraise=True,
        )
        try:
            parsed: _T = retrying(self._attempt, path, params, parse)
        except error_responses.TransientError as error:
            message = (
                f"project {self.place.project_id}: {self.place.endpoint} failed "
                f"{retrying.statistics['attempt_number']} times in a row, last with: {error}"
            )
            raise ServiceError(message) from error
        return parsed

    def _attempt(self, path: str, params: Mapping[str, str], parse: Callable[[bytes], _T]) -> _T:
        for renewals in range(_MOST_RENEWALS):
            credential = self._identity.credential()
            try:
                return self._call(path, params, parse, credential)
            except error_responses.TokenRefusedError as refusal:
                # A new token that never opened anything is no better than the old one. One that
                # other threads have used up meanwhile is.
                is_hopeless = renewals > 0 and credential != self._proven
                if is_hopeless or not self._identity.renew(credential):
                    raise self._refused_for_good(refusal) from refusal
        message = f"project {self.place.project_id}: tokens die faster than they can be used"
        raise AccessError(message)

    def _call(
        self, path: str, params: Mapping[str, str], parse: Callable[[bytes], _T], auth: AuthBase
    ) -> _T:
        with self._budget.turn():
            with self._counting:
                self.calls_made += 1
            status, headers, body = self._send(path, params, auth)
        if status != HTTPStatus.OK:
            self._refuse(status, headers, body, call=f"{path}?{urlencode(params)}")
        try:
            parsed = parse(body)
        except ValueError as error:
            message = f"200 with a body that is not the documented JSON: {error}"
            raise error_responses.TransientError(message) from error
        self._proven = auth
        self._budget.ease()
        return parsed

    def _send(
        self, path: str, params: Mapping[str, str], auth: AuthBase
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            with self._http.get(
                self.place.endpoint + path,
                params=params,
                headers=LANGUAGE_HEADERS,
                auth=auth,
                # Said with each call: else REQUESTS_CA_BUNDLE would override what was configured.
                verify=self._http.verify,
                cert=self._http.cert,
                timeout=(self._patience.connect_seconds, self._patience.read_seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                self._note_clock(error_responses.read_http_date(answer.headers.get("Date")))
                return answer.status_code, answer.headers, _read_bounded(answer)
        except requests.RequestException as error:
            why = self._identity.redact(error_responses.plainly(error))
            if error_responses.is_certificate_refused(error):
                message = (
                    f"{self.place.endpoint} shows a certificate that is not trusted ({why}); "
                    "name your CA bundle in OS_CACERT"
                )
                raise ConfigurationError(message) from error
            message = f"no answer: {why}"
            raise error_responses.TransientError(message) from error

    def _note_clock(self, server_date: Micros | None) -> None:
        self.server_date = server_date
        self.clock_ahead = None if server_date is None else times.now() - server_date

    def _refuse(
        self, status: int, headers: Mapping[str, str], body: bytes, *, call: str
    ) -> NoReturn:
        # The service may say anything, our own token among it.
        complaint = error_responses.read_complaint(status, body, self._identity.redact)
        if error_responses.is_token_refusal(complaint):
            raise error_responses.TokenRefusedError(str(complaint))
        if error_responses.is_passing(complaint):
            raise error_responses.TransientError(
                str(complaint),
                rest=error_responses.read_rest(headers.get("Retry-After"), times.now()),
                is_throttled=status == HTTPStatus.TOO_MANY_REQUESTS,
            )
        sentence = error_responses.explain(
            complaint, project_id=self.place.project_id, endpoint=self.place.endpoint, call=call
        )
        kind = RequestRefusedError if status == HTTPStatus.BAD_REQUEST else AccessError
        raise kind(sentence)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds this thread sleeps; a rest asked for is everybody's, in the budget."""
        fault = state.outcome.exception() if state.outcome else None
        if not isinstance(fault, error_responses.TransientError):
            return 0.0
        if fault.rest is None and not fault.is_throttled:
            return self._backoff(state)
        rest = self._throttled_backoff(state) if fault.rest is None else fault.rest
        if rest > self._patience.longest_rest_seconds:
            message = (
                f"{self.place.endpoint} asks for a rest of {rest:.0f} seconds ({fault}), "
                "longer than a load waits; run it again later"
            )
            raise ServiceError(message)
        self._budget.pause(rest)
        return 0.0

    def _refused_for_good(self, refusal: error_responses.TokenRefusedError) -> AccessError:
        return AccessError(
            f"project {self.place.project_id}: {self._identity.mend} (the answer was: {refusal})"
        )


class _Exhaustion(tenacity.stop.stop_base):
    """Ends one call's retries; being rationed is no failure, and is borne longer."""

    def __init__(self, retry_settings: RetrySettings) -> None:
        self._left = {True: retry_settings.throttled_attempts, False: retry_settings.attempts}

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        fault = state.outcome.exception() if state.outcome else None
        kind = isinstance(fault, error_responses.TransientError) and fault.is_throttled
        self._left[kind] -= 1
        return self._left[kind] <= 0


def _read_bounded(answer: requests.Response) -> bytes:
    body = bytearray()
    for part in answer.iter_content(_CHUNK_BYTES):
        body += part
        if len(body) > _LARGEST_BODY_BYTES:
            message = f"an answer of more than {_LARGEST_BODY_BYTES:,} bytes"
            raise error_responses.TransientError(message)
    return bytes(body)
