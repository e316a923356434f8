"""Authentication of requests: the account, its tokens, and requests signed with its keys (AK/SK).

The signature algorithm is the vendor's SDK-HMAC-SHA256. The check computes the signature again
from the request that arrived, so a client must sign exactly what it sends.
"""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NoReturn
from urllib.parse import quote, unquote

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.behaviour import GATEWAY_401, ExpiredToken
from gaussdb_tasks.emulator.http import RefusedError, Request, gateway_error, service_error
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import MINUTE, Micros

_ALGORITHM: Final = "SDK-HMAC-SHA256"
_MAX_CLOCK_DIFFERENCE: Final[Micros] = 15 * MINUTE
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    rf"{_ALGORITHM} Access=(?P<access>[^,]+), "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_MUST_BE_SIGNED: Final = frozenset({"host", "x-sdk-date"})


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An access key and its secret key; temporary keys also have a security token."""

    access_key: str
    secret_key: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The only user of the emulator, with invented credentials."""

    user: str = "night-auditor"
    password: str = "invented-password"  # noqa: S105 - valid for an emulator only
    domain: str = "OTC00000000001000012345"
    keys: KeyPair = KeyPair("INVENTEDACCESSKEY000", "invented-secret-of-no-use-elsewhere")
    passcode: str | None = None
    """A one-time passcode that a sign-in with the password needs as well."""
    agency: str | None = None
    """An agency of the user's own domain that the user may assume."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of a token: projects, expiry time, and remaining number of calls."""

    project_ids: frozenset[str]
    expires_at: Micros | None = None
    uses_left: int | None = None
    is_revoked: bool = False

    def is_valid_at(self, now: Micros) -> bool:
        """Return whether the token is not expired, used up or revoked."""
        in_time = self.expires_at is None or now < self.expires_at
        return in_time and self.uses_left != 0 and not self.is_revoked


class TokenStore:
    """All tokens that were issued; thread-safe."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    def issue(
        self,
        project_ids: Collection[str],
        *,
        expires_at: Micros | None = None,
        uses: int | None = None,
    ) -> str:
        """Issue a token for these projects; without limits it is valid until it is revoked."""
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._grants[token] = Grant(frozenset(project_ids), expires_at, uses)
        return token

    def find(self, token: str) -> Grant | None:
        """Return a token's grant, valid or not, without counting a use."""
        return self._grants.get(token)

    def spend(self, token: str) -> Grant | None:
        """Count one use of a token; return its grant as it was before this use."""
        with self._lock:
            grant = self._grants.get(token)
            if grant is not None and grant.uses_left:
                self._grants[token] = replace(grant, uses_left=grant.uses_left - 1)
            return grant

    def revoke(self, token: str) -> None:
        """Revoke one token.

        Raises:
            KeyError: this token was never issued.
        """
        with self._lock:
            self._grants[token] = replace(self._grants[token], is_revoked=True)

    def revoke_all(self) -> None:
        """Revoke every token issued so far, as a change of password does."""
        with self._lock:
            for token, grant in self._grants.items():
                self._grants[token] = replace(grant, is_revoked=True)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Checks the token of a request, or its signature by the account's keys."""

    account: Account
    project_ids: frozenset[str]
    tokens: TokenStore = field(default_factory=TokenStore)

    def authenticate(
        self, request: Request, now: Micros, expired_token: ExpiredToken = GATEWAY_401
    ) -> frozenset[str]:
        """Return the projects that a request may access; this counts one use of its token.

        Raises:
            RefusedError: the token or signature is missing, unknown or invalid.
        """
        if request.headers.get("authorization", "").startswith(_ALGORITHM):
            return self._signed_project_ids(request, now)
        grant = self.tokens.spend(request.headers.get(TOKEN_HEADER.lower(), ""))
        if grant is None:
            _refuse("decrypt token fail")
        if grant.is_valid_at(now):
            return grant.project_ids
        if expired_token == GATEWAY_401:
            _refuse("token expired")
        message = "The token is invalid or has expired."
        raise RefusedError(service_error(403, "DBS.280056", message))

    def _signed_project_ids(self, request: Request, now: Micros) -> frozenset[str]:
        check_signature(request, self.account.keys, now)
        project_id = request.headers.get("x-project-id")
        if project_id is None:
            return self.project_ids
        return self.project_ids & {project_id}


def check_signature(request: Request, keys: KeyPair, now: Micros) -> None:
    """Check that these keys signed this request, at most 15 minutes from `now`.

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
    if abs(_signed_at(request) - now) > _MAX_CLOCK_DIFFERENCE:
        _refuse("the signature has expired: the clocks differ by more than 15 minutes")
    if not hmac.compare_digest(_signature(request, names, keys), match["signature"]):
        _refuse("the signature does not match")


def _refuse(reason: str) -> NoReturn:
    message = f"Incorrect IAM authentication information: {reason}"
    raise RefusedError(gateway_error(401, "APIGW.0301", message))


def _security_headers(keys: KeyPair) -> frozenset[str]:
    return frozenset() if keys.security_token is None else frozenset({"x-security-token"})


def _signed_at(request: Request) -> Micros:
    text = request.headers.get("x-sdk-date", "")
    try:
        return times.from_datetime(datetime.strptime(text, _DATE_FORMAT).replace(tzinfo=UTC))
    except ValueError:
        _refuse("the header X-Sdk-Date is malformed")


def _signature(request: Request, names: Sequence[str], keys: KeyPair) -> str:
    digest = hashlib.sha256(_canonical_request(request, names).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, request.headers["x-sdk-date"], digest))
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
    encoded = "/".join(_encoded(unquote(part)) for part in path.split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in sorted(query))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
