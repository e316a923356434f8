"""Combine project, endpoint, identity and transport into the access of one project."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.api.deadline import BoundedAdapter
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

_MAX_SERVERS: Final = 4
"""Servers that a session keeps connections to: one for each region."""
_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """Everything needed to read one project; the name is empty if it is not known."""

    endpoint: str
    region: str
    project_id: str
    identity: Identity
    http: requests.Session
    name: str = ""


@dataclass(frozen=True, slots=True)
class Transport:
    """TLS settings of the connections: trusted CAs and the client certificate."""

    verify: bool | str | None = True
    cert: str | tuple[str, str] | None = None
    _sessions: dict[tuple[int, bool], requests.Session] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Transport":
        """Read ``OS_CACERT``, ``OS_INSECURE``, ``OS_CERT`` and ``OS_KEY``.

        Raises:
            ConfigurationError: ``OS_CACERT`` names a file that does not exist.
        """
        verify: bool | str = environ.get("OS_CACERT") or True
        if environ.get("OS_INSECURE", "").lower() in _TRUE:
            verify = False
        elif isinstance(verify, str) and not Path(verify).exists():
            message = f"{verify} does not exist; set OS_CACERT to a bundle of CA certificates"
            raise ConfigurationError(message)
        cert, key = environ.get("OS_CERT"), environ.get("OS_KEY")
        return cls(verify, (cert, key) if cert and key is not None else cert)

    def session(self, connections: int, *, through_proxy: bool = True) -> requests.Session:
        """Return a session for a number of concurrent calls; all projects share it."""
        key = (connections, through_proxy)
        if key not in self._sessions:
            self._sessions[key] = self._make_session(connections)
            self._sessions[key].trust_env = through_proxy
        return self._sessions[key]

    def _make_session(self, connections: int) -> requests.Session:
        http = requests.Session()
        http.verify = True if self.verify is None else self.verify
        http.cert = self.cert
        # No cookies: a call must not depend on the response to another thread's call.
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_connections=_MAX_SERVERS, pool_maxsize=connections)
        http.mount("https://", adapter)
        http.mount("http://", adapter)
        return http


@dataclass(frozen=True, slots=True)
class ProjectEndpoint:
    """A project as the sign-in found it; region and endpoint may be unknown."""

    project_id: str
    region: str | None
    endpoint: str | None
    name: str = ""


def make_access(
    request: AccessRequest, project: ProjectEndpoint, identity: Identity, transport: Transport
) -> ProjectAccess:
    """Complete the endpoint and the region of a project, and return its access.

    Raises:
        ConfigurationError: the project id, the region or the endpoint is invalid or missing.
    """
    if not _PROJECT_ID.fullmatch(project.project_id):
        message = (
            f"{project.project_id!r} is not a project id; it has 32 letters and digits, "
            "see My Credentials in the console"
        )
        raise ConfigurationError(message)
    region = request.region or project.region
    url = request.endpoint or project.endpoint
    if url is None and region is not None:
        url = endpoints.endpoint_of_region(region)
    if url is None:
        message = (
            "no endpoint is set; give --endpoint, or --region (or OS_REGION_NAME) to derive it"
        )
        raise ConfigurationError(message)
    cleaned = endpoints.clean_endpoint(url, source="--endpoint" if request.endpoint else "endpoint")
    region = region or endpoints.region_of_endpoint(cleaned)
    if region is None:
        message = f"the region cannot be read from {cleaned}; give it with --region, such as eu-de"
        raise ConfigurationError(message)
    # Calls to this machine must not go through a proxy.
    is_local = endpoints.is_loopback(urlsplit(cleaned).hostname or "")
    http = transport.session(request.connections, through_proxy=not is_local)
    return ProjectAccess(cleaned, region, project.project_id, identity, http, project.name)
