"""Sign-in as users of this cloud configure it for every other tool.

In this order: named clouds of ``clouds.yaml`` and ``secure.yaml`` (``--os-cloud``, ``OS_CLOUD``),
the ``OS_*`` variables with ``OS_AUTH_URL``, a ready token in ``OS_TOKEN`` with ``OS_PROJECT_ID``.
openstacksdk reads them, keystoneauth1 signs in.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import yaml
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
    elif isinstance(verify, str) and not Path(verify).exists():
        message = f"{verify} is not there; OS_CACERT must name a bundle of CA certificates"
        raise ConfigurationError(message)
    cert = environ.get("OS_CERT")
    pair = (cert, environ["OS_KEY"]) if cert and "OS_KEY" in environ else cert
    for project_id in project_ids:
        http = _http_session(verify=verify, cert=pair, request=request)
        region = environ.get("OS_REGION_NAME")
        yield _access(request, project_id, identity, http, region=region, endpoint=None)


def _from_cloud(cloud: str | None, request: AccessRequest) -> Iterator[ProjectAccess]:
    """Yield the projects of one named cloud, or of the ``OS_*`` variables."""
    for project_id in request.project_ids or (None,):
        name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        with _misuse_explained(name):
            config = _read_cloud(cloud, project_id)
            iam_url = str(config.get_auth_args().get("auth_url") or "")
            endpoints.checked_url(iam_url, source=f"{name}: auth_url")
            _refuse_missing_password(config, name)
            session = config.get_session()
        session.redirect = False  # a sign-in carries the password; it goes where it was told to
        if endpoints.is_loopback(urlsplit(iam_url).hostname or ""):
            session.session.trust_env = False
        password = str(config.get_auth_args().get("password") or "")
        identity = KeystoneIdentity(session.auth, session, iam_url=iam_url, secret=password)
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
    from openstack.config import OpenStackConfig  # noqa: PLC0415
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES  # noqa: PLC0415

    overrides: dict[str, Any] = {"auth": {"project_id": project_id}} if project_id else {}
    named = filter(None, map(os.environ.get, ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE")))
    for file in (*named, *CONFIG_FILES, *SECURE_FILES):
        _refuse_broken_yaml(Path(file))
    config = OpenStackConfig(app_name="gaussdb-tasks")
    if cloud is not None and cloud not in config.get_cloud_names():
        if config.config_filename is None:
            message = f"cloud {cloud!r} is not in clouds.yaml: no such file was found"
        else:
            known = ", ".join(sorted(config.get_cloud_names())) or "none"
            message = f"cloud {cloud!r} is not in {config.config_filename}; there are: {known}"
        raise ConfigurationError(message)
    return config.get_one(cloud=cloud, **overrides)


@contextmanager
def _misuse_explained(name: str) -> Iterator[None]:
    """Turn what openstacksdk raises into one sentence; of odd input it raises almost anything."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.exceptions import ConfigException  # noqa: PLC0415

    try:
        yield
    except TypeError as error:
        # What belongs to another way of signing in, such as OS_TOKEN beside a password.
        message = (
            f"{name}: the credentials contradict each other ({error}); "
            "unset OS_TOKEN to sign in with a password, or OS_AUTH_URL to use the token as it is"
        )
        raise ConfigurationError(message) from error
    except (ConfigException, ClientException, ValueError, AttributeError) as error:
        message = f"{name}: the credentials cannot be used: {error}"
        raise ConfigurationError(message) from error


def _refuse_broken_yaml(path: Path) -> None:
    """Refuse a file that openstacksdk would pass over as if it were not there."""
    try:
        if path.is_file():
            yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # Not the parser's words: they show the line, and this may be secure.yaml.
        message = f"{path} cannot be read ({type(error).__name__}); mend it"
        raise ConfigurationError(message) from error


def _refuse_missing_password(config: Any, name: str) -> None:
    is_password = str(config.config.get("auth_type") or "password") in {"password", "v3password"}
    if is_password and not config.get_auth_args().get("password"):
        message = f"{name}: there is no password; set OS_PASSWORD, or password in secure.yaml"
        raise ConfigurationError(message)


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
