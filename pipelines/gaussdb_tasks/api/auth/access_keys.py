"""Sign in with an access key (AK/SK), from ``clouds.yaml`` or from the environment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import requests

from gaussdb_tasks.api.auth import endpoints, regions
from gaussdb_tasks.api.auth.access import ProjectAccess, ProjectEndpoint, Transport, make_access
from gaussdb_tasks.api.auth.agency import Agency, AgencyPlugin
from gaussdb_tasks.api.auth.clouds import Cloud, read_agency
from gaussdb_tasks.api.auth.credentials import KeyPair, KeySource
from gaussdb_tasks.api.auth.identity import (
    Identity,
    KeyIdentity,
    KeystoneIdentity,
    fetch_project_list,
)
from gaussdb_tasks.api.auth.metadata_keys import MetadataKeys
from gaussdb_tasks.api.auth.projects import (
    ListedProject,
    endpoint_of_listed,
    project_named,
    read_projects,
    select_projects,
)
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.settings import AccessRequest


@dataclass(frozen=True, slots=True)
class KeySettings:
    """An access key and the settings beside it; messages show ``name`` as their source."""

    name: str
    keys: KeySource
    agency: Agency | None
    region: str | None
    endpoint: str | None
    transport: Transport
    auth_url: str | None
    project_id: str | None
    project_name: str | None

    @classmethod
    def from_cloud(cls, cloud: Cloud, keys: KeyPair) -> "KeySettings":
        """Take the settings of a cloud that has an access key."""
        return cls(
            name=cloud.name,
            keys=keys,
            agency=cloud.agency,
            region=cloud.region,
            endpoint=cloud.endpoint,
            transport=cloud.transport,
            auth_url=cloud.auth_url or None,
            project_id=cloud.project_id,
            project_name=cloud.project_name,
        )

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], keys: KeySource, name: str
    ) -> "KeySettings":
        """Read the ``OS_*`` variables beside an access key."""
        return cls(
            name=name,
            keys=keys,
            agency=read_agency({}, environ, name),
            region=environ.get("OS_REGION_NAME") or None,
            endpoint=environ.get("OS_GAUSSDB_ENDPOINT_OVERRIDE") or None,
            transport=Transport.from_environment(environ),
            auth_url=environ.get("OS_AUTH_URL") or None,
            project_id=environ.get("OS_PROJECT_ID") or None,
            project_name=environ.get("OS_PROJECT_NAME") or None,
        )

    @property
    def iam_url(self) -> str:
        """Return the URL of IAM: as configured, or by region.

        Raises:
            ConfigurationError: neither is configured, or the URL must not get credentials.
        """
        if self.auth_url is not None:
            endpoints.check_iam_url(self.auth_url, source=f"{self.name}: auth_url")
            return self.auth_url
        if self.region is None:
            message = (
                f"{self.name}: IAM is needed to list the projects, but its URL is not known; "
                "set auth_url (OS_AUTH_URL) or region_name (OS_REGION_NAME)"
            )
            raise ConfigurationError(message)
        return regions.iam_of_region(self.region)

    def identity(self, project_id: str | None) -> Identity:
        """Return the identity for a project; None for the project of the agency, or none."""
        if self.agency is None:
            return KeyIdentity(self.keys, project_id)
        return self.agency_identity(self.agency, project_id)

    def agency_identity(self, agency: Agency, project_id: str | None) -> KeystoneIdentity:
        """Return the identity of an agency that is assumed with these keys."""
        iam_url = self.iam_url
        plugin = AgencyPlugin(
            iam_url,
            agency,
            source=KeyIdentity(self.keys, None).credential,
            project_id=project_id,
        )
        return KeystoneIdentity(
            plugin,
            self.transport.keystone_session(iam_url),
            iam_url=iam_url,
            user=f"{self.keys.account} as {agency.name}",
        )


def read_keys(environ: Mapping[str, str]) -> KeyPair | None:
    """Read an access key from the environment; None if there is none.

    Raises:
        ConfigurationError: one of its two parts is missing.
    """
    access_key = clean(environ.get("OS_ACCESS_KEY", ""))
    secret_key = read_secret(environ, "OS_SECRET_KEY")
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        message = "the access key is incomplete; set both OS_ACCESS_KEY and OS_SECRET_KEY"
        raise ConfigurationError(message)
    token = read_secret(environ, "OS_SECURITY_TOKEN")
    if token is None and clean(environ.get("AWS_ACCESS_KEY_ID", "")) == access_key:
        # otc-auth writes the key twice, and the token of temporary keys under this name only.
        token = read_secret(environ, "AWS_SESSION_TOKEN")
    return KeyPair(access_key, secret_key, token)


def read_metadata_keys(environ: Mapping[str, str]) -> MetadataKeys | None:
    """Return the keys of the machine if ``OS_METADATA_URL`` is set.

    Raises:
        ConfigurationError: keys must not be read from that address.
    """
    url = clean(environ.get("OS_METADATA_URL", ""))
    return MetadataKeys(url) if url else None


def accesses_with_keys(settings: KeySettings, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects to read with an access key; IAM is called only to list projects."""
    for project in _projects(settings, request):
        yield make_access(
            request, project, settings.identity(project.project_id), settings.transport
        )


def _projects(settings: KeySettings, request: AccessRequest) -> list[ProjectEndpoint]:
    region, endpoint = settings.region, settings.endpoint
    if request.all_projects:
        listed = select_projects(_list_projects(settings), request, settings.name)
        return [endpoint_of_listed(project, region, endpoint) for project in listed]
    if request.project_ids:
        return [
            ProjectEndpoint(project_id, region, endpoint, is_requested=True)
            for project_id in request.project_ids
        ]
    if settings.agency is not None:
        return [_project_of_agency(settings, settings.agency)]
    if settings.project_id:
        name = settings.project_name or ""
        return [ProjectEndpoint(settings.project_id, region, endpoint, name)]
    if settings.project_name:
        found = project_named(_list_projects(settings), settings.project_name, settings.name)
        return [endpoint_of_listed(found, region, endpoint)]
    message = (
        f"{settings.name}: no project is set; set OS_PROJECT_ID, or give --project-id or "
        "--all-projects"
    )
    raise ConfigurationError(message)


def _project_of_agency(settings: KeySettings, agency: Agency) -> ProjectEndpoint:
    """Return the project ``delegated_project``; the configured one is the user's own."""
    project_id = agency.project_name and settings.agency_identity(agency, None).project_id()
    if not project_id:
        message = (
            f"{settings.name}: no project of the agency is set; set delegated_project "
            "(OS_DELEGATED_PROJECT), or give --project-id or --all-projects"
        )
        raise ConfigurationError(message)
    return ProjectEndpoint(
        project_id, settings.region, settings.endpoint, agency.project_name or ""
    )


def _list_projects(settings: KeySettings) -> list[ListedProject]:
    if settings.agency is not None:
        return read_projects(settings.agency_identity(settings.agency, None).list_projects())
    iam_url = settings.iam_url
    identity = KeyIdentity(settings.keys, None)
    session = settings.transport.keystone_session(iam_url)

    def get_list() -> requests.Response:
        return session.get(
            endpoints.projects_url(iam_url),
            authenticated=False,
            requests_auth=identity.credential(),
        )

    return read_projects(fetch_project_list(iam_url, get_list, remedy=identity.remedy))
