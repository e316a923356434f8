"""As much of an identity service (Keystone v3) as clients need to sign in with `clouds.yaml`.

Versions, tokens by password, by token or of an agency, scope by a project's id or its name and
domain, a catalog, and the projects the user may enter.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.access import Gate
from gaussdb_tasks.emulator.clock import Clock
from gaussdb_tasks.emulator.messages import (
    RefusedError,
    Request,
    Response,
    identity_error,
    json_response,
)
from gaussdb_tasks.emulator.sign_in import Scope, SignIn, read_sign_in
from gaussdb_tasks.emulator.world import Project
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, Micros

Document: TypeAlias = dict[str, object]

SERVICE_TYPE: Final = "gaussdb"
"""The tasks API's type in the catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Answers the identity API; the gate then admits the tokens that it hands out.

    Tokens end after `token_lifetime` by the emulator's clock, or after `token_uses` calls.
    """

    gate: Gate
    projects: Sequence[Project]
    clock: Clock
    endpoint: str
    region: str = "eu-de"
    token_lifetime: Micros = DAY
    token_uses: int | None = None

    def answer(self, request: Request) -> Response | None:
        """Answer a call to the identity API; None if it is none."""
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
            ("POST", "/v3/auth/tokens"): self._sign_in,
            ("GET", "/v3/auth/projects"): self._list_projects,
            # Where the vendor's SDK looks for the project of its keys.
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
        self.gate.admit(request, self.clock.now())
        wanted = dict(request.query).get("name")
        listed = [project for project in self.projects if wanted in {None, project.name}]
        return json_response(
            200, {"projects": [{**self._project(each), "enabled": True} for each in listed]}
        )

    def _sign_in(self, request: Request) -> Response:
        sign_in = read_sign_in(request.body)
        bearer = request.headers.get(TOKEN_HEADER.lower(), "")
        if not all(self._is_proven(method, sign_in, bearer) for method in sign_in.methods):
            raise RefusedError(Response(401))
        project = self._project_in(sign_in.scope)
        token = self.gate.tokens.issue(
            () if project is None else (project.project_id,),
            expires_at=self.clock.now() + self.token_lifetime,
            uses=self.token_uses,
        )
        document = {"token": self._token(sign_in, project)}
        return json_response(201, document, (("X-Subject-Token", token),))

    def _is_proven(self, method: str, sign_in: SignIn, bearer: str) -> bool:
        account = self.gate.account
        match method:
            case "password":
                return sign_in.matches(account)
            case "token":
                return self._is_alive(sign_in.token or "")
            case "assume_role":
                is_known = sign_in.agency == (account.agency, account.domain)
                return account.agency is not None and is_known and self._is_alive(bearer)
        return False

    def _is_alive(self, token: str) -> bool:
        grant = self.gate.tokens.find(token)
        return grant is not None and grant.is_valid_at(self.clock.now())

    def _project_in(self, scope: Scope) -> Project | None:
        if scope.is_empty:
            return None
        for project in self.projects:
            by_name = (project.name, self.gate.account.domain)
            if scope.project_id == project.project_id or by_name == (
                scope.project_name,
                scope.domain,
            ):
                return project
        raise RefusedError(Response(401))

    def _token(self, sign_in: SignIn, project: Project | None) -> Document:
        # The machine's clock, not the emulator's: clients hold expires_at against their own.
        issued_at = times.now()
        token: Document = {
            "methods": list(sign_in.methods),
            "issued_at": _keystone_time(issued_at),
            "expires_at": _keystone_time(issued_at + self.token_lifetime),
            "user": {
                "id": _invented_id(self.gate.account.user),
                "name": self.gate.account.user,
                "domain": self._domain(),
                "password_expires_at": None,
            },
        }
        if project is not None:
            token["project"] = self._project(project)
            token["roles"] = [{"id": _invented_id("readonly"), "name": "readonly"}]
            token["catalog"] = self._catalog()
        return token

    def _domain(self) -> Document:
        name = self.gate.account.domain
        return {"id": _invented_id(name), "name": name}

    def _project(self, project: Project) -> Document:
        return {
            "id": project.project_id,
            "name": project.name,
            "domain": self._domain(),
            "domain_id": _invented_id(self.gate.account.domain),
        }

    def _catalog(self) -> list[Document]:
        services = {SERVICE_TYPE: self.endpoint, "identity": f"{self.endpoint}/v3"}
        return [
            {
                "id": _invented_id(service_type),
                "type": service_type,
                "name": service_type,
                "endpoints": [
                    {
                        "id": _invented_id(url),
                        "interface": "public",
                        "region": self.region,
                        "region_id": self.region,
                        "url": url,
                    }
                ],
            }
            for service_type, url in services.items()
        ]


def _keystone_time(instant: Micros) -> str:
    return times.to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _invented_id(text: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, text).hex
