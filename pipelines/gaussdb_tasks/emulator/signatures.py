"""Requests signed with an access key and its secret (AK/SK), checked as the gateway checks them.

The algorithm is the vendor's SDK-HMAC-SHA256. The check builds the signature anew from what
arrived, so a client that signs something other than what it sends is found out.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn
from urllib.parse import quote, unquote

from gaussdb_tasks.emulator.messages import RefusedError, Request, gateway_error
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import MINUTE, Micros

ALGORITHM: Final = "SDK-HMAC-SHA256"
CLOCK_TOLERANCE: Final[Micros] = 15 * MINUTE
"""A signature dated further from the gateway's clock than this is refused."""

_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM} Access=(?P<access>[^,]+), "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_MUST_BE_SIGNED: Final = frozenset({"host", "x-sdk-date"})


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An access key and its secret, with the token that makes temporary keys valid."""

    access_key: str
    secret_key: str
    security_token: str | None = None


def is_signed(request: Request) -> bool:
    """Tell whether a request claims to be signed."""
    return request.headers.get("authorization", "").startswith(ALGORITHM)


def check_signature(request: Request, keys: KeyPair, now: Micros) -> None:
    """Let a request pass if these keys signed just what arrived, within the clock's tolerance.

    Raises:
        RefusedError: with 401 APIGW.0301 and the gateway's reason.
    """
    match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
    if match is None:
        _refuse("the authorization header is malformed")
    names = match["names"].split(";")
    if match["access"] != keys.access_key:
        _refuse("the access key does not exist")
    if not _MUST_BE_SIGNED.union(_security_headers(keys)).issubset(names):
        _refuse("a header that must be signed is not")
    if request.headers.get("x-security-token") != keys.security_token:
        _refuse("the security token is invalid")
    if abs(_signed_at(request) - now) > CLOCK_TOLERANCE:
        _refuse("the signature has expired: the clocks differ by more than 15 minutes")
    if not hmac.compare_digest(_signature(request, names, keys), match["signature"]):
        _refuse("the signature does not match")


def _security_headers(keys: KeyPair) -> frozenset[str]:
    return frozenset() if keys.security_token is None else frozenset({"x-security-token"})


def _refuse(reason: str) -> NoReturn:
    message = f"Incorrect IAM authentication information: {reason}"
    raise RefusedError(gateway_error(401, "APIGW.0301", message))


def _signed_at(request: Request) -> Micros:
    text = request.headers.get("x-sdk-date", "")
    try:
        return times.from_datetime(datetime.strptime(text, _DATE_FORMAT).replace(tzinfo=UTC))
    except ValueError:
        _refuse("the header X-Sdk-Date is malformed")


def _signature(request: Request, names: Sequence[str], keys: KeyPair) -> str:
    digest = hashlib.sha256(_canonical_request(request, names).encode()).hexdigest()
    text = "\n".join((ALGORITHM, request.headers["x-sdk-date"], digest))
    return hmac.new(keys.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _canonical_request(request: Request, names: Sequence[str]) -> str:
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            _canonical_query(request.query),
            headers,
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _canonical_path(path: str) -> str:
    encoded = "/".join(_encoded(unquote(segment)) for segment in path.split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in sorted(query))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
