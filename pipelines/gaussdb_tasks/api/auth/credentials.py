"""Authenticate requests with a token, or with a signature by an access key (AK/SK).

The signature is the vendor's SDK-HMAC-SHA256. It covers method, path, query, body and the headers
that it lists. The gateway rejects it if the clock is more than about 15 minutes off.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import requests
from requests.auth import AuthBase

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import remember

SENDABLE: Final = re.compile(r"[!-~]+")
"""The characters that a header with a credential may have."""
_ALGORITHM: Final = "SDK-HMAC-SHA256"
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class TokenCredential(AuthBase):
    """Sends a token in the header ``X-Auth-Token``."""

    token: str = field(repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request."""
        request.headers[TOKEN_HEADER] = self.token
        return request


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An access key and its secret key; temporary keys also have a security token.

    It is the ``KeySource`` of keys that do not change.
    """

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse keys that no header can hold, without showing them.

        Raises:
            ConfigurationError: a part has blanks or other characters that keys do not have.
        """
        remember(self.secret_key)
        remember(self.security_token)
        for name in ("access_key", "security_token"):  # the secret key is not sent
            if not SENDABLE.fullmatch(getattr(self, name) or "none"):
                message = (
                    f"the {name.replace('_', ' ')} has invalid characters, such as a line break "
                    "or a blank; copy it again"
                )
                raise ConfigurationError(message)

    @property
    def account(self) -> str:
        """The access key, which identifies the user."""
        return self.access_key

    def current(self) -> "KeyPair":
        """Return these keys."""
        return self

    def renew(self, refused: "KeyPair") -> bool:  # noqa: ARG002 - part of the protocol
        """Return False: the user sets other keys."""
        return False


class KeySource(Protocol):
    """Provides the keys to sign with; ``account`` identifies their owner."""

    @property
    def account(self) -> str: ...  # noqa: D102 - see above

    def current(self) -> KeyPair:
        """Return keys that are valid now."""

    def renew(self, refused: KeyPair) -> bool:
        """Replace refused keys; return False if that is not possible."""


@dataclass(frozen=True, slots=True)
class SignatureCredential(AuthBase):
    """Signs each request with an access key."""

    keys: KeyPair
    project_id: str | None = None
    clock: Callable[[], float] = time.time
    """Seconds since 1970, UTC."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a prepared request."""
        url = urlsplit(request.url or "")
        request.headers["Host"] = _host(url)
        request.headers["Content-Type"] = request.headers.get("Content-Type", "application/json")
        request.headers["X-Sdk-Date"] = time.strftime(_DATE_FORMAT, time.gmtime(self.clock()))
        if self.project_id is not None:
            request.headers["X-Project-Id"] = self.project_id
        if self.keys.security_token is not None:
            request.headers["X-Security-Token"] = self.keys.security_token
        signed = {
            name.lower(): str(request.headers[name]).strip()
            for name in ("Content-Type", "Host", "X-Project-Id", "X-Sdk-Date", "X-Security-Token")
            if name in request.headers
        }
        canonical = _canonical_request(request.method or "GET", url, signed, _body(request))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((_ALGORITHM, signed["x-sdk-date"], digest))
        key = self.keys.secret_key.encode()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        request.headers["Authorization"] = (
            f"{_ALGORITHM} Access={self.keys.access_key}, "
            f"SignedHeaders={';'.join(sorted(signed))}, Signature={signature}"
        )
        return request


def _canonical_request(
    method: str, url: SplitResult, signed: Mapping[str, str], body: bytes
) -> str:
    path = "/".join(_encoded(unquote(part)) for part in url.path.split("/"))
    query = sorted(parse_qsl(url.query, keep_blank_values=True))
    return "\n".join(
        (
            method.upper(),
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            hashlib.sha256(body).hexdigest(),
        )
    )


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def _host(url: SplitResult) -> str:
    name = url.hostname or ""
    host = f"[{name}]" if ":" in name else name
    is_default = url.port is None or url.port == _DEFAULT_PORTS.get(url.scheme)
    return host if is_default else f"{host}:{url.port}"


def _body(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)
