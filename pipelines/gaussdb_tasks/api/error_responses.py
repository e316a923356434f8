"""Parse error responses of the API and decide: retry, renew the token, or give up.

The service, the gateway before it and IAM each have their own JSON format. A proxy or a portal in
between answers in HTML, with any status. So a response is judged by what it is: the class of its
status, and whether it is JSON.
"""

import html
import re
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import msgspec
import urllib3
from requests import exceptions as requests_errors

from gaussdb_tasks.contract import (
    NOT_PERMITTED_CODES,
    TOKEN_EXPIRED_CODES,
    TRANSIENT_CLIENT_STATUSES,
)
from gaussdb_tasks.errors import causes
from gaussdb_tasks.known_secrets import in_one_line
from gaussdb_tasks.model.times import SECOND, Micros, from_datetime

_MAX_SHOWN_CHARACTERS: Final = 300
_ADDRESS_FAULTS: Final = (
    *(requests_errors.InvalidSchema, requests_errors.InvalidURL, requests_errors.MissingSchema),
    *(urllib3.exceptions.LocationParseError, urllib3.exceptions.ProxySchemeUnknown),
)
_MAX_DEPTH: Final = 4

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CODE_KEYS: Final = ("error_code", "errorCode", "title", "code")
_MESSAGE_KEYS: Final = (
    *("error_msg", "errorMsg", "error_message", "error_description", "message", "msg"),
    *("detail", "details", "description", "reason"),
)
_NESTED_KEYS: Final = ("error", "errors", "fault")

_HTML: Final = re.compile(r"<(?:!doctype|html|head|body|title|h1)\b", re.IGNORECASE)
_HTML_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTML_UNSEEN: Final = re.compile(
    r"<(script|style|head)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL
)
_TOKEN_WORD: Final = re.compile(r"\btoken\b", re.IGNORECASE)
_TUNNEL_STATUS: Final = re.compile(r"Tunnel connection failed: (\d{3})")


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A response that is not a page: its status, error code and message."""

    status: int
    code: str | None
    message: str
    is_json: bool = True

    @property
    def is_redirect(self) -> bool:
        """Whether the response is a redirect."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    def __str__(self) -> str:
        head = f"{self.status} {self.code}" if self.code else str(self.status)
        return f"{head}: {self.message}" if self.message else head


class TransientCause(Enum):
    """The causes of transient errors; each has its own number of attempts."""

    FAILED = "failed"
    THROTTLED = "throttled"
    SLOW = "slow"
    UNRESOLVED = "unresolved"


class TransientError(Exception):
    """The call failed, but a later attempt may succeed."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        cause: TransientCause = TransientCause.FAILED,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """The seconds to wait, as the server requested; None if it did not."""
        self.cause = cause


class TokenRefusedError(Exception):
    """The token is invalid or has expired."""


def parse_error_response(status: int, body: bytes) -> ErrorResponse:
    """Parse the body of an error response in any of the known formats."""
    try:
        fields = msgspec.json.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, str) and fields.strip():
        return ErrorResponse(status, None, _shown(fields))
    if not isinstance(fields, (dict, list)):
        return ErrorResponse(status, None, summarise(body), is_json=False)
    code, message = _find(fields, _CODE_KEYS), _find(fields, _MESSAGE_KEYS)
    if not code and not message and fields:
        return ErrorResponse(status, None, summarise(body))
    return ErrorResponse(status, _shown(code) or None, _shown(message))


def summarise(body: bytes) -> str:
    """Return the first words of a body that is not the documented JSON."""
    text = body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace")
    if _HTML.search(text):
        title = _HTML_TITLE.search(text)
        words = title[1] if title and title[1].strip() else _HTML_UNSEEN.sub(" ", text)
        return f"an HTML page: '{_shown(html.unescape(words))}'"
    if not text.strip():
        return "an empty response"
    kind = "JSON of another form" if text.lstrip().startswith(("{", "[")) else "not JSON"
    return f"{kind}: '{_shown(text)}'"


def describe_cause(error: BaseException) -> str:
    """Return why a connection failed, without the wrapping of the HTTP libraries."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return in_one_line(str(cause), _MAX_SHOWN_CHARACTERS) or type(cause).__name__


def describe_lasting_fault(url: str, error: BaseException, setting: str) -> str | None:
    """Return why no connection to a server can be made with these settings, and what to do.

    Args:
        url: of the server.
        error: of the attempt.
        setting: the setting that names the server.

    Returns:
        None if a later attempt may succeed.
    """
    if _has_cause(error, *_ADDRESS_FAULTS):
        return _describe_address_fault(url, error)
    proxy_status = _refusal_of_proxy(error)
    if proxy_status is not None:
        return describe_proxy_refusal(url, proxy_status)
    cause = describe_cause(error)
    if _has_cause(error, ssl.SSLCertVerificationError):
        return f"the certificate of {url} is not trusted ({cause}); set OS_CACERT to your CA bundle"
    if _is_tls_refusal(error):
        return (
            f"the TLS connection to {url} is not possible ({cause}); "
            f"check {setting}, HTTPS_PROXY, OS_CACERT, OS_CERT and OS_KEY"
        )
    return None


def _is_tls_refusal(error: BaseException) -> bool:
    """Return whether TLS failed for a reason that stays, such as a protocol.

    A connection that is closed during the handshake may be a passing fault.
    """
    passing = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return any(
        isinstance(cause, ssl.SSLError) and not isinstance(cause, passing)
        for cause in causes(error)
    )


def _has_cause(error: BaseException, *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes(error))


def _describe_address_fault(url: str, error: BaseException) -> str:
    """Return why no connection to a server can be tried, and which settings have addresses."""
    reason = describe_cause(error).rstrip(".")
    remedy = "for a SOCKS proxy: pip install pysocks" if "SOCKS" in reason else "correct it"
    return (
        f"no connection to {url} can be made: an address is not usable ({reason}); check it and "
        f"the variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; {remedy}"
    )


def _refusal_of_proxy(error: BaseException) -> int | None:
    """Return the status with which a proxy refused to connect, if it is a refusal that stays."""
    for cause in causes(error):
        match = _TUNNEL_STATUS.search(str(cause))
        if match:
            status = int(match[1])
            return None if is_transient_status(status) else status
    return None


def transient_cause(error: BaseException) -> TransientCause:
    """Return why a call without a response may succeed later."""
    if _has_cause(error, socket.gaierror, urllib3.exceptions.NameResolutionError):
        return TransientCause.UNRESOLVED
    if _has_cause(error, TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return TransientCause.SLOW
    return TransientCause.FAILED


def is_proxy_fault(error: BaseException) -> bool:
    """Return whether the proxy could not be reached, or did not connect."""
    faults = (requests_errors.ProxyError, urllib3.exceptions.ProxyError)
    return any(
        isinstance(each, faults) or isinstance(getattr(each, "reason", None), faults)
        for each in causes(error)
    )


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


def is_transient_status(status: int) -> bool:
    """Return whether the same call may succeed later, by the class of its status."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT_CLIENT_STATUSES


def is_token_refusal(response: ErrorResponse) -> bool:
    """Return whether a new token may help."""
    return response.status == HTTPStatus.UNAUTHORIZED or (
        response.status == HTTPStatus.FORBIDDEN
        and response.is_json
        and response.code not in NOT_PERMITTED_CODES
        and (response.code in TOKEN_EXPIRED_CODES or bool(_TOKEN_WORD.search(response.message)))
    )


def describe_refusal(response: ErrorResponse, *, project_id: str, endpoint: str, call: str) -> str:
    """Describe a permanent refusal in one line: the problem, the response, and what to do."""
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return describe_proxy_refusal(endpoint, response)
    if not response.is_json and not response.is_redirect:
        return (
            f"{endpoint} does not answer as the task center ({response}); it may be a proxy, a "
            "firewall or a portal in between; check --endpoint and HTTPS_PROXY"
        )
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
            "because the token must not reach another host; sign in to a portal in between, or set "
            "--endpoint to the final address"
        )
    remedy = "" if response.status == HTTPStatus.BAD_REQUEST else "; check --endpoint"
    return f"project {project_id}: the task center rejects the request {call} ({response}){remedy}"


def describe_proxy_refusal(endpoint: str, refusal: object) -> str:
    """Describe that the proxy does not let calls through."""
    return (
        f"the proxy refuses to connect to {endpoint} ({refusal}); check HTTPS_PROXY, its user "
        "and password, and the rules of the proxy"
    )


def _find(fields: Any, keys: tuple[str, ...], depth: int = 0) -> str:
    """Return the first of some members that is a text or a number, at any level of an error."""
    if isinstance(fields, str):
        return fields if depth and keys is _MESSAGE_KEYS else ""
    if isinstance(fields, list):
        return _find(fields[0], keys, depth + 1) if fields and depth < _MAX_DEPTH else ""
    if not isinstance(fields, dict) or depth >= _MAX_DEPTH:
        return ""
    for key in keys:
        value = fields.get(key)
        if value not in (None, "") and isinstance(value, (str, int)):
            return str(value)
    nested = (_find(fields.get(key), keys, depth + 1) for key in _NESTED_KEYS)
    return next(filter(None, nested), "")


def _shown(text: str) -> str:
    return in_one_line(text, _MAX_SHOWN_CHARACTERS)
