"""What a refusal of the API means: ask again, get a new token, or give up with one sentence.

Three parties speak here, each in its own JSON: the service, the gateway before it, and IAM. A
proxy in between speaks HTML.
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
    PASSING_STATUSES,
    TOKEN_EXPIRED_CODES,
)
from gaussdb_tasks.model.times import SECOND, Micros, from_datetime

_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """What came instead of a list: the status, and the code and words of whoever spoke."""

    status: int
    code: str | None
    message: str

    @property
    def is_redirect(self) -> bool:
        """Whether the answer points elsewhere."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    def __str__(self) -> str:
        head = f"{self.status} {self.code}" if self.code else str(self.status)
        return f"{head}: {self.message}" if self.message else head


class TransientError(Exception):
    """The call failed in a way that passes; it is worth asking again."""

    def __init__(self, what: str, *, rest: float | None = None, is_throttled: bool = False) -> None:
        super().__init__(what)
        self.rest = rest
        """Seconds of rest that the other side asked for."""
        self.is_throttled = is_throttled


class TokenRefusedError(Exception):
    """The token is invalid or has expired."""


def read_complaint(
    status: int, body: bytes, redact: Callable[[str], str] = lambda text: text
) -> ErrorResponse:
    """Read the body of a refusal, in whichever of the known shapes it came.

    Args:
        status: the HTTP status.
        body: what came with it.
        redact: blots out secrets in the words of others.
    """
    try:
        fields = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return ErrorResponse(status, None, _first_words(redact(body.decode("utf-8", "replace"))))
    inner = fields.get("error")
    if isinstance(inner, dict):
        code, message = inner.get("title"), inner.get("message")
    else:
        code, message = fields.get("error_code"), fields.get("error_msg")
    # Blotted out before it is cut: half a token would be no token to look for.
    return ErrorResponse(status, _word(code, redact) or None, _word(message, redact))


def plainly(error: BaseException) -> str:
    """Say why a connection failed, without the libraries' wrapping."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(cause) or type(cause).__name__


def is_certificate_refused(error: BaseException) -> bool:
    """Tell whether TLS failed for a certificate; a handshake that breaks off may be passing."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what is behind it, down to what it began with."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def read_rest(header: str | None, now: Micros) -> float | None:
    """Read ``Retry-After``: seconds or a date; None where it is missing or neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    instant = read_http_date(text)
    return None if instant is None else max(0.0, (instant - now) / SECOND)


def read_http_date(header: str | None) -> Micros | None:
    """Read a date as HTTP headers write it; None where it is missing or none."""
    try:
        return None if header is None else from_datetime(parsedate_to_datetime(header))
    except (ValueError, TypeError, OverflowError):
        return None


def is_passing(complaint: ErrorResponse) -> bool:
    """Tell whether the same call may succeed later."""
    return complaint.status in PASSING_STATUSES


def is_token_refusal(complaint: ErrorResponse) -> bool:
    """Tell whether a new token may help."""
    return complaint.status == HTTPStatus.UNAUTHORIZED or (
        complaint.status == HTTPStatus.FORBIDDEN and complaint.code in TOKEN_EXPIRED_CODES
    )


def explain(complaint: ErrorResponse, *, project_id: str, endpoint: str, call: str) -> str:
    """Say in one sentence what a refusal that will be repeated means, and how to mend it."""
    if complaint.status == HTTPStatus.FORBIDDEN or complaint.code in NOT_PERMITTED_CODES:
        return (
            f"project {project_id}: the user may not query tasks ({complaint}); "
            'grant it the system policy "GaussDB ReadOnlyAccess" in this project'
        )
    if complaint.status == HTTPStatus.NOT_FOUND:
        return (
            f"project {project_id} is not known at {endpoint} ({complaint}); "
            "check --project-id and --endpoint: they must be of the same region"
        )
    if complaint.is_redirect:
        return (
            f"{endpoint} answers with a redirect ({complaint.status}), which is never followed, "
            "since the token must not travel to another host; set --endpoint to the final address"
        )
    if complaint.status == HTTPStatus.BAD_REQUEST:
        return f"project {project_id}: the task center does not accept {call} ({complaint})"
    return f"project {project_id}: {endpoint} refuses {call} ({complaint}); check --endpoint"


def _word(value: Any, redact: Callable[[str], str]) -> str:
    return "" if value is None else redact(str(value))[:_SHOWN_CHARACTERS]


def _first_words(body: str) -> str:
    text = " ".join(body[:_SHOWN_CHARACTERS].split())
    return f"not JSON: {text!r}" if text else "an empty answer"
