"""Sign-in as users of this cloud configure it for every other tool.

In this order: named clouds of ``clouds.yaml`` and ``secure.yaml`` (``--os-cloud``, ``OS_CLOUD``),
the ``OS_*`` variables with ``OS_AUTH_URL``, a ready token in ``OS_TOKEN`` with ``OS_PROJECT_ID``.
openstacksdk reads them, keystoneauth1 signs in.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from gaussdb_tasks.api import endpoints
from gaussdb_tasks.api.identity import Identity, KeystoneIdentity, TokenIdentity
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_HOW_TO_SIGN_IN: Final = (
    "no credentials: name a cloud of your clouds.yaml with --os-cloud (or OS_CLOUD), or set "
    "OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME and OS_PROJECT_ID, or set OS_TOKEN "
    "and OS_PROJECT_ID"
)


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """One project with all that is needed to read it."""

    endpoint: str
    region: str
    project_id: str
    identity: Identity
    http: requests.Session


def sign_in(request: AccessRequest, environ: Mapping[str, str]) -> tuple[ProjectAccess, ...]:
    """Resolve every project to read; no call is made that a token or a project id does not need.

    Raises:
        ConfigurationError: there are no credentials, or they are incomplete or contradict.
        AccessError: IAM refuses the sign-in.
        ServiceError: IAM cannot be reached or fails.
    """
    clouds = request.os_clouds or tuple(filter(None, [environ.get("OS_CLOUD")]))
    if clouds:
        accesses = [access for cloud in clouds for access in _from_cloud(cloud, request)]
    elif environ.get("OS_AUTH_URL"):
        accesses = list(_from_cloud(None, request))
    elif environ.get("OS_TOKEN"):
        accesses = list(_from_token(request, environ))
    else:
        raise ConfigurationError(_HOW_TO_SIGN_IN)
    return _without_repeats(accesses)


def token_access(
    *, endpoint: str, project_id: str, token: str, region: str | None, connections: int
) -> ProjectAccess:
    """Make the access of one project from a ready token, as it is."""
    request = AccessRequest(endpoint=endpoint, region=region, connections=connections)
    http = _http_session(verify=True, cert=None, request=request)
    return _access(request, project_id, TokenIdentity(token), http, region=region, endpoint=None)


def _from_token(request: AccessRequest, environ: Mapping[str, str]) -> Iterator[ProjectAccess]:
    project_ids = request.project_ids or tuple(filter(None, [environ.get("OS_PROJECT_ID")]))
    if not project_ids:
        message = "OS_TOKEN is set, but no project: set OS_PROJECT_ID or give --project-id"
        raise ConfigurationError(message)
    identity = TokenIdentity(environ["OS_TOKEN"])
    verify: bool | str = environ.get("OS_CACERT") or True
    if environ.get("OS_INSECURE", "").lower() in {"1", "true", "yes", "on"}:
        verify = False
    cert = environ.get("OS_CERT")
    pair = (cert, environ["OS_KEY"]) if cert and "OS_KEY" in environ else cert
    for project_id in project_ids:
        http = _http_session(verify=verify, cert=pair, request=request)
        region = environ.get("OS_REGION_NAME")
        yield _access(request, project_id, identity, http, region=region, endpoint=None)


def _from_cloud(cloud: str | None, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects of one named cloud, or of the ``OS_*`` variables."""
    for project_id in request.project_ids or (None,):
        config = _read_cloud(cloud, project_id)
        iam_url = str(config.get_auth_args().get("auth_url") or "")
        name = f"cloud {cloud!r}" if cloud else "OS_AUTH_URL"
        endpoints.checked_url(iam_url, source=f"{name}: auth_url")
        session = config.get_session()
        session.redirect = False  # a sign-in carries the password; it goes where it was told to
        if endpoints.is_loopback(urlsplit(iam_url).hostname or ""):
            session.session.trust_env = False
        identity = KeystoneIdentity(session.auth, session, iam_url=iam_url)
        verify, cert = config.get_requests_verify_args()
        yield _access(
            request,
            project_id or _project_of(config, identity, name),
            identity,
            _http_session(verify=verify, cert=cert, request=request),
            region=config.get_region_name(),
            endpoint=config.config.get("gaussdb_endpoint_override"),
        )


def _read_cloud(cloud: str | None, project_id: str | None) -> Any:
    # Imported here: openstacksdk takes 0.4 s, and a ready token does not need it. Untyped: its
    # CloudRegion promises attributes through __getattr__.
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.config import OpenStackConfig  # noqa: PLC0415
    from openstack.exceptions import ConfigException  # noqa: PLC0415

    overrides: dict[str, Any] = {"auth": {"project_id": project_id}} if project_id else {}
    try:
        config = OpenStackConfig(app_name="gaussdb-tasks")
        if cloud is not None and cloud not in config.get_cloud_names():
            known = ", ".join(sorted(config.get_cloud_names())) or "none"
            where = config.config_filename or "no clouds.yaml was found"
            message = f"cloud {cloud!r} is not in clouds.yaml ({where}); there are: {known}"
            raise ConfigurationError(message)
        return config.get_one(cloud=cloud, **overrides)
    except (ConfigException, ClientException) as error:
        name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        message = f"{name}: the credentials cannot be used: {error}"
        raise ConfigurationError(message) from error


def _project_of(config: Any, identity: KeystoneIdentity, name: str) -> str:
    configured = config.get_auth_args().get("project_id")
    project_id = str(configured) if configured else identity.project_id()
    if not project_id:
        message = f"{name}: no project is named; set project_id or project_name, or --project-id"
        raise ConfigurationError(message)
    return project_id


def _access(  # noqa: PLR0913 - the parts of an access
    request: AccessRequest,
    project_id: str,
    identity: Identity,
    http: requests.Session,
    *,
    region: str | None,
    endpoint: str | None,
) -> ProjectAccess:
    if not _PROJECT_ID.fullmatch(project_id):
        message = f"{project_id!r} is not a project id: 32 letters and digits, see My Credentials"
        raise ConfigurationError(message)
    region = request.region or region
    url = request.endpoint or endpoint or (endpoints.endpoint_of_region(region) if region else None)
    if url is None:
        message = "no endpoint: give --endpoint, or --region (or OS_REGION_NAME) to find it by"
        raise ConfigurationError(message)
    cleaned = endpoints.clean_endpoint(url, source="--endpoint" if request.endpoint else "endpoint")
    region = region or endpoints.region_of_endpoint(cleaned)
    if region is None:
        message = f"{cleaned} does not show its region; name it with --region, such as eu-de"
        raise ConfigurationError(message)
    if endpoints.is_loopback(urlsplit(cleaned).hostname or ""):
        http.trust_env = False  # what stays on this machine goes through no proxy
    return ProjectAccess(cleaned, region, project_id, identity, http)


def _http_session(
    *, verify: bool | str | None, cert: str | tuple[str, str] | None, request: AccessRequest
) -> requests.Session:
    http = requests.Session()
    http.verify = True if verify is None else verify
    http.cert = cert
    # Cookies would make the threads' calls depend on each other's answers.
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=request.connections)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


def _without_repeats(accesses: list[ProjectAccess]) -> tuple[ProjectAccess, ...]:
    """Keep each project once: two clouds may well name the same one."""
    return tuple({(access.region, access.project_id): access for access in accesses}.values())
