"""Sign-in as users of this cloud configure it for every other tool.

In this order: named clouds of ``clouds.yaml`` and ``secure.yaml`` (``--os-cloud``, ``OS_CLOUD``),
the ``OS_*`` variables with ``OS_AUTH_URL`` and a user, a ready token in ``OS_TOKEN``, an access key
in ``OS_ACCESS_KEY`` and ``OS_SECRET_KEY``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.access import ProjectAccess, ProjectEndpoint, Transport, make_access
from gaussdb_tasks.api.auth.clouds import Cloud
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.auth.identity import (
    Identity,
    KeyIdentity,
    TokenIdentity,
    read_project_list,
)
from gaussdb_tasks.api.auth.projects import (
    ListedProject,
    project_named,
    read_projects,
    select_projects,
)
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    GaussdbTasksError,
    ServiceError,
    worst_of,
)
from gaussdb_tasks.settings import AccessRequest

_HOW_TO_SIGN_IN: Final = (
    "no credentials: name a cloud of your clouds.yaml with --os-cloud (or OS_CLOUD), or set "
    "OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME and OS_PROJECT_ID, or set OS_TOKEN "
    "and OS_PROJECT_ID, or OS_ACCESS_KEY, OS_SECRET_KEY and OS_PROJECT_ID"
)
_LIST_SECONDS: Final = 60
_TRUE: Final = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class FailedSignIn:
    """A sign-in that was refused or failed, and so its projects, which may not even be known."""

    name: str
    error: GaussdbTasksError


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The projects that can be read, and the sign-ins that failed beside them."""

    accesses: tuple[ProjectAccess, ...]
    failures: tuple[FailedSignIn, ...] = ()


def sign_in(request: AccessRequest, environ: Mapping[str, str]) -> SignedIn:
    """Resolve every project to read; no call is made that a token or a project id does not need.

    One cloud's trouble does not cost the others their sign-in.

    Raises:
        ConfigurationError: there are no credentials, or they are incomplete or contradict.
        AccessError: IAM refuses every sign-in.
        ServiceError: IAM cannot be reached or fails.
    """
    _refuse_patterns_alone(request)
    clouds = request.os_clouds or tuple(filter(None, [environ.get("OS_CLOUD")]))
    if clouds:
        return _from_clouds(clouds, request, environ)
    token, keys = read_secret(environ, "OS_TOKEN"), _keys(environ)
    has_user = any(environ.get(name) for name in ("OS_USERNAME", "OS_USER_ID", "OS_USER_NAME"))
    if environ.get("OS_AUTH_URL") and (has_user or keys is None):
        return SignedIn(_without_repeats(_from_cloud(Cloud(None, environ), request)))
    if token is not None:
        return SignedIn(_without_repeats(_from_token(token, request, environ)))
    if keys is not None:
        return SignedIn(_without_repeats(_from_keys(_KeysOfEnvironment(keys, environ), request)))
    raise ConfigurationError(_HOW_TO_SIGN_IN)


def token_access(
    *, endpoint: str, project_id: str, token: str, region: str | None, connections: int
) -> ProjectAccess:
    """Make the access of one project from a ready token, as it is."""
    request = AccessRequest(endpoint=endpoint, region=region, connections=connections)
    place = ProjectEndpoint(project_id, region, None)
    return make_access(request, place, TokenIdentity(token), Transport())


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
    return SignedIn(_without_repeats(iter(accesses)), tuple(failures))


def _from_cloud(cloud: Cloud, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects of one named cloud, or of the ``OS_*`` variables."""
    if cloud.keys is not None:
        yield from _from_keys(_KeysOfCloud(cloud.keys, cloud), request)
    elif request.all_projects:
        listed = read_projects(cloud.identity().list_projects())
        for project in select_projects(listed, request, cloud.name):
            place = _place_of(project, cloud.region, cloud.endpoint)
            yield make_access(request, place, cloud.identity(project.project_id), cloud.transport)
    else:
        for project_id in request.project_ids or (None,):
            identity = cloud.identity(project_id)
            known = project_id or cloud.project_id or identity.project_id()
            if not known:
                message = (
                    f"{cloud.name}: no project is named; set project_id or project_name, or give "
                    "--project-id or --all-projects"
                )
                raise ConfigurationError(message)
            name = "" if project_id else cloud.project_name or ""
            place = ProjectEndpoint(known, cloud.region, cloud.endpoint, name)
            yield make_access(request, place, identity, cloud.transport)


def _from_token(
    token: str, request: AccessRequest, environ: Mapping[str, str]
) -> Iterator[ProjectAccess]:
    if request.all_projects:
        message = (
            "--all-projects needs a sign-in for each project, and a ready token is for one; set "
            "OS_AUTH_URL, OS_USERNAME and OS_PASSWORD, or use clouds.yaml"
        )
        raise ConfigurationError(message)
    project_ids = request.project_ids or tuple(filter(None, [environ.get("OS_PROJECT_ID")]))
    if not project_ids:
        message = "OS_TOKEN is set, but no project: set OS_PROJECT_ID or give --project-id"
        raise ConfigurationError(message)
    identity, transport = TokenIdentity(token), _transport(environ)
    for project_id in project_ids:
        place = ProjectEndpoint(project_id, environ.get("OS_REGION_NAME"), None)
        yield make_access(request, place, identity, transport)


def _keys(environ: Mapping[str, str]) -> KeyPair | None:
    access_key = environ.get("OS_ACCESS_KEY")
    secret_key = read_secret(environ, "OS_SECRET_KEY")
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        message = "an access key has two parts: set both OS_ACCESS_KEY and OS_SECRET_KEY"
        raise ConfigurationError(message)
    return KeyPair(access_key, secret_key, read_secret(environ, "OS_SECURITY_TOKEN"))


class _KeysOfCloud:
    """An access key in ``clouds.yaml``, with what the cloud says beside it."""

    def __init__(self, keys: KeyPair, cloud: Cloud) -> None:
        self.keys = keys
        self.name = cloud.name
        self.region = cloud.region
        self.endpoint = cloud.endpoint
        self.transport = cloud.transport
        self.project_id = cloud.project_id
        self.project_name = cloud.project_name
        self._cloud = cloud

    @property
    def iam_url(self) -> str:
        return self._cloud.iam_url


class _KeysOfEnvironment:
    """An access key in the environment, with what the other variables say."""

    name = "OS_ACCESS_KEY"

    def __init__(self, keys: KeyPair, environ: Mapping[str, str]) -> None:
        self.keys = keys
        self.region = environ.get("OS_REGION_NAME") or None
        self.endpoint = None
        self.transport = _transport(environ)
        self.project_id = environ.get("OS_PROJECT_ID") or None
        self.project_name = environ.get("OS_PROJECT_NAME") or None
        self._auth_url = environ.get("OS_AUTH_URL")

    @property
    def iam_url(self) -> str:
        if self._auth_url:
            return self._auth_url
        if self.region is None:
            message = "no IAM to look projects up: set OS_AUTH_URL or OS_REGION_NAME"
            raise ConfigurationError(message)
        return endpoints.iam_of_region(self.region)


def _from_keys(
    source: _KeysOfCloud | _KeysOfEnvironment, request: AccessRequest
) -> Iterator[ProjectAccess]:
    if request.all_projects:
        listed = select_projects(_list_with_keys(source), request, source.name)
        places = [_place_of(project, source.region, source.endpoint) for project in listed]
    else:
        project_ids = request.project_ids or tuple(filter(None, [source.project_id]))
        if not project_ids and source.project_name:
            found = project_named(_list_with_keys(source), source.project_name, source.name)
            places = [_place_of(found, source.region, source.endpoint)]
        elif project_ids:
            places = [ProjectEndpoint(each, source.region, source.endpoint) for each in project_ids]
        else:
            message = (
                f"{source.name}: no project is named; set OS_PROJECT_ID, or give --project-id or "
                "--all-projects"
            )
            raise ConfigurationError(message)
    for place in places:
        identity = KeyIdentity(source.keys, place.project_id)
        yield make_access(request, place, identity, source.transport)


def _list_with_keys(source: _KeysOfCloud | _KeysOfEnvironment) -> list[ListedProject]:
    endpoints.checked_url(source.iam_url, source=f"{source.name}: auth_url")
    identity: Identity = KeyIdentity(source.keys, None)
    http = source.transport.session(1)
    try:
        answer = http.get(
            endpoints.projects_url(source.iam_url),
            auth=identity.credential(),
            verify=http.verify,
            timeout=_LIST_SECONDS,
            allow_redirects=False,
        )
        body = answer.json()
    except requests.RequestException as error:
        why = identity.redact(error_responses.plainly(error))
        message = f"{source.iam_url} does not list the projects ({why}); run it again"
        raise ServiceError(message) from error
    if answer.status_code in {401, 403}:
        message = f"{source.iam_url}: {identity.mend}"
        raise AccessError(message)
    return read_projects(read_project_list(body, source.iam_url))


def _place_of(project: ListedProject, region: str | None, endpoint: str | None) -> ProjectEndpoint:
    """Say where a listed project is; a cloud's own address is that of its own region."""
    is_elsewhere = project.region is not None and project.region != region
    return ProjectEndpoint(
        project.project_id,
        project.region or region,
        None if is_elsewhere and region is not None else endpoint,
        project.name,
    )


def _transport(environ: Mapping[str, str]) -> Transport:
    verify: bool | str = environ.get("OS_CACERT") or True
    if environ.get("OS_INSECURE", "").lower() in _TRUE:
        verify = False
    elif isinstance(verify, str) and not Path(verify).exists():
        message = f"{verify} is not there; OS_CACERT must name a bundle of CA certificates"
        raise ConfigurationError(message)
    cert = environ.get("OS_CERT")
    return Transport(verify, (cert, environ["OS_KEY"]) if cert and "OS_KEY" in environ else cert)


def _refuse_patterns_alone(request: AccessRequest) -> None:
    if (request.include or request.exclude) and not request.all_projects:
        message = "--include and --exclude choose among --all-projects; give that one too"
        raise ConfigurationError(message)
    if request.all_projects and request.project_ids:
        message = "--all-projects and --project-id contradict each other; give one of them"
        raise ConfigurationError(message)


def _without_repeats(accesses: Iterator[ProjectAccess]) -> tuple[ProjectAccess, ...]:
    """Keep each project once: two clouds may well name the same one."""
    return tuple({(access.region, access.project_id): access for access in accesses}.values())
