"""What openstacksdk obeys and this program does not is refused by its name, never dropped."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from keystoneauth1 import loading

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

DEFINITIONS: Final = json.loads(files("openstack.config").joinpath("schema.json").read_text())
DOCUMENTED: Final = frozenset(DEFINITIONS["$defs"]["cloud"]["properties"])
ENDS: Final = tuple(
    pattern.removesuffix("$") for pattern in DEFINITIONS["$defs"]["cloud"]["patternProperties"]
)
USED: Final = frozenset(
    [
        "api_timeout",
        "auth",
        "auth_methods",
        "auth_plugin",
        "auth_type",
        "cacert",
        "cert",
        "insecure",
        "key",
        "region_name",
        "verify",
    ]
)
ABOUT_OTHER_THINGS: Final = frozenset(
    [
        "disable_vendor_agent",
        "external_network",
        "floating_ip_source",
        "image_api_use_tasks",
        "image_format",
        "internal_network",
        "message",
        "metrics",
        "networks",
        "secgroup_source",
        "status",
        "vendor_hook",
        "baremetal_introspection_status_code_retries",
        "baremetal_status_code_retries",
        "image_status_code_retries",
        "block_storage_api_version",
        "compute_api_version",
        "database_api_version",
        "dns_api_version",
        "identity_api_version",
        "image_api_version",
        "network_api_version",
        "object_store_api_version",
        "volume_api_version",
        "baremetal_api_version",
    ]
)
REFUSED: Final = frozenset(["endpoint_type", "interface", "force_ipv4", "prefer_ipv6"])
USER: Final = {
    "auth_url": "https://iam.test/v3",
    "username": "ada",
    "user_domain_name": "OTC0815",
    "project_id": "0" * 32,
}
KEY: Final = {"ak": "AK", "sk": "secret-of-the-key", "project_id": "0" * 32}
SHOP: Final = AccessRequest(os_clouds=("shop",))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for clouds.yaml, without the machine's settings."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def sign_in_with(folder: Path, settings: dict[str, Any], **top: Any) -> None:
    """Sign in with a cloud of these settings, without a call: the project's id is known."""
    cloud = {"region_name": "eu-de", "auth": {**USER, "password": "s3cret-word"}, **settings}
    content = {"clouds": {"shop": cloud}, **top}
    (folder / "clouds.yaml").write_text(yaml.safe_dump(content))
    sign_in(SHOP, {})


def test_each_setting_of_the_schema_is_decided() -> None:
    """A new openstacksdk with a new setting is noticed here."""
    assert DOCUMENTED == USED | ABOUT_OTHER_THINGS | REFUSED
    assert set(ENDS) == {
        *("_api_version", "_interface", "_endpoint_type", "_endpoint_override"),
        *("_service_type", "_service_name", "_region_name"),
    }


@pytest.mark.filterwarnings("ignore::openstack.warnings.OpenStackDeprecationWarning")
@pytest.mark.parametrize("name", sorted(ABOUT_OTHER_THINGS))
def test_settings_about_other_things_are_allowed(home: Path, name: str) -> None:
    """A file that the other tools of the cloud share is accepted."""
    value: Any = {"networks": [{"name": "net"}], "metrics": {"statsd": {}}}.get(name, "3")
    sign_in_with(home, {name: value})


@pytest.mark.parametrize("end", ENDS)
def test_settings_of_other_services_are_allowed(home: Path, end: str) -> None:
    """No load calls these services."""
    sign_in_with(home, {f"compute{end}": "x", f"object-store{end}".replace("-", "_"): "x"})
    sign_in_with(home, {f"obs{end}": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interface", "internal"),
        ("interface", "admin"),
        ("endpoint_type", "internalURL"),
        ("force_ipv4", True),
        ("prefer_ipv6", False),
        ("identity_api_version", "2.0"),
        ("endpoint_override", "https://x.test"),
        ("identity_endpoint_override", "https://x.test"),
        ("iam_endpoint_override", "https://x.test"),
        ("database_endpoint_override", "https://x.test"),
        ("gausdb_endpoint_override", "https://x.test"),
        ("gaussdb_interface", "internal"),
        ("gaussdb_region_name", "eu-nl"),
        ("identity_service_type", "keystone"),
        ("database_service_name", "x"),
        ("timeout", 5),
        ("compute_timeout", 5),
        ("http_timeout", 5),
        ("regoin_name", "eu-nl"),
        ("nonsense", "x"),
        ("proxy", "http://proxy.test"),
        ("allow_insecure", True),
        ("ca_cert", "/x.pem"),
        ("project", "shop"),
        ("endpoint-type", "internalURL"),
    ],
)
@pytest.mark.parametrize("place", ["cloud", "region"])
def test_what_would_be_dropped_is_refused(home: Path, name: str, value: Any, place: str) -> None:
    """In a cloud and in the values of a region; the message says what to do."""
    settings: dict[str, Any] = {name: value}
    if place == "region":
        settings = {"regions": [{"name": "eu-de", "values": settings}]}
    with pytest.raises(ConfigurationError, match=rf"cloud 'shop': .*{name} is not.*(remove|corr)"):
        sign_in_with(home, settings)


@pytest.mark.parametrize("name", ["interface", "endpoint_type", "gaussdb_interface"])
def test_the_usual_interface_is_allowed(home: Path, name: str) -> None:
    """It is what a load does."""
    sign_in_with(home, {name: "public"})


@pytest.mark.parametrize("name", ["pasword", "identity_provider", "token", "system", "cacert"])
def test_auth_has_the_settings_of_its_plugin_only(home: Path, name: str) -> None:
    """Another way to sign in is not set up by half."""
    auth = {**USER, "password": "s3cret-word", name: "s3cret-thing"}
    with pytest.raises(ConfigurationError, match=rf"auth\.{name} is not") as refusal:
        sign_in_with(home, {"auth": auth})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("auth_type", sorted(loading.get_available_plugin_names()))
def test_no_setting_of_a_plugin_is_unknown(home: Path, auth_type: str) -> None:
    """Each way of keystoneauth1 to sign in may have its own settings, wherever they are."""
    names = [option.dest for option in loading.get_plugin_options(auth_type)]
    for settings in (
        {"auth_type": auth_type, "auth": dict.fromkeys(names, "x")},
        {"auth_type": auth_type, "auth": {}, **dict.fromkeys(names, "x")},
    ):
        try:
            sign_in_with(home, settings)
        except ConfigurationError as error:
            assert "is not a setting" not in str(error)  # noqa: PT017 - others are expected


@pytest.mark.parametrize(
    "other",
    [
        {"password": "open sesame"},
        {"passcode": "712834"},
        {"token": "a-token-of-somebody"},
        {"application_credential_secret": "open-sesame"},
    ],
    ids=lambda each: next(iter(each)),
)
@pytest.mark.parametrize("is_beside", [True, False])
def test_an_access_key_is_the_only_way_to_sign_in(
    home: Path, other: dict[str, str], *, is_beside: bool
) -> None:
    """Which of the two would sign in is not left to chance."""
    settings = {"auth": KEY, **other} if is_beside else {"auth": {**KEY, **other}}
    with pytest.raises(ConfigurationError, match=rf"{next(iter(other))} and an access key"):
        sign_in_with(home, settings)


def test_an_access_key_with_another_type(home: Path) -> None:
    """The type names the sign-in that its owner wants."""
    with pytest.raises(ConfigurationError, match="auth_type and an access key"):
        sign_in_with(home, {"auth": KEY, "auth_type": "v3token"})
    sign_in_with(home, {"auth": KEY, "auth_type": "password"})


@pytest.mark.parametrize("name", ["ak", "sk", "security_token"])
def test_a_part_of_an_access_key(home: Path, name: str) -> None:
    """It is not dropped in favour of the password."""
    auth = {**USER, "password": "s3cret-word", name: "part-of-a-key"}
    match = "incomplete" if name != "ak" else "password and an access key"
    with pytest.raises(ConfigurationError, match=match):
        sign_in_with(home, {"auth": auth})


def test_a_project_of_an_agency_without_the_agency(home: Path) -> None:
    """A load of the user's own project would be another load than is meant."""
    with pytest.raises(ConfigurationError, match="agency is incomplete"):
        sign_in_with(home, {"delegated_project": "eu-de_theirs"})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"key": "/dev/null"}, "key is set without cert"),
        ({"verify": "/etc/ca.pem"}, r"verify is true or false.*cacert"),
        ({"insecure": "perhaps"}, "insecure is true or false"),
        ({"api_timeout": "soon"}, "api_timeout is not a number of seconds"),
        ({"api_timeout": 0}, "api_timeout is not a number of seconds"),
        ({"api_timeout": -1}, "api_timeout is not a number of seconds"),
        ({"cacert": "/nowhere/ca.pem"}, r"/nowhere/ca\.pem: it does not exist"),
        ({"cert": "/nowhere/me.pem"}, r"/nowhere/me\.pem: it does not exist"),
    ],
)
def test_values_that_cannot_be_used(home: Path, settings: dict[str, Any], match: str) -> None:
    """A wrong value is not replaced by the usual one."""
    with pytest.raises(ConfigurationError, match=match):
        sign_in_with(home, settings)


@pytest.mark.parametrize("value", [False, "false", "no", "off"])
def test_verify_may_be_written_as_text(home: Path, value: Any) -> None:
    """In quotes it means the same."""
    sign_in_with(home, {"verify": value})
    (access,) = sign_in(SHOP, {}).accesses
    assert access.http.verify is False


@pytest.mark.parametrize("auth", [{**USER, "password": "s3cret-word"}, KEY], ids=["user", "key"])
def test_the_time_limit_is_for_all_calls(home: Path, auth: dict[str, str]) -> None:
    """``api_timeout`` also counts for the pages of the service."""
    sign_in_with(home, {"api_timeout": 7, "auth": auth})
    (access,) = sign_in(SHOP, {}).accesses
    assert access.read_seconds == 7


def test_a_setting_of_the_whole_file(home: Path) -> None:
    """The part ``client`` is for all clouds; other parts are those of other programs."""
    sign_in_with(home, {}, client={"force_ipv4": False}, ansible={"x": 1}, common={"y": 1})
    with pytest.raises(ConfigurationError, match=r"client\.force_ipv4 is not a setting"):
        sign_in_with(home, {}, client={"force_ipv4": True})


def test_a_profile_of_the_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cloud takes from a file of profiles counts, too."""
    profiles = home / "clouds-public.yaml"
    profiles.write_text(yaml.safe_dump({"public-clouds": {"mine": {"interface": "internal"}}}))
    monkeypatch.setattr("openstack.config.loader.VENDOR_FILES", [str(profiles)])
    with pytest.raises(ConfigurationError, match="profile mine interface is not a setting"):
        sign_in_with(home, {"profile": "mine"})
    sign_in_with(home, {"profile": "otc"})


WAYS: Final = {
    "user": {"OS_AUTH_URL": "https://iam.test/v3", "OS_USERNAME": "ada", "OS_PASSWORD": "sesame!"},
    "token": {"OS_TOKEN": "a-token-of-ada"},
    "key": {"OS_ACCESS_KEY": "AK", "OS_SECRET_KEY": "secret-of-the-key"},
}
WHERE: Final = {"OS_PROJECT_ID": "0" * 32, "OS_REGION_NAME": "eu-de"}


def sign_in_by(monkeypatch: pytest.MonkeyPatch, way: str, **more: str) -> Any:
    """Sign in with variables, and return the access."""
    environ = {**WAYS[way], **WHERE, **more}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (access,) = sign_in(AccessRequest(), environ).accesses
    return access


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OS_INTERFACE", "internal"),
        ("OS_ENDPOINT_TYPE", "adminURL"),
        ("OS_IDENTITY_API_VERSION", "2"),
        ("OS_IDENTITY_ENDPOINT_OVERRIDE", "https://x.test"),
        ("OS_ENDPOINT_OVERRIDE", "https://x.test"),
        ("OS_FORCE_IPV4", "true"),
        ("OS_KEY", "/dev/null"),
    ],
)
def test_variables_that_would_be_dropped(
    monkeypatch: pytest.MonkeyPatch, way: str, name: str, value: str
) -> None:
    """Each way to sign in refuses them by name."""
    with pytest.raises(ConfigurationError, match=name):
        sign_in_by(monkeypatch, way, **{name: value})


@pytest.mark.parametrize("way", WAYS)
def test_variables_that_are_obeyed_or_harmless(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Also those that every file of a console sets, and those of other programs."""
    access = sign_in_by(
        monkeypatch,
        way,
        OS_INTERFACE="public",
        OS_ENDPOINT_TYPE="publicURL",
        OS_IDENTITY_API_VERSION="3",
        OS_VOLUME_API_VERSION="2",
        OS_RELEASE_OF_ANOTHER_PROGRAM="12",
        OS_VERIFY="false",
        OS_API_TIMEOUT="9",
        OS_GAUSSDB_ENDPOINT_OVERRIDE="https://gaussdb.test",
    )
    assert access.http.verify is False
    assert access.read_seconds == 9
    assert access.endpoint == "https://gaussdb.test"
