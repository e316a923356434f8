"""Sign in with the settings that the other tools of this cloud use.

The first of these that is set is used:

1. named clouds of ``clouds.yaml`` and ``secure.yaml`` (``--os-cloud``, ``OS_CLOUD``)
2. the ``OS_*`` variables with ``OS_AUTH_URL`` and a user
3. a ready token in ``OS_TOKEN``
4. an access key in ``OS_ACCESS_KEY`` and ``OS_SECRET_KEY``
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.api.auth.access import ProjectAccess, ProjectEndpoint, Transport, make_access
from gaussdb_tasks.api.auth.access_keys import KeySettings, accesses_with_keys, read_keys
from gaussdb_tasks.api.auth.clouds import Cloud
from gaussdb_tasks.api.auth.identity import TokenIdentity
from gaussdb_tasks.api.auth.projects import endpoint_of_listed, read_projects, select_projects
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError, worst_of
from gaussdb_tasks.settings import AccessRequest

_HOW_TO_SIGN_IN: Final = (
    "no credentials are set; name a cloud of clouds.yaml with --os-cloud (or OS_CLOUD), or set "
    "OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME and OS_PROJECT_ID, or set OS_TOKEN "
    "and OS_PROJECT_ID, or OS_ACCESS_KEY, OS_SECRET_KEY and OS_PROJECT_ID"
)


@dataclass(frozen=True, slots=True)
class FailedSignIn:
    """A sign-in that was refused or failed; its projects may not be known."""

    name: str
    error: GaussdbTasksError


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The projects that can be read, and the sign-ins that failed."""

    accesses: tuple[ProjectAccess, ...]
    failures: tuple[FailedSignIn, ...] = ()


def sign_in(request: AccessRequest, environ: Mapping[str, str]) -> SignedIn:
    """Resolve every project to read; call IAM only where a token or project id is needed.

    If one cloud fails, the others are still signed in.

    Raises:
        ConfigurationError: there are no credentials, or they are incomplete or contradictory.
        AccessError: IAM refuses every sign-in.
        ServiceError: IAM cannot be reached or fails.
    """
    _check_request(request)
    clouds = request.os_clouds or tuple(filter(None, [environ.get("OS_CLOUD")]))
    if clouds:
        return _from_clouds(clouds, request, environ)
    token, keys = read_secret(environ, "OS_TOKEN"), read_keys(environ)
    has_user = any(environ.get(name) for name in ("OS_USERNAME", "OS_USER_ID", "OS_USER_NAME"))
    if environ.get("OS_AUTH_URL") and (has_user or keys is None):
        return SignedIn(_distinct(_from_cloud(Cloud(None, environ), request)))
    if token is not None:
        return SignedIn(_distinct(_from_token(token, request, environ)))
    if keys is not None:
        settings = KeySettings.from_environment(environ, keys)
        return SignedIn(_distinct(accesses_with_keys(settings, request)))
    raise ConfigurationError(_HOW_TO_SIGN_IN)


def token_access(
    *, endpoint: str, project_id: str, token: str, region: str | None, connections: int
) -> ProjectAccess:
    """Return the access of one project with a ready token."""
    request = AccessRequest(endpoint=endpoint, region=region, connections=connections)
    project = ProjectEndpoint(project_id, region, None)
    return make_access(request, project, TokenIdentity(token), Transport())


def _from_clouds(
    clouds: tuple[str, ...], request: AccessRequest, environ: Mapping[str, str]
) -> SignedIn:
    accesses: list[ProjectAccess] = []
    failures: list[FailedSignIn] = []
    for cloud in clouds:
        try:
            accesses += _from_cloud(Cloud(cloud, environ), request)
        except GaussdbTasksError as error:
            failures.append(FailedSignIn(f"cloud {cloud!r}", error))
    if not accesses:
        raise worst_of([failure.error for failure in failures])
    return SignedIn(_distinct(iter(accesses)), tuple(failures))


def _from_cloud(cloud: Cloud, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects of one named cloud, or of the ``OS_*`` variables."""
    if cloud.keys is not None:
        yield from accesses_with_keys(KeySettings.from_cloud(cloud, cloud.keys), request)
    elif request.all_projects:
        listed = read_projects(cloud.identity().list_projects())
        for each in select_projects(listed, request, cloud.name):
            project = endpoint_of_listed(each, cloud.region, cloud.endpoint)
            yield make_access(request, project, cloud.identity(each.project_id), cloud.transport)
    else:
        for project_id in request.project_ids or (None,):
            identity = cloud.identity(project_id)
            resolved_id = project_id or cloud.project_id or identity.project_id()
            if not resolved_id:
                message = (
                    f"{cloud.name}: no project is set; set project_id or project_name, or give "
                    "--project-id or --all-projects"
                )
                raise ConfigurationError(message)
            name = "" if project_id else cloud.project_name or ""
            project = ProjectEndpoint(resolved_id, cloud.region, cloud.endpoint, name)
            yield make_access(request, project, identity, cloud.transport)


def _from_token(
    token: str, request: AccessRequest, environ: Mapping[str, str]
) -> Iterator[ProjectAccess]:
    if request.all_projects:
        message = (
            "--all-projects needs a sign-in for each project, but a ready token is for one; set "
            "OS_AUTH_URL, OS_USERNAME and OS_PASSWORD, or use clouds.yaml"
        )
        raise ConfigurationError(message)
    project_ids = request.project_ids or tuple(filter(None, [environ.get("OS_PROJECT_ID")]))
    if not project_ids:
        message = "OS_TOKEN is set, but no project is; set OS_PROJECT_ID or give --project-id"
        raise ConfigurationError(message)
    identity, transport = TokenIdentity(token), Transport.from_environment(environ)
    for project_id in project_ids:
        project = ProjectEndpoint(project_id, environ.get("OS_REGION_NAME"), None)
        yield make_access(request, project, identity, transport)


def _check_request(request: AccessRequest) -> None:
    if (request.include or request.exclude) and not request.all_projects:
        message = "--include and --exclude need --all-projects; give it as well"
        raise ConfigurationError(message)
    if request.all_projects and request.project_ids:
        message = "--all-projects and --project-id contradict each other; give one of them"
        raise ConfigurationError(message)


def _distinct(accesses: Iterator[ProjectAccess]) -> tuple[ProjectAccess, ...]:
    """Keep each project once: two clouds may have the same project."""
    return tuple({(access.region, access.project_id): access for access in accesses}.values())
