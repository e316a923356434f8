"""Clouds as users of this cloud configure them: ``clouds.yaml``, ``secure.yaml``, ``OS_*``.

openstacksdk reads them, keystoneauth1 signs in. What other tools of this cloud add to them is read
here: an agency to assume (``agency_name``, ``agency_domain_name``, ``delegated_project``) and keys
(``ak``, ``sk``, ``security_token``), under ``auth`` or beside it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from keystoneauth1.plugin import BaseAuthPlugin

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.agency import Agency, AgencyPlugin
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.auth.identity import KeystoneIdentity
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError

_PASSWORD_TYPES: Final = frozenset({"password", "v3password", "v3oidcpassword"})
_SCOPE: Final = (
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
    "tenant_id",
    "tenant_name",
)
_OURS: Final = ("agency_name", "agency_domain_name", "delegated_project")
_KEYS: Final = ("ak", "sk", "security_token")


class Cloud:
    """One named cloud, or what the ``OS_*`` variables describe; nothing is called to make one.

    Attributes:
        name: what to call it in a message.
        region: as configured; None if it is not.
        endpoint: where the service is, if the cloud says so (``gaussdb_endpoint_override``).
        transport: how to reach servers.
        keys: the access key to sign with, if that is how it signs in.
        project_name: the project that is configured by its name.
    """

    def __init__(self, cloud: str | None, environ: Mapping[str, str]) -> None:
        """Read a cloud; None for the variables.

        Raises:
            ConfigurationError: there is no such cloud, or its settings cannot be used.
        """
        self.name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        self._cloud = cloud
        self._overrides: dict[str, Any] = {}
        with _misuse_explained(self.name):
            self._files = _read_files(cloud)
            own = _take_own_settings(self._files, cloud, environ)
            self.keys = None if not own.get("ak") else _key_pair(own, self.name)
            self._agency = _agency(own, self.name)
            if self.keys is None:
                password = read_secret(environ, "OS_PASSWORD")
                if password is not None and not self._raw_auth().get("password"):
                    self._overrides["password"] = password
            settings = self._settings(None, validate=self.keys is None)
            self._iam_url = str(settings.get_auth_args().get("auth_url") or "")
            self.region = settings.get_region_name() or None
            self.endpoint = settings.config.get("gaussdb_endpoint_override")
            self.transport = Transport(*settings.get_requests_verify_args())
            auth = settings.get_auth_args()
            self.project_id = str(auth.get("project_id") or "") or None
            self.project_name = str(auth.get("project_name") or "") or None
            if self._agency is not None:
                # The configured project is the user's own, to sign in with.
                self.project_id, self.project_name = None, self._agency.project_name
            if self.keys is not None:
                return
            endpoints.checked_url(self._iam_url, source=f"{self.name}: auth_url")
            _refuse_missing_password(settings, self.name)
            self._session = settings.get_session()
        self._user = str(auth.get("username") or auth.get("user_id") or "")
        self._secret = str(auth.get("password") or auth.get("token") or "")
        self._session.redirect = False  # a sign-in carries the password; it goes where it is told
        if endpoints.is_loopback(urlsplit(self._iam_url).hostname or ""):
            self._session.session.trust_env = False

    @property
    def iam_url(self) -> str:
        """Where IAM is; by region where the cloud does not say."""
        if self._iam_url:
            return self._iam_url
        if self.region is None:
            message = f"{self.name}: no IAM: set auth_url (OS_AUTH_URL) or region_name"
            raise ConfigurationError(message)
        return endpoints.iam_of_region(self.region)

    def identity(self, project_id: str | None = None) -> KeystoneIdentity:
        """Make the identity that enters a project; None for the configured one, or for none.

        Raises:
            ConfigurationError: the settings contradict each other.
        """
        with _misuse_explained(self.name):
            plugin = self._plugin(project_id)
        return KeystoneIdentity(
            plugin,
            self._session,
            iam_url=self._iam_url,
            user=self._user if self._agency is None else f"{self._user} as {self._agency.name}",
            secret=self._secret,
        )

    def _plugin(self, project_id: str | None) -> BaseAuthPlugin:
        if self._agency is None:
            plugin: BaseAuthPlugin = self._settings(project_id).get_auth()
            return plugin
        return AgencyPlugin(
            self._iam_url,
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

    def _raw_auth(self) -> Mapping[str, Any]:
        return _raw_cloud(self._files, self._cloud).get("auth") or {}


def _read_files(cloud: str | None) -> Any:
    # Imported here: openstacksdk takes 0.4 s, and a ready token does not need it. Untyped: its
    # CloudRegion promises attributes through __getattr__.
    from openstack.config import OpenStackConfig  # noqa: PLC0415
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES  # noqa: PLC0415

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
    return config


def _raw_cloud(files: Any, cloud: str | None) -> dict[str, Any]:
    clouds = files.cloud_config.get("clouds") or {}
    raw: dict[str, Any] = clouds.get(cloud or files.envvar_key) or {}
    return raw


def _take_own_settings(
    files: Any, cloud: str | None, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Take out of a cloud what is ours to read; openstacksdk refuses what it does not know."""
    raw = _raw_cloud(files, cloud)
    auth = raw.get("auth") or {}
    own: dict[str, str | None] = {}
    for name in (*_OURS, *_KEYS):
        value = auth.pop(name, None) or raw.pop(name, None)
        own[name] = str(value) if value else None
    if cloud is None:
        for name in _OURS:
            own[name] = own[name] or environ.get(f"OS_{name.upper()}")
    return own


def _agency(own: Mapping[str, str | None], name: str) -> Agency | None:
    agency, domain = own.get("agency_name"), own.get("agency_domain_name")
    if not agency and not domain:
        return None
    if not agency or not domain:
        message = (
            f"{name}: an agency has a name and the domain that made it; set both agency_name "
            "(OS_AGENCY_NAME) and agency_domain_name (OS_AGENCY_DOMAIN_NAME)"
        )
        raise ConfigurationError(message)
    if own.get("ak"):
        message = f"{name}: an agency is assumed with a password or a token, not with ak and sk"
        raise ConfigurationError(message)
    return Agency(agency, domain, own.get("delegated_project"))


def _key_pair(own: Mapping[str, str | None], name: str) -> KeyPair:
    access_key, secret_key = own.get("ak"), own.get("sk")
    if not access_key or not secret_key:
        message = f"{name}: ak needs sk beside it, the secret key"
        raise ConfigurationError(message)
    return KeyPair(access_key, secret_key, own.get("security_token"))


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


def _refuse_missing_password(settings: Any, name: str) -> None:
    is_password = str(settings.config.get("auth_type") or "password") in _PASSWORD_TYPES
    if is_password and not settings.get_auth_args().get("password"):
        message = (
            f"{name}: there is no password; set OS_PASSWORD, OS_PASSWORD_FILE or "
            "OS_PASSWORD_COMMAND, or password in secure.yaml"
        )
        raise ConfigurationError(message)
