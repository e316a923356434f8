"""A request for a token, read from the JSON of Keystone v3."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from gaussdb_tasks.emulator.access import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The project a token is wanted for, by id, or by name inside a domain."""

    project_id: str | None
    project_name: str | None
    domain: str | None

    @property
    def is_empty(self) -> bool:
        """Whether the token is wanted for no project at all."""
        return self.project_id is None and self.project_name is None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who wants a token, how they prove it, and what for."""

    methods: tuple[str, ...]
    user: str | None
    domain: str | None
    password: str | None
    token: str | None
    agency: tuple[str | None, str | None]
    """Name and domain of the agency to assume."""
    scope: Scope

    def matches(self, account: Account) -> bool:
        """Tell whether user, domain and password are the account's."""
        known = (account.user, account.domain, account.password)
        return (self.user, self.domain, self.password) == known


def read_sign_in(body: bytes) -> SignIn:
    """Read the body of `POST /v3/auth/tokens`; what is absent is None.

    Raises:
        ValueError: the body is no JSON, or names no method.
    """
    document = json.loads(body)
    methods = _value(document, "auth", "identity", "methods")
    if not isinstance(methods, list) or not methods:
        message = "no methods"
        raise ValueError(message)
    identity = ("auth", "identity")
    user = (*identity, "password", "user")
    return SignIn(
        methods=tuple(str(method) for method in methods),
        user=_text(document, *user, "name"),
        domain=_domain(document, *user),
        password=_text(document, *user, "password"),
        token=_text(document, *identity, "token", "id"),
        agency=(
            _text(document, *identity, "assume_role", "xrole_name"),
            _text(document, *identity, "assume_role", "domain_name"),
        ),
        scope=_scope(document),
    )


def _scope(document: object) -> Scope:
    project = ("auth", "scope", "project")
    return Scope(
        project_id=_text(document, *project, "id"),
        project_name=_text(document, *project, "name"),
        domain=_domain(document, *project),
    )


def _domain(document: object, *owner: str) -> str | None:
    return _text(document, *owner, "domain", "name") or _text(document, *owner, "domain", "id")


def _text(document: object, *path: str) -> str | None:
    value = _value(document, *path)
    return value if isinstance(value, str) else None


def _value(document: object, *path: str) -> object:
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document
