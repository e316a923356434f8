"""Sign in with a cloud of ``clouds.yaml`` and ``secure.yaml``, or of the ``OS_*`` variables.

openstacksdk reads the files and keystoneauth1 signs in. Settings that only the tools of this cloud
use are read here: the agency to assume (``agency_name``, ``agency_domain_name``,
``delegated_project``) and the access key (``ak``, ``sk``, ``security_token``). They may be under
``auth``, beside it, or below the ``values`` of a region.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from keystoneauth1 import loading
from keystoneauth1.plugin import BaseAuthPlugin

from gaussdb_tasks.api.auth import cloud_settings, endpoints, regions
from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.agency import Agency, AgencyPlugin
from gaussdb_tasks.api.auth.cloud_files import CloudFiles, import_openstack
from gaussdb_tasks.api.auth.credentials import KeyPair
from gaussdb_tasks.api.auth.identity import KeystoneIdentity
from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.api.auth.sign_in_gate import SignInGate
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import remember

_PASSWORD_TYPES: Final = frozenset({"password", "v3password", "v3oidcpassword", "v3multifactor"})
_APPLICATION_CREDENTIAL: Final = "v3applicationcredential"

Gates: TypeAlias = dict[object, SignInGate]


def clouds_of(
    cloud: str | None, environ: Mapping[str, str], requested_region: str | None, gates: Gates
) -> Iterator["Cloud"]:
    """Yield the settings of a cloud, one for each of its regions that is to be read.

    The gates of all clouds are shared: those of the same account have one.

    Raises:
        ConfigurationError: the cloud or the region does not exist, or its settings are invalid.
    """
    with _errors_explained(f"cloud {cloud!r}" if cloud else "the OS_* variables"):
        files = CloudFiles(cloud)
        names = files.regions(requested_region, files.project_name())
    for region in names:
        yield Cloud(
            cloud,
            environ,
            region,
            requested_region=requested_region,
            is_one_of_several=len(names) > 1,
            gates=gates,
        )


class Cloud:
    """A region of a named cloud, or the cloud of the ``OS_*`` variables; it makes no call.

    Attributes:
        name: its name in messages.
        region: as configured, or None.
        is_one_of_several: whether the cloud has other regions that are read, too.
        endpoint: ``gaussdb_endpoint_override``, or None.
        transport: TLS settings of the connections.
        keys: the access key to sign with, or None for another way to sign in.
        agency: the agency to assume, or None.
        auth_url: the URL of IAM; empty if it is not configured.
        gate: shared by all sign-ins of the same account.
        project_id: as configured, or None.
        project_name: as configured, or None.
        has_own_project: whether the credentials are for one project that cannot be changed.
    """

    def __init__(  # noqa: PLR0913 - where its settings come from
        self,
        cloud: str | None,
        environ: Mapping[str, str],
        region: str | None = None,
        *,
        requested_region: str | None = None,
        is_one_of_several: bool = False,
        gates: Gates | None = None,
    ) -> None:
        """Read the settings of a cloud; None reads the ``OS_*`` variables.

        Without a URL of IAM it is that of the region, else that of the requested region.

        Raises:
            ConfigurationError: the settings are invalid.
        """
        self.is_one_of_several = is_one_of_several
        self._cloud = cloud
        self._region = region
        self._overrides: dict[str, Any] = {}
        self._has_methods = False
        name = f"cloud {cloud!r}" if cloud else "the OS_* variables"
        self.name = f"{name}, region {region!r}" if is_one_of_several else name
        with _errors_explained(self.name):
            # Read again for each region: its own settings are taken out of what was read.
            files = CloudFiles(cloud)
            self._config = files.config
            own = files.take_own_settings(region)
            self.keys = _key_pair(own, self.name)
            self.agency = read_agency(own, environ if cloud is None else {}, self.name)
            if self.keys is None:
                self._set_password(files, environ)
                self._set_auth_url(requested_region)
            settings = self._settings(None, validate=self.keys is None)
            auth = settings.get_auth_args()
            self.auth_url = str(auth.get("auth_url") or "")
            self.region = settings.get_region_name() or None
            self.endpoint = settings.config.get("gaussdb_endpoint_override")
            self.transport = _transport(settings, self.name)
            self._set_project(auth)
            self.has_own_project = settings.config.get("auth_type") == _APPLICATION_CREDENTIAL
            if self.keys is None:
                endpoints.check_iam_url(self.auth_url, source=f"{self.name}: auth_url")
                _check_password(settings, self.name)
                self._session = self.transport.keystone_session(self.auth_url)
        self._user = str(auth.get("username") or auth.get("user_id") or "")
        key = _account_key(auth, self.auth_url, self.region)
        self.gate = ({} if gates is None else gates).setdefault(key, SignInGate())
        self.gate.is_shared |= is_one_of_several

    def _set_project(self, auth: Mapping[str, Any]) -> None:
        self.project_id = str(auth.get("project_id") or "") or None
        self.project_name = str(auth.get("project_name") or "") or None
        if self.agency is not None:
            # The configured project is the user's own: it is only for the sign-in.
            self.project_id, self.project_name = None, self.agency.project_name

    def _set_auth_url(self, requested_region: str | None) -> None:
        settings = self._settings(None, validate=False)
        if settings.get_auth_args().get("auth_url") or settings.config.get("auth_url"):
            return
        region = self._region or settings.get_region_name() or requested_region
        if not region:
            message = (
                f"{self.name}: the URL of IAM is not known; set auth_url (OS_AUTH_URL), or "
                "region_name (OS_REGION_NAME) to derive it"
            )
            raise ConfigurationError(message)
        self._overrides["auth_url"] = regions.iam_of_region(region)

    def _set_password(self, files: CloudFiles, environ: Mapping[str, str]) -> None:
        password = read_secret(environ, "OS_PASSWORD")
        if password is not None and not files.has("password"):
            self._overrides["password"] = password
        passcode = files.take("passcode") or read_secret(environ, "OS_PASSCODE")
        remember(passcode)
        if passcode is not None:
            self._overrides["passcode"] = passcode
            self._has_methods = files.has("auth_methods")

    def identity(self, project_id: str | None = None) -> KeystoneIdentity:
        """Return the identity for a project; None for the configured project, or none.

        Raises:
            ConfigurationError: the settings contradict each other.
        """
        with _errors_explained(self.name):
            plugin = self._plugin(project_id)
            self.gate.proof = self._proof()
        return KeystoneIdentity(
            plugin,
            self._session,
            iam_url=self.auth_url,
            user=self._user if self.agency is None else f"{self._user} as {self.agency.name}",
            gate=self.gate,
        )

    def _proof(self) -> BaseAuthPlugin | None:
        """Return the plugin of a sign-in without a project; None if the gate needs none.

        A passcode is valid once, and other credentials have no password.
        """
        settings = self._settings(None)
        auth_type = str(settings.config.get("auth_type"))
        if not self.gate.is_shared or auth_type not in {"password", "v3password"}:
            return None
        auth = {
            name: value
            for name, value in settings.get_auth_args().items()
            if not name.startswith(("project_", "domain_", "tenant_"))
        }
        plugin: BaseAuthPlugin = loading.get_plugin_loader(auth_type).load_from_options(**auth)
        return plugin

    def _plugin(self, project_id: str | None) -> BaseAuthPlugin:
        if self.agency is None:
            plugin: BaseAuthPlugin = self._settings(project_id).get_auth()
            return plugin
        return AgencyPlugin(
            self.auth_url,
            self.agency,
            source=self._settings(None).get_auth(),
            project_id=project_id,
        )

    def _settings(self, project_id: str | None, *, validate: bool = True) -> Any:
        auth = dict(self._overrides)
        if project_id is not None:
            auth["project_id"] = project_id
        more: dict[str, Any] = {"auth": auth} if auth else {}
        if "passcode" in auth and not self._has_methods:
            more |= {"auth_type": "v3multifactor", "auth_methods": ["v3password", "v3totp"]}
        if self._region is not None:
            more["region_name"] = self._region
        return self._config.get_one(cloud=self._cloud, validate=validate, **more)


def _transport(settings: Any, name: str) -> Transport:
    """Return the settings of the connections."""
    if settings.config.get("key") and not settings.config.get("cert"):
        message = f"{name}: key is set without cert, the certificate; set both"
        raise ConfigurationError(message)
    verify, cert = settings.get_requests_verify_args()
    timeout = settings.config.get("api_timeout")
    read_seconds = cloud_settings.read_timeout(timeout, f"{name}: api_timeout")
    return Transport(True if verify is None else verify, cert, read_seconds)


def _account_key(auth: Mapping[str, Any], auth_url: str, region: str | None) -> object:
    """Return what the sign-ins of one account have in common: the credentials, and the cloud."""
    credentials = {
        name: str(value)
        for name, value in auth.items()
        if name != "auth_url" and not name.startswith("project_")
    }
    host = urlsplit(auth_url).netloc
    return (host.replace(region, "") if region else host, frozenset(credentials.items()))


def read_agency(
    own: Mapping[str, str | None], environ: Mapping[str, str], name: str
) -> Agency | None:
    """Return the agency that the settings name; None if they name none.

    Raises:
        ConfigurationError: its name or its domain is missing.
    """
    agency = own.get("agency_name") or environ.get("OS_AGENCY_NAME")
    domain = own.get("agency_domain_name") or environ.get("OS_AGENCY_DOMAIN_NAME")
    project = own.get("delegated_project") or environ.get("OS_DELEGATED_PROJECT")
    if not agency and not domain and not project:
        return None
    if not agency or not domain:
        message = (
            f"{name}: the agency is incomplete; set both agency_name (OS_AGENCY_NAME) and "
            "agency_domain_name (OS_AGENCY_DOMAIN_NAME), the domain that created it"
        )
        raise ConfigurationError(message)
    return Agency(agency, domain, project or None)


def _key_pair(own: Mapping[str, str | None], name: str) -> KeyPair | None:
    access_key, secret_key, token = own.get("ak"), own.get("sk"), own.get("security_token")
    if not any((access_key, secret_key, token)):
        return None
    if not access_key or not secret_key:
        message = f"{name}: the access key is incomplete; set both ak and sk, the secret key"
        raise ConfigurationError(message)
    return KeyPair(access_key, secret_key, token)


@contextmanager
def _errors_explained(name: str) -> Iterator[None]:
    """Turn the errors of openstacksdk into one message; invalid input raises many types."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415

    invalid = import_openstack().exceptions.ConfigException
    try:
        yield
    except TypeError as error:
        # A setting of another way to sign in, such as OS_TOKEN beside a password.
        message = (
            f"{name}: the credentials contradict each other ({error}); "
            "unset OS_TOKEN to sign in with a password, or OS_AUTH_URL to use the token as it is"
        )
        raise ConfigurationError(message) from error
    except (invalid, ClientException, ValueError, AttributeError, KeyError) as error:
        message = f"{name}: the credentials cannot be used: {error}; check clouds.yaml and OS_*"
        raise ConfigurationError(message) from error


def _check_password(settings: Any, name: str) -> None:
    is_password = str(settings.config.get("auth_type") or "password") in _PASSWORD_TYPES
    auth = settings.get_auth_args()
    if is_password and not (auth.get("username") or auth.get("user_id")):
        message = f"{name}: no user is set; set username (OS_USERNAME)"
        raise ConfigurationError(message)
    if is_password and not auth.get("password"):
        message = (
            f"{name}: no password is set; set OS_PASSWORD, OS_PASSWORD_FILE or "
            "OS_PASSWORD_COMMAND, or password in secure.yaml"
        )
        raise ConfigurationError(message)
