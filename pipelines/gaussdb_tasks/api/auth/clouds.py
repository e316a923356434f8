"""Read the sign-in settings of ``clouds.yaml``, ``secure.yaml`` and the ``OS_*`` variables.

openstacksdk reads the files and keystoneauth1 signs in. Settings that only the tools of this cloud
use are read here: the agency to assume (``agency_name``, ``agency_domain_name``,
``delegated_project``) and the access key (``ak``, ``sk``, ``security_token``). They may be under
``auth`` or beside it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.agency import Agency, AgencyPlugin
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.auth.identity import KeystoneIdentity
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.api.deadline import BoundedAdapter
from gaussdb_tasks.errors import ConfigurationError

_READ_SECONDS: Final = 30.0
_PASSWORD_TYPES: Final = frozenset({"password", "v3password", "v3oidcpassword"})
_AGENCY_SETTINGS: Final = ("agency_name", "agency_domain_name", "delegated_project")
_KEY_SETTINGS: Final = ("ak", "sk", "security_token")


class _NoSignIn(BaseAuthPlugin):
    """The plugin of calls that name none: only the discovery of IAM's versions.

    If IAM answers the discovery with 401, keystoneauth1 signs in for it. With the plugin that is
    signing in already it would wait for itself without end. A refusal lets it do without versions.
    """

    def get_headers(self, session: Session) -> dict[str, str]:  # noqa: ARG002 - as inherited
        message = "IAM does not show its versions"
        raise Unauthorized(message)


class Cloud:
    """One named cloud, or the cloud of the ``OS_*`` variables; creating it makes no call.

    Attributes:
        name: its name in messages.
        region: as configured, or None.
        endpoint: ``gaussdb_endpoint_override``, or None.
        transport: TLS settings of the connections.
        keys: the access key to sign with, or None for another way to sign in.
        auth_url: the URL of IAM; empty if it is not configured.
        project_id: as configured, or None.
        project_name: as configured, or None.
    """

    def __init__(self, cloud: str | None, environ: Mapping[str, str]) -> None:
        """Read the settings of a cloud; None reads the ``OS_*`` variables.

        Raises:
            ConfigurationError: the cloud does not exist, or its settings are invalid.
        """
        self.name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        self._cloud = cloud
        self._overrides: dict[str, Any] = {}
        with _errors_explained(self.name):
            self._files = _read_files(cloud)
            own = _take_own_settings(self._files, cloud, environ)
            self.keys = None if not own.get("ak") else _key_pair(own, self.name)
            self._agency = _agency(own, self.name)
            if self.keys is None:
                self._set_password(environ)
            settings = self._settings(None, validate=self.keys is None)
            auth = settings.get_auth_args()
            self.auth_url = str(auth.get("auth_url") or "")
            self.region = settings.get_region_name() or None
            self.endpoint = settings.config.get("gaussdb_endpoint_override")
            self.transport = Transport(*settings.get_requests_verify_args())
            self.project_id = str(auth.get("project_id") or "") or None
            self.project_name = str(auth.get("project_name") or "") or None
            if self._agency is not None:
                # The configured project is the user's own: it is only for the sign-in.
                self.project_id, self.project_name = None, self._agency.project_name
            if self.keys is None:
                endpoints.checked_url(self.auth_url, source=f"{self.name}: auth_url")
                _check_password(settings, self.name)
                self._session = self._open_session(settings)
        self._user = str(auth.get("username") or auth.get("user_id") or "")
        self._secret = str(auth.get("password") or auth.get("token") or "")

    def _set_password(self, environ: Mapping[str, str]) -> None:
        password = read_secret(environ, "OS_PASSWORD")
        configured = _raw_cloud(self._files, self._cloud).get("auth") or {}
        if password is not None and not configured.get("password"):
            self._overrides["password"] = password

    def _open_session(self, settings: Any) -> Session:
        session: Session = settings.get_session()
        for scheme in ("https://", "http://"):
            session.session.mount(scheme, BoundedAdapter())
        session.timeout = session.timeout or _READ_SECONDS
        session.auth = _NoSignIn()
        session.redirect = False  # a sign-in sends the password; it must not reach another host
        if endpoints.is_loopback(urlsplit(self.auth_url).hostname or ""):
            session.session.trust_env = False
        return session

    def identity(self, project_id: str | None = None) -> KeystoneIdentity:
        """Return the identity for a project; None for the configured project, or none.

        Raises:
            ConfigurationError: the settings contradict each other.
        """
        with _errors_explained(self.name):
            plugin = self._plugin(project_id)
        return KeystoneIdentity(
            plugin,
            self._session,
            iam_url=self.auth_url,
            user=self._user if self._agency is None else f"{self._user} as {self._agency.name}",
            secret=self._secret,
        )

    def _plugin(self, project_id: str | None) -> BaseAuthPlugin:
        if self._agency is None:
            plugin: BaseAuthPlugin = self._settings(project_id).get_auth()
            return plugin
        return AgencyPlugin(
            self.auth_url,
            self._agency,
            source=self._settings(None).get_auth(),
            project_id=project_id,
        )

    def _settings(self, project_id: str | None, *, validate: bool = True) -> Any:
        auth = dict(self._overrides)
        if project_id is not None:
            auth["project_id"] = project_id
        return self._files.get_one(
            cloud=self._cloud, validate=validate, **({"auth": auth} if auth else {})
        )


def _read_files(cloud: str | None) -> Any:
    # Imported here: openstacksdk takes 0.4 s, and a ready token does not need it. Untyped, because
    # its CloudRegion has its attributes from __getattr__.
    from openstack.config import OpenStackConfig  # noqa: PLC0415
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES  # noqa: PLC0415

    named_files = filter(
        None, map(os.environ.get, ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"))
    )
    # openstacksdk skips folders without permission too, such as the home of another user.
    found_files = (file for file in (*CONFIG_FILES, *SECURE_FILES) if os.access(file, os.F_OK))
    for file in (*named_files, *found_files):
        _check_yaml(Path(file))
    config = OpenStackConfig(app_name="gaussdb-tasks")
    if cloud is not None and cloud not in config.get_cloud_names():
        if config.config_filename is None:
            message = f"cloud {cloud!r} is not in clouds.yaml: the file was not found"
        else:
            known = ", ".join(sorted(config.get_cloud_names())) or "none"
            message = f"cloud {cloud!r} is not in {config.config_filename}; its clouds: {known}"
        raise ConfigurationError(message)
    return config


def _raw_cloud(files: Any, cloud: str | None) -> dict[str, Any]:
    clouds = files.cloud_config.get("clouds") or {}
    raw: dict[str, Any] = clouds.get(cloud or files.envvar_key) or {}
    return raw


def _take_own_settings(
    files: Any, cloud: str | None, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Remove the settings of this module from a cloud; openstacksdk rejects unknown ones."""
    raw = _raw_cloud(files, cloud)
    auth = raw.get("auth") or {}
    own: dict[str, str | None] = {}
    for name in (*_AGENCY_SETTINGS, *_KEY_SETTINGS):
        value = auth.pop(name, None) or raw.pop(name, None)
        own[name] = str(value) if value else None
    if cloud is None:
        for name in _AGENCY_SETTINGS:
            own[name] = own[name] or environ.get(f"OS_{name.upper()}")
    return own


def _agency(own: Mapping[str, str | None], name: str) -> Agency | None:
    agency, domain = own.get("agency_name"), own.get("agency_domain_name")
    if not agency and not domain:
        return None
    if not agency or not domain:
        message = (
            f"{name}: the agency is incomplete; set both agency_name (OS_AGENCY_NAME) and "
            "agency_domain_name (OS_AGENCY_DOMAIN_NAME), the domain that created it"
        )
        raise ConfigurationError(message)
    if own.get("ak"):
        message = f"{name}: an agency cannot be assumed with ak and sk; use a password or a token"
        raise ConfigurationError(message)
    return Agency(agency, domain, own.get("delegated_project"))


def _key_pair(own: Mapping[str, str | None], name: str) -> KeyPair:
    access_key, secret_key = own.get("ak"), own.get("sk")
    if not access_key or not secret_key:
        message = f"{name}: ak is set without sk; set sk, the secret key, as well"
        raise ConfigurationError(message)
    return KeyPair(access_key, secret_key, own.get("security_token"))


@contextmanager
def _errors_explained(name: str) -> Iterator[None]:
    """Turn the errors of openstacksdk into one message; invalid input raises many types."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.exceptions import ConfigException  # noqa: PLC0415

    try:
        yield
    except TypeError as error:
        # A setting of another way to sign in, such as OS_TOKEN beside a password.
        message = (
            f"{name}: the credentials contradict each other ({error}); "
            "unset OS_TOKEN to sign in with a password, or OS_AUTH_URL to use the token as it is"
        )
        raise ConfigurationError(message) from error
    except (ConfigException, ClientException, ValueError, AttributeError) as error:
        message = f"{name}: the credentials cannot be used: {error}; check clouds.yaml and OS_*"
        raise ConfigurationError(message) from error


def _check_yaml(path: Path) -> None:
    """Reject a broken file; openstacksdk would ignore it as if it did not exist."""
    try:
        if path.is_file():
            yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # Without the message of the parser: it shows the line, and this may be secure.yaml.
        message = f"{path} cannot be read ({type(error).__name__}); correct the file"
        raise ConfigurationError(message) from error


def _check_password(settings: Any, name: str) -> None:
    is_password = str(settings.config.get("auth_type") or "password") in _PASSWORD_TYPES
    if is_password and not settings.get_auth_args().get("password"):
        message = (
            f"{name}: no password is set; set OS_PASSWORD, OS_PASSWORD_FILE or "
            "OS_PASSWORD_COMMAND, or password in secure.yaml"
        )
        raise ConfigurationError(message)
