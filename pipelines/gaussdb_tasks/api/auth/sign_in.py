"""Sign in with the settings that the other tools of this cloud use.

The first of these that is set is used:

1. named clouds of ``clouds.yaml`` and ``secure.yaml`` (``--os-cloud``, ``OS_CLOUD``)
2. the ``OS_*`` variables with ``OS_AUTH_URL`` and a user
3. a ready token in ``OS_TOKEN``
4. an access key in ``OS_ACCESS_KEY`` and ``OS_SECRET_KEY``
5. temporary keys of this machine, from the metadata service in ``OS_METADATA_URL``
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gaussdb_tasks.api.auth.access import ProjectAccess, ProjectEndpoint, Transport, make_access
from gaussdb_tasks.api.auth.access_keys import (
    KeySettings,
    accesses_with_keys,
    read_keys,
    read_metadata_keys,
)
from gaussdb_tasks.api.auth.cloud_settings import refuse_dropped_variables
from gaussdb_tasks.api.auth.clouds import Cloud, Gates, clouds_of
from gaussdb_tasks.api.auth.identity import TokenIdentity
from gaussdb_tasks.api.auth.projects import (
    NoProjectError,
    endpoint_of_listed,
    read_projects,
    select_projects,
)
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError, worst_of
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.settings import AccessRequest

_HOW_TO_SIGN_IN: Final = (
    "name a cloud of clouds.yaml with --os-cloud (or OS_CLOUD), or set OS_AUTH_URL (or "
    "OS_REGION_NAME), OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME and OS_PROJECT_ID, or OS_TOKEN "
    "and OS_PROJECT_ID, or OS_ACCESS_KEY, OS_SECRET_KEY and OS_PROJECT_ID, or, on a machine of the "
    "cloud that has an agency, OS_METADATA_URL=http://169.254.169.254 and OS_PROJECT_ID"
)
_USER: Final = ("OS_USERNAME", "OS_USER_ID", "OS_USER_NAME")
_KEYS_OF_OTHERS: Final = (
    *("AWS_ACCESS_KEY_ID", "CLOUD_SDK_AK", "HUAWEICLOUD_SDK_AK", "HW_ACCESS_KEY"),
)
_PARTS: Final = (
    *("OS_PASSCODE", "OS_PASSWORD", "OS_PASSWORD_COMMAND", "OS_PASSWORD_FILE", "OS_PROJECT_ID"),
    *("OS_PROJECT_NAME", "OS_REGION_NAME", "OS_SECURITY_TOKEN", "OS_USER_DOMAIN_NAME"),
)
"""Variables that are only a part of a way to sign in."""


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

    If one cloud fails, the others are still signed in. A shard may have no project.

    Raises:
        ConfigurationError: there are no credentials, or they are incomplete or contradictory.
        AccessError: IAM refuses every sign-in.
        ServiceError: IAM cannot be reached or fails.
    """
    refuse_contradiction(request)
    signed_in = _sign_in(request, environ)
    if request.shard is None:
        return signed_in
    mine = tuple(access for access in signed_in.accesses if request.shard.has(access.key))
    if not mine and signed_in.failures:  # its projects may be behind a sign-in that failed
        raise worst_of([failure.error for failure in signed_in.failures])
    return replace(signed_in, accesses=mine)


def _sign_in(request: AccessRequest, environ: Mapping[str, str]) -> SignedIn:
    environ = {name: clean(value) for name, value in environ.items()}
    clouds = request.os_clouds or tuple(filter(None, [environ.get("OS_CLOUD")]))
    if clouds:
        return _from_clouds(clouds, request, environ)
    refuse_dropped_variables(environ)
    token, keys = read_secret(environ, "OS_TOKEN"), read_keys(environ)
    has_user = any(map(environ.get, _USER))
    # A token or a key without OS_AUTH_URL is used as it is.
    is_alone = token is None and keys is None
    has_iam = environ.get("OS_AUTH_URL") or (
        is_alone and (has_user or environ.get("OS_APPLICATION_CREDENTIAL_ID"))
    )
    if has_iam and (has_user or keys is None):
        (cloud,) = clouds_of(None, environ, request.region, {})
        return SignedIn(_distinct(_from_cloud(cloud, request)))
    if token is not None:
        return SignedIn(_distinct(_from_token(token, request, environ)))
    if keys is not None:
        settings = KeySettings.from_environment(environ, keys, "OS_ACCESS_KEY")
        return SignedIn(_distinct(accesses_with_keys(settings, request)))
    metadata_keys = read_metadata_keys(environ)
    if metadata_keys is not None:
        settings = KeySettings.from_environment(environ, metadata_keys, "OS_METADATA_URL")
        return SignedIn(_distinct(accesses_with_keys(settings, request)))
    raise ConfigurationError(_no_credentials(environ))


def _no_credentials(environ: Mapping[str, str]) -> str:
    """Describe what is missing, beginning with the variables that seem to be meant."""
    of_others = [name for name in _KEYS_OF_OTHERS if environ.get(name)]
    if of_others:
        return (
            f"no credentials are set: {of_others[0]} is not read to sign in; set OS_ACCESS_KEY and "
            f"OS_SECRET_KEY to that key, and OS_PROJECT_ID; or {_HOW_TO_SIGN_IN}"
        )
    parts = [name for name in _PARTS if environ.get(name)]
    cause = f": {', '.join(parts)} alone cannot sign in" if parts else ""
    return f"no credentials are set{cause}; {_HOW_TO_SIGN_IN}"


def token_access(  # noqa: PLR0913 - what a sign-in finds out by itself
    *,
    endpoint: str | None,
    project_id: str,
    token: str,
    region: str | None,
    connections: int,
    name: str = "",
) -> ProjectAccess:
    """Return the access of one project with a ready token; its name, if the caller knows it."""
    request = AccessRequest(endpoint=endpoint, region=region, connections=connections)
    project = ProjectEndpoint(project_id, region, None, name)
    return make_access(request, project, TokenIdentity(token), Transport())


def _from_clouds(
    clouds: tuple[str, ...], request: AccessRequest, environ: Mapping[str, str]
) -> SignedIn:
    accesses: list[ProjectAccess] = []
    failures: list[FailedSignIn] = []
    gates: Gates = {}
    for name in clouds:
        try:
            regions = list(clouds_of(name, environ, request.region, gates))
            for region in regions:
                region.gate.is_shared |= len(clouds) > 1
            signed_in = _from_regions(regions, request)
            _refuse_project_in_two_regions(signed_in.accesses, f"cloud {name!r}")
        except GaussdbTasksError as error:
            failures.append(FailedSignIn(f"cloud {name!r}", error))
        else:
            accesses += signed_in.accesses
            failures += signed_in.failures
    if not accesses:
        raise worst_of([failure.error for failure in failures])
    return SignedIn(_distinct(iter(accesses)), tuple(failures))


def _from_regions(regions: Sequence[Cloud], request: AccessRequest) -> SignedIn:
    accesses: list[ProjectAccess] = []
    failures: list[FailedSignIn] = []
    for region in regions:
        try:
            accesses += _from_cloud(region, request)
        except GaussdbTasksError as error:
            failures.append(FailedSignIn(region.name, error))
    if accesses:  # the requested projects may all be in one of the regions
        failures = [each for each in failures if not isinstance(each.error, NoProjectError)]
    return SignedIn(tuple(accesses), tuple(failures))


def _refuse_project_in_two_regions(accesses: Sequence[ProjectAccess], name: str) -> None:
    """Refuse to record a project's tasks as those of another region, too."""
    region_of: dict[str, str] = {}
    for access in accesses:
        region = region_of.setdefault(access.project_id, access.region)
        if region != access.region:
            message = (
                f"{name}: project {access.project_id} is set for the regions {region} and "
                f"{access.region}, but a project is in one region; set project_id or project_name "
                "below the values of each region, or give --region"
            )
            raise ConfigurationError(message)


def _from_cloud(cloud: Cloud, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects of a region of a named cloud, or of the ``OS_*`` variables."""
    if cloud.is_one_of_several:
        if request.project_ids:
            message = (
                f"{cloud.name}: the cloud has several regions, and --project-id does not say "
                "which; give --region too"
            )
            raise ConfigurationError(message)
        request = replace(request, region=cloud.region)
    if cloud.has_own_project and (request.project_ids or request.all_projects):
        message = (
            f"{cloud.name}: an application credential is for its own project only; leave out "
            "--project-id and --all-projects, or sign in with a user"
        )
        raise ConfigurationError(message)
    if cloud.keys is not None:
        yield from accesses_with_keys(KeySettings.from_cloud(cloud, cloud.keys), request)
    elif request.all_projects:
        cloud.gate.is_shared = True
        listed = read_projects(cloud.identity().list_projects())
        for each in select_projects(listed, request, cloud.name):
            project = endpoint_of_listed(each, cloud.region, cloud.endpoint)
            yield make_access(request, project, cloud.identity(each.project_id), cloud.transport)
    else:
        cloud.gate.is_shared |= len(request.project_ids) > 1
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
            project = ProjectEndpoint(
                resolved_id,
                cloud.region,
                cloud.endpoint,
                name,
                is_requested=project_id is not None,
            )
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
    region = environ.get("OS_REGION_NAME") or None
    endpoint = environ.get("OS_GAUSSDB_ENDPOINT_OVERRIDE") or None
    for project_id in project_ids:
        is_configured = not request.project_ids
        name = environ.get("OS_PROJECT_NAME", "") if is_configured else ""
        project = ProjectEndpoint(
            project_id, region, endpoint, name, is_requested=not is_configured
        )
        yield make_access(request, project, identity, transport)


def refuse_contradiction(request: AccessRequest) -> None:
    """Refuse options that contradict each other or are incomplete.

    Raises:
        ConfigurationError: the message says which.
    """
    if (request.include or request.exclude) and not request.all_projects:
        message = "--include and --exclude need --all-projects; give it as well"
        raise ConfigurationError(message)
    if request.shard is not None and not request.all_projects:
        message = "--shard needs --all-projects; give it as well"
        raise ConfigurationError(message)
    if request.all_projects and request.project_ids:
        message = "--all-projects and --project-id contradict each other; give one of them"
        raise ConfigurationError(message)


def _distinct(accesses: Iterator[ProjectAccess]) -> tuple[ProjectAccess, ...]:
    """Keep each project once: two clouds may have the same project."""
    return tuple({(access.region, access.project_id): access for access in accesses}.values())
