"""Parse error responses of the API and decide: retry, renew the token, or give up.

The service, the gateway before it and IAM each have their own JSON format. A proxy answers in HTML.
"""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from gaussdb_tasks.contract import (
    NOT_PERMITTED_CODES,
    TOKEN_EXPIRED_CODES,
    TRANSIENT_STATUSES,
)
from gaussdb_tasks.model.times import SECOND, Micros, from_datetime

_MAX_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A response that is not 200: its status, error code and message."""

    status: int
    code: str | None
    message: str

    @property
    def is_redirect(self) -> bool:
        """Whether the response is a redirect."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    def __str__(self) -> str:
        head = f"{self.status} {self.code}" if self.code else str(self.status)
        return f"{head}: {self.message}" if self.message else head


class TransientError(Exception):
    """The call failed, but a later attempt may succeed."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, is_throttled: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """The seconds to wait, as the server requested; None if it did not."""
        self.is_throttled = is_throttled


class TokenRefusedError(Exception):
    """The token is invalid or has expired."""


def parse_error_response(
    status: int, body: bytes, redact: Callable[[str], str] = lambda text: text
) -> ErrorResponse:
    """Parse the body of an error response in any of the known formats.

    Args:
        status: the HTTP status.
        body: the body, in any format.
        redact: masks secrets that the body repeats.
    """
    try:
        fields = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return ErrorResponse(status, None, _summarise(redact(body.decode("utf-8", "replace"))))
    inner = fields.get("error")
    if isinstance(inner, dict):
        code, message = inner.get("title"), inner.get("message")
    else:
        code, message = fields.get("error_code"), fields.get("error_msg")
    # Masked before it is cut: the first half of a token would not be recognised.
    return ErrorResponse(status, _shown(code, redact) or None, _shown(message, redact))


def describe_cause(error: BaseException) -> str:
    """Return why a connection failed, without the wrapping of the HTTP libraries."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(cause) or type(cause).__name__


def is_certificate_error(error: BaseException) -> bool:
    """Return whether TLS failed because of a certificate; other TLS failures may be transient."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its chain of causes, the first cause last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def read_retry_after(header: str | None, now: Micros) -> float | None:
    """Return the seconds that ``Retry-After`` asks for; None if it is missing or invalid.

    The header holds seconds or a date. A date in the past counts as 0 seconds.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    retry_at = read_http_date(text)
    return None if retry_at is None else max(0.0, (retry_at - now) / SECOND)


def read_http_date(header: str | None) -> Micros | None:
    """Parse a date of an HTTP header; None if it is missing or invalid."""
    try:
        return None if header is None else from_datetime(parsedate_to_datetime(header))
    except (ValueError, TypeError, OverflowError):
        return None


def is_transient(response: ErrorResponse) -> bool:
    """Return whether the same call may succeed later."""
    return response.status in TRANSIENT_STATUSES


def is_token_refusal(response: ErrorResponse) -> bool:
    """Return whether a new token may help."""
    return response.status == HTTPStatus.UNAUTHORIZED or (
        response.status == HTTPStatus.FORBIDDEN and response.code in TOKEN_EXPIRED_CODES
    )


def describe_refusal(response: ErrorResponse, *, project_id: str, endpoint: str, call: str) -> str:
    """Describe a permanent refusal in one line: the problem, the response, and what to do."""
    if response.status == HTTPStatus.FORBIDDEN or response.code in NOT_PERMITTED_CODES:
        return (
            f"project {project_id}: the user is not allowed to query tasks ({response}); "
            'grant it the system policy "GaussDB ReadOnlyAccess" in this project'
        )
    if response.status == HTTPStatus.NOT_FOUND:
        return (
            f"project {project_id} was not found at {endpoint} ({response}); "
            "check --project-id and --endpoint: both must belong to the same region"
        )
    if response.is_redirect:
        return (
            f"{endpoint} answers with a redirect ({response.status}); redirects are not followed, "
            "because the token must not reach another host; set --endpoint to the final address"
        )
    if response.status == HTTPStatus.BAD_REQUEST:
        return f"project {project_id}: the task center rejects the request {call} ({response})"
    return f"project {project_id}: {endpoint} rejects {call} ({response}); check --endpoint"


def _shown(value: Any, redact: Callable[[str], str]) -> str:
    return "" if value is None else redact(str(value))[:_MAX_SHOWN_CHARACTERS]


def _summarise(body: str) -> str:
    text = " ".join(body[:_MAX_SHOWN_CHARACTERS].split())
    return f"not JSON: {text!r}" if text else "an empty response"
