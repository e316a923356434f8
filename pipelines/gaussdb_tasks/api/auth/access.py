"""Combine project, endpoint, identity and transport into the access of one project."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from gaussdb_tasks.api.auth import endpoints, regions
from gaussdb_tasks.api.auth.cloud_settings import as_boolean, read_timeout
from gaussdb_tasks.api.auth.identity import Identity
from gaussdb_tasks.api.deadline import bounded_session
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.os_errors import explain
from gaussdb_tasks.settings import AccessRequest

_MAX_SERVERS: Final = 4
"""Servers that a session keeps connections to: one for each region."""
_READ_SECONDS: Final = 30.0
"""The longest time until IAM sends the next part of an answer."""
_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_NAME: Final = 255
"""IAM's names of projects have at most 64 characters, those of Keystone at most 255."""


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """Everything needed to read one project.

    Attributes:
        name: as IAM lists the project, or as the settings name it; empty if neither does.
        read_seconds: the longest wait for the next part of an answer; None for the usual one.
    """

    endpoint: str
    region: str
    project_id: str
    identity: Identity
    http: requests.Session
    name: str = ""
    read_seconds: float | None = None

    @property
    def key(self) -> ProjectKey:
        """The identity of the project."""
        return ProjectKey(self.region, self.project_id)

    def learned_name(self) -> str:
        """Return the project's name: that in a token of IAM comes first; empty if unknown.

        A text that cannot be a name does not count: a longer one, or one that is not Unicode.
        """
        name = self.identity.project_name(self.project_id) or self.name
        try:
            name.encode()
        except UnicodeEncodeError:  # JSON can hold half of a surrogate pair
            return ""
        return name if len(name) <= _MAX_NAME else ""


@dataclass(frozen=True, slots=True)
class Transport:
    """Settings of the connections: trusted CAs, client certificate, longest wait in seconds."""

    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    read_seconds: float | None = None
    _sessions: dict[tuple[int, bool], requests.Session] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Transport":
        """Read ``OS_CACERT``, ``OS_CERT``, ``OS_KEY`` and the like; no blanks are around them.

        Raises:
            ConfigurationError: ``OS_CACERT`` names a file that does not exist.
        """
        verify: bool | str = environ.get("OS_CACERT") or True
        is_insecure = as_boolean(environ.get("OS_INSECURE") or False, "OS_INSECURE")
        if is_insecure or not as_boolean(environ.get("OS_VERIFY") or True, "OS_VERIFY"):
            verify = False
        cert, key = environ.get("OS_CERT") or None, environ.get("OS_KEY")
        read_seconds = read_timeout(environ.get("OS_API_TIMEOUT"), "OS_API_TIMEOUT")
        return cls(verify, (cert, key) if cert and key else cert, read_seconds)

    def __post_init__(self) -> None:
        """Check that the files can be read: the HTTP library would raise an error without a name.

        Raises:
            ConfigurationError: a file does not exist, or this user may not read it.
        """
        certs = (self.cert,) if isinstance(self.cert, str) else self.cert or ()
        named = [(path, "cert and key (OS_CERT, OS_KEY)") for path in certs]
        if isinstance(self.verify, str):
            named.append((self.verify, "cacert (OS_CACERT), a bundle of CA certificates"))
        elif self.verify is not False:
            names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            found = [(os.environ[name], name) for name in names if os.environ.get(name)]
            named += found[:1]
        for path, setting in named:
            _check_readable(Path(path), setting)

    def session(self, connections: int, *, through_proxy: bool = True) -> requests.Session:
        """Return a session for a number of concurrent calls; all projects share it."""
        key = (connections, through_proxy)
        if key not in self._sessions:
            self._sessions[key] = self._make_session(connections)
            self._sessions[key].trust_env = through_proxy
        return self._sessions[key]

    def keystone_session(self, iam_url: str) -> Session:
        """Return a session for keystoneauth1."""
        is_local = endpoints.is_loopback(urlsplit(iam_url).hostname or "")
        return Session(
            auth=_NoSignIn(),
            session=self.session(1, through_proxy=not is_local),
            verify=self.verify,
            cert=self.cert,
            timeout=self.read_seconds or _READ_SECONDS,
            redirect=False,  # a sign-in sends secrets; they must not reach another host
        )

    def _make_session(self, connections: int) -> requests.Session:
        http = bounded_session(_MAX_SERVERS, connections)
        http.verify = self.verify
        http.cert = self.cert
        # No cookies: a call must not depend on the response to another thread's call.
        http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return http


class _NoSignIn(BaseAuthPlugin):
    """The plugin of calls that name none: only the discovery of IAM's versions.

    If IAM answers the discovery with 401, keystoneauth1 signs in for it. With the plugin that is
    signing in already it would wait for itself without end. A refusal lets it do without versions.
    """

    def get_headers(self, session: Session) -> dict[str, str]:  # noqa: ARG002 - as inherited
        message = "IAM does not show its versions"
        raise Unauthorized(message)


@dataclass(frozen=True, slots=True)
class ProjectEndpoint:
    """A project as the sign-in found it; region and endpoint may be unknown.

    They are those of the settings, also if ``is_requested``: the user named the project by its id.
    """

    project_id: str
    region: str | None
    endpoint: str | None
    name: str = ""
    is_requested: bool = False


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
    region = _region(request, project)
    endpoint = _endpoint(request, project, region)
    region = region or endpoints.region_of_endpoint(endpoint)
    if region is None:
        message = f"the region cannot be read from {endpoint}; give it with --region, such as eu-de"
        raise ConfigurationError(message)
    # Calls to this machine must not go through a proxy.
    is_local = endpoints.is_loopback(urlsplit(endpoint).hostname or "")
    http = transport.session(request.connections, through_proxy=not is_local)
    return ProjectAccess(
        endpoint,
        region,
        project.project_id,
        identity,
        http,
        project.name,
        transport.read_seconds,
    )


def _region(request: AccessRequest, project: ProjectEndpoint) -> str | None:
    """Return the requested region, else that of the project; None if neither is known.

    Raises:
        ConfigurationError: the project is in another region.
    """
    region = request.region or project.region
    if project.region not in {None, region} and not project.is_requested:
        raise ConfigurationError(_other_region(project, str(region)))
    of_name = regions.region_of_project(project.name)
    if region is not None and of_name not in {None, region}:
        raise ConfigurationError(_other_region(replace(project, region=of_name), region))
    return region


def _endpoint(request: AccessRequest, project: ProjectEndpoint, region: str | None) -> str:
    """Return the requested endpoint, else that of the project, else that of the region.

    Raises:
        ConfigurationError: it is invalid or missing, or it is in another region.
    """
    url = request.endpoint
    if not url and project.region in {None, region}:
        url = project.endpoint  # the configured endpoint belongs to the configured region
    if url is None and region is not None:
        url = regions.endpoint_of_region(region)
    if url is None:
        message = (
            "no endpoint is set; give --endpoint, or --region (or OS_REGION_NAME) to derive it"
        )
        raise ConfigurationError(message)
    cleaned = endpoints.clean_endpoint(url, source="--endpoint" if request.endpoint else "endpoint")
    of_host = endpoints.region_of_endpoint(cleaned)
    if regions.is_known_region(of_host) and region not in {None, of_host}:
        message = (
            f"the endpoint {cleaned} is in region {of_host}, but the region is {region}; "
            "correct --endpoint (gaussdb_endpoint_override) or --region (region_name)"
        )
        raise ConfigurationError(message)
    return cleaned


def _other_region(project: ProjectEndpoint, requested: str) -> str:
    shown = project.name or project.project_id
    return (
        f"project {shown} is in region {project.region}, not in {requested}; give --project-id "
        f"with a project of {requested}, or --all-projects, or correct the region"
    )


def _check_readable(path: Path, setting: str) -> None:
    try:
        if not path.is_dir():  # a folder of certificates is allowed
            path.open("rb").close()
    except OSError as error:
        raise explain(error, path=path, setting=setting) from error
