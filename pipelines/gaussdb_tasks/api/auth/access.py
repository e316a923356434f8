"""One project with all that is needed to read it."""

import re
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

_SERVERS: Final = 4
"""How many servers' connections a session keeps: a region each."""
_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """One project with all that is needed to read it; the name is empty where it is not known."""

    endpoint: str
    region: str
    project_id: str
    identity: Identity
    http: requests.Session
    name: str = ""


@dataclass(frozen=True, slots=True)
class Transport:
    """How to reach servers: whose certificates to trust, and what to show them."""

    verify: bool | str | None = True
    cert: str | tuple[str, str] | None = None
    _sessions: dict[tuple[int, bool], requests.Session] = field(default_factory=dict)

    def session(self, connections: int, *, through_proxy: bool = True) -> requests.Session:
        """Return the session for so many calls at once; projects share it, and its connections."""
        key = (connections, through_proxy)
        if key not in self._sessions:
            self._sessions[key] = self._make_session(connections)
            self._sessions[key].trust_env = through_proxy
        return self._sessions[key]

    def _make_session(self, connections: int) -> requests.Session:
        http = requests.Session()
        http.verify = True if self.verify is None else self.verify
        http.cert = self.cert
        # Cookies would make the threads' calls depend on each other's answers.
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=_SERVERS, pool_maxsize=connections)
        http.mount("https://", adapter)
        http.mount("http://", adapter)
        return http


@dataclass(frozen=True, slots=True)
class ProjectEndpoint:
    """A project as a sign-in knows it; its region and the service's address may be open."""

    project_id: str
    region: str | None
    endpoint: str | None
    name: str = ""


def make_access(
    request: AccessRequest, place: ProjectEndpoint, identity: Identity, transport: Transport
) -> ProjectAccess:
    """Bring a project, an identity and a way to the server together.

    Raises:
        ConfigurationError: the project's id, its region or the address cannot be right.
    """
    if not _PROJECT_ID.fullmatch(place.project_id):
        message = (
            f"{place.project_id!r} is not a project id: 32 letters and digits, see My Credentials"
        )
        raise ConfigurationError(message)
    region = request.region or place.region
    url = request.endpoint or place.endpoint
    if url is None and region is not None:
        url = endpoints.endpoint_of_region(region)
    if url is None:
        message = "no endpoint: give --endpoint, or --region (or OS_REGION_NAME) to find it by"
        raise ConfigurationError(message)
    cleaned = endpoints.clean_endpoint(url, source="--endpoint" if request.endpoint else "endpoint")
    region = region or endpoints.region_of_endpoint(cleaned)
    if region is None:
        message = f"{cleaned} does not show its region; name it with --region, such as eu-de"
        raise ConfigurationError(message)
    # What stays on this machine goes through no proxy.
    is_local = endpoints.is_loopback(urlsplit(cleaned).hostname or "")
    http = transport.session(request.connections, through_proxy=not is_local)
    return ProjectAccess(cleaned, region, place.project_id, identity, http, place.name)
