"""The part of the identity service (Keystone v3) that clients need to sign in with `clouds.yaml`.

It serves versions, tokens, a catalog, and the list of projects. A token is issued for a password
(with a passcode, if the account has one), for another token, or for an agency, which a token or a
signature may ask for. Its scope is a project, by id or by name and domain.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.clock import Clock
from gaussdb_tasks.emulator.credentials import Authenticator
from gaussdb_tasks.emulator.http import (
    RefusedError,
    Request,
    Response,
    identity_error,
    json_response,
)
from gaussdb_tasks.emulator.world import Project
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

Document: TypeAlias = dict[str, object]

SERVICE_TYPE: Final = "gaussdb"
"""The service type of the tasks API in the catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """The project that a token is requested for, by id, or by name and domain."""

    project_id: str | None
    project_name: str | None
    domain: str | None

    @property
    def is_empty(self) -> bool:
        return self.project_id is None and self.project_name is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _TokenRequest:
    """The body of `POST /v3/auth/tokens`; absent values are None."""

    methods: tuple[str, ...]
    user: str | None
    domain: str | None
    password: str | None
    passcode: str | None
    token: str | None
    agency: tuple[str | None, str | None]
    """Name and domain of the agency to assume."""
    scope: _Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystone:
    """Answers the identity API; the authenticator then accepts the tokens issued here.

    Tokens expire after `token_lifetime` by the emulator's clock, or after `token_uses` calls.
    """

    authenticator: Authenticator
    projects: Sequence[Project]
    clock: Clock
    endpoint: str
    region: str
    token_lifetime: Micros
    token_uses: int | None

    def answer(self, request: Request) -> Response | None:
        """Answer a call to the identity API; None for any other call."""
        route = self._routes().get((request.method, request.path.rstrip("/")))
        if route is None:
            return None
        try:
            return route(request)
        except RefusedError:
            message = "The request you have made requires authentication."
            return identity_error(401, "Unauthorized", message)
        except ValueError:
            return identity_error(400, "Bad Request", "The request body is invalid.")

    def _routes(self) -> Mapping[tuple[str, str], Callable[[Request], Response]]:
        return {
            ("GET", ""): self._list_versions,
            ("GET", "/v3"): self._show_version,
            ("POST", "/v3/auth/tokens"): self._issue_token,
            ("GET", "/v3/auth/projects"): self._list_projects,
            # The vendor's SDK looks here for the project of its keys.
            ("GET", "/v3/projects"): self._list_projects,
        }

    def _list_versions(self, _request: Request) -> Response:
        return json_response(300, {"versions": {"values": [self._version()]}})

    def _show_version(self, _request: Request) -> Response:
        return json_response(200, {"version": self._version()})

    def _version(self) -> Document:
        media_type = "application/vnd.openstack.identity-v3+json"
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self.endpoint}/v3/"}],
            "media-types": [{"base": "application/json", "type": media_type}],
        }

    def _list_projects(self, request: Request) -> Response:
        self.authenticator.authenticate(request, self.clock.now())
        name = dict(request.query).get("name")
        listed = [project for project in self.projects if name in {None, project.name}]
        return json_response(
            200, {"projects": [{**self._project(each), "enabled": True} for each in listed]}
        )

    def _issue_token(self, request: Request) -> Response:
        wanted = _read_token_request(request.body)
        if not all(self._is_proven(method, wanted, request) for method in wanted.methods):
            raise RefusedError(Response(401))
        if self.authenticator.account.passcode is not None and wanted.methods == ("password",):
            raise RefusedError(Response(401))
        project = self._find_project(wanted.scope)
        token = self.authenticator.tokens.issue(
            () if project is None else (project.project_id,),
            expires_at=self.clock.now() + self.token_lifetime,
            uses=self.token_uses,
        )
        document = {"token": self._token(wanted.methods, project)}
        return json_response(201, document, (("X-Subject-Token", token),))

    def _is_proven(self, method: str, wanted: _TokenRequest, request: Request) -> bool:
        account = self.authenticator.account
        match method:
            case "password":
                expected = (account.user, account.domain, account.password)
                return (wanted.user, wanted.domain, wanted.password) == expected
            case "totp":
                return account.passcode is not None and wanted.passcode == account.passcode
            case "token":
                return self._is_valid(wanted.token or "")
            case "assume_role":
                is_known = wanted.agency == (account.agency, account.domain)
                return account.agency is not None and is_known and self._is_user(request)
        return False

    def _is_user(self, request: Request) -> bool:
        """Return whether the user sent a request, with a token or a signature."""
        token = request.headers.get(TOKEN_HEADER.lower())
        if token is not None:
            return self._is_valid(token)
        self.authenticator.authenticate(request, self.clock.now())
        return True

    def _is_valid(self, token: str) -> bool:
        grant = self.authenticator.tokens.find(token)
        return grant is not None and grant.is_valid_at(self.clock.now())

    def _find_project(self, scope: _Scope) -> Project | None:
        if scope.is_empty:
            return None
        for project in self.projects:
            by_name = (project.name, self.authenticator.account.domain)
            if scope.project_id == project.project_id or by_name == (
                scope.project_name,
                scope.domain,
            ):
                return project
        raise RefusedError(Response(401))

    def _token(self, methods: Sequence[str], project: Project | None) -> Document:
        # The machine's clock, not the emulator's: clients compare expires_at with their own clock.
        issued_at = times.now()
        user = self.authenticator.account.user
        token: Document = {
            "methods": list(methods),
            "issued_at": _keystone_time(issued_at),
            "expires_at": _keystone_time(issued_at + self.token_lifetime),
            "user": {
                "id": _id_of(user),
                "name": user,
                "domain": self._domain(),
                "password_expires_at": None,
            },
        }
        if project is not None:
            token["project"] = self._project(project)
            token["roles"] = [{"id": _id_of("readonly"), "name": "readonly"}]
            token["catalog"] = self._catalog()
        return token

    def _domain(self) -> Document:
        name = self.authenticator.account.domain
        return {"id": _id_of(name), "name": name}

    def _project(self, project: Project) -> Document:
        domain = self._domain()
        return {
            "id": project.project_id,
            "name": project.name,
            "domain": domain,
            "domain_id": domain["id"],
        }

    def _catalog(self) -> list[Document]:
        services = {SERVICE_TYPE: self.endpoint, "identity": f"{self.endpoint}/v3"}
        return [
            {
                "id": _id_of(service_type),
                "type": service_type,
                "name": service_type,
                "endpoints": [
                    {
                        "id": _id_of(url),
                        "interface": "public",
                        "region": self.region,
                        "region_id": self.region,
                        "url": url,
                    }
                ],
            }
            for service_type, url in services.items()
        ]


def _keystone_time(time: Micros) -> str:
    return times.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id_of(text: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, text).hex


def _read_token_request(body: bytes) -> _TokenRequest:
    """Read the body of `POST /v3/auth/tokens`.

    Raises:
        ValueError: the body is not JSON, or names no method.
    """
    document = json.loads(body)
    methods = _value(document, "auth", "identity", "methods")
    if not isinstance(methods, list) or not methods:
        message = "no methods"
        raise ValueError(message)
    identity = ("auth", "identity")
    user = (*identity, "password", "user")
    project = ("auth", "scope", "project")
    return _TokenRequest(
        methods=tuple(str(method) for method in methods),
        user=_text(document, *user, "name"),
        domain=_domain_of(document, *user),
        password=_text(document, *user, "password"),
        passcode=_text(document, *identity, "totp", "user", "passcode"),
        token=_text(document, *identity, "token", "id"),
        agency=(
            _text(document, *identity, "assume_role", "xrole_name"),
            _text(document, *identity, "assume_role", "domain_name"),
        ),
        scope=_Scope(
            project_id=_text(document, *project, "id"),
            project_name=_text(document, *project, "name"),
            domain=_domain_of(document, *project),
        ),
    )


def _domain_of(document: object, *owner: str) -> str | None:
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
