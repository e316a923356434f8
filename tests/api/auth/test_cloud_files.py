"""clouds.yaml and secure.yaml: values are stripped, mistakes are named without their values."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, RealClock
from gaussdb_tasks.errors import AccessError, ConfigurationError
from gaussdb_tasks.settings import AccessRequest
from tests.support.emulator_client import OTHER_PROJECT, PROJECT

ACCOUNT = Account(user="ada", password="open sesame", domain="OTC0815", passcode="712834")
NAMES = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}
SHOP = AccessRequest(os_clouds=("shop",))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for clouds.yaml, without the machine's settings."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An IAM that asks for a password and a passcode."""
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: []}, names=NAMES)
    with Emulator(world, clock=RealClock(), account=ACCOUNT) as served:
        yield served


def cloud(emulator: Emulator, **auth: Any) -> dict[str, Any]:
    """Return a cloud; ``auth`` is added to its sign-in."""
    return {
        "region_name": "eu-de",
        "gaussdb_endpoint_override": emulator.endpoint,
        "auth": {
            "auth_url": emulator.auth_url,
            "username": "ada",
            "password": "open sesame",
            "user_domain_name": "OTC0815",
            "project_name": "eu-de_shop",
            "project_domain_name": "OTC0815",
            "passcode": "712834",
            **auth,
        },
    }


def write(folder: Path, shop: object) -> None:
    """Write the cloud ``shop``."""
    (folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"shop": shop}}))


def test_password_and_passcode(home: Path, emulator: Emulator) -> None:
    """Both are sent in one sign-in, from the file or from OS_PASSCODE."""
    write(home, cloud(emulator))
    (access,) = sign_in(SHOP, {}).accesses
    assert access.project_id == PROJECT
    write(home, cloud(emulator, passcode=None))
    (access,) = sign_in(SHOP, {"OS_PASSCODE": "712834\n"}).accesses
    assert access.project_id == PROJECT
    with pytest.raises(AccessError, match="passcode"):
        sign_in(SHOP, {"OS_PASSCODE": "000000"})
    with pytest.raises(AccessError):
        sign_in(SHOP, {})


def test_a_password_without_a_user_is_refused_before_any_call(
    home: Path, emulator: Emulator
) -> None:
    settings = cloud(emulator)
    del settings["auth"]["username"]
    write(home, settings)
    with pytest.raises(ConfigurationError, match="no user is set; set username"):
        sign_in(SHOP, {})
    assert not emulator.calls


def test_passcode_beside_the_variables(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_PASSCODE beside OS_PASSWORD has the same effect."""
    environ = {
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": "ada",
        "OS_PASSWORD": "open sesame",
        "OS_PASSCODE": "712834",
        "OS_USER_DOMAIN_NAME": "OTC0815",
        "OS_PROJECT_NAME": "eu-de_shop",
        "OS_PROJECT_DOMAIN_NAME": "OTC0815",
        "OS_REGION_NAME": "eu-de",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert access.project_id == PROJECT


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\ufeff", "\r"], ids=ascii)
def test_values_are_stripped(home: Path, emulator: Emulator, around: str) -> None:
    """In clouds.yaml and in secure.yaml."""
    settings = cloud(emulator)
    settings["auth"] = {name: f"{value}{around}" for name, value in settings["auth"].items()}
    settings["region_name"] += around
    settings["gaussdb_endpoint_override"] += around
    password = settings["auth"].pop("password")
    write(home, settings)
    secret = {"clouds": {"shop": {"auth": {"password": password}}}}
    (home / "secure.yaml").write_text(yaml.safe_dump(secret))
    (access,) = sign_in(SHOP, {}).accesses
    assert (access.region, access.project_id) == ("eu-de", PROJECT)


@pytest.mark.parametrize("prefix", ["", "\ufeff"], ids=ascii)
def test_line_ends_and_marks_of_a_file(home: Path, emulator: Emulator, prefix: str) -> None:
    """A file of another system is read."""
    write(home, cloud(emulator))
    text = prefix + (home / "clouds.yaml").read_text().replace("\n", "\r\n")
    (home / "clouds.yaml").write_bytes(text.encode())
    (access,) = sign_in(SHOP, {}).accesses
    assert access.project_id == PROJECT


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("project_id", "0123456"),
        ("password", "0123456"),
        ("password", "yes"),
        ("password", "2026-03-18"),
        ("passcode", "712834"),
        ("user_domain_name", "1.50"),
        ("username", "0x1f"),
    ],
)
@pytest.mark.parametrize("place", ["cloud", "region"])
def test_numbers_without_quotes(home: Path, setting: str, value: str, place: str) -> None:
    """YAML makes another value of them; the message does not show it."""
    auth = f"auth: {{auth_url: https://iam.test/v3, {setting}: {value}}}"
    values = auth if place == "cloud" else f"regions: [{{name: eu-de, values: {{{auth}}}}}]"
    (home / "clouds.yaml").write_text(f"clouds:\n  shop:\n    {values}\n")
    with pytest.raises(ConfigurationError, match=rf"{setting} is not a text.*in quotes") as refusal:
        sign_in(SHOP, {})
    assert str(yaml.safe_load(value)) not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["clouds:", "clouds: {}", "clouds: []", "cloud: {shop: {}}", "- shop", "shop"]
)
def test_no_clouds(home: Path, text: str) -> None:
    """The file is named, not a contradiction of the credentials."""
    (home / "clouds.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"clouds\.yaml has no clouds"):
        sign_in(SHOP, {})


def test_an_empty_file(home: Path) -> None:
    """It has no clouds; variables can be used beside it."""
    (home / "clouds.yaml").touch()
    with pytest.raises(ConfigurationError, match="its clouds: none"):
        sign_in(SHOP, {})


def test_several_regions_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one is not chosen silently."""
    environ = {"OS_AUTH_URL": "https://iam.test/v3", "OS_REGION_NAME": "eu-de,eu-nl"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="OS_REGION_NAME has several regions"):
        sign_in(AccessRequest(), environ)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it has no settings"),
        ("x", "it has no settings"),
        ("[a]", "it has no settings"),
        ("{auth: }", "auth has no settings"),
        ("{auth: [x]}", "auth has no settings"),
        ("{auth: x}", "auth has no settings"),
        ("{regions: eu-de}", "regions is not a list of names"),
        ("{regions: [null]}", "regions is not a list of names"),
        ("{regions: [{values: {}}]}", "regions is not a list of names"),
        ("{regions: [{name: eu-de, values: {auth: }}]}", "regions eu-de auth has no settings"),
    ],
)
def test_a_part_of_another_shape_is_named(home: Path, text: str, problem: str) -> None:
    """Libraries would fail on it with words about their code."""
    (home / "clouds.yaml").write_text(f"clouds:\n  shop: {text}\n")
    with pytest.raises(ConfigurationError, match=f"cloud 'shop': {problem}"):
        sign_in(SHOP, {})


def test_a_broken_file_does_not_show_its_line(home: Path) -> None:
    """It may hold a secret."""
    (home / "secure.yaml").write_text("clouds:\n  shop: {password: 's3cret-of-the-file\n")
    (home / "clouds.yaml").write_text("clouds: {shop: {}}")
    with pytest.raises(ConfigurationError, match=r"secure\.yaml cannot be read.*line") as refusal:
        sign_in(SHOP, {})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "request_",
    [AccessRequest(("shop",), project_ids=(PROJECT,)), AccessRequest(("shop",), all_projects=True)],
)
def test_an_application_credential_is_for_one_project(
    home: Path, emulator: Emulator, request_: AccessRequest
) -> None:
    """--project-id and --all-projects are refused by name."""
    shop = {
        "region_name": "eu-de",
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": emulator.auth_url,
            "application_credential_id": "abc",
            "application_credential_secret": "open-sesame",
        },
    }
    write(home, shop)
    with pytest.raises(ConfigurationError, match="application credential is for its own project"):
        sign_in(request_, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a user id without an entry")
def test_a_user_without_a_home(tmp_path: Path) -> None:
    """A container's user may have neither HOME nor an entry in the list of users."""
    script = (
        "import sys\n"
        "from gaussdb_tasks.cli import main\n"
        "import gaussdb_tasks.api.auth.sign_in, gaussdb_tasks.preflight, ssl\n"
        "import gaussdb_tasks.cli.commands.check\n"
        "import os\n"
        "os.setuid(54321)\n"
        "del os.environ['HOME']\n"
        "sys.argv = ['gaussdb-tasks', 'check', '--os-cloud', 'shop', '--format', 'csv']\n"
        "main()\n"
    )
    tmp_path.chmod(0o755)
    environ = {**os.environ, "HOME": str(tmp_path)}
    for name in ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"):
        environ.pop(name)
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd="/",
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in run.stdout + run.stderr
    assert "set HOME" in run.stdout
    assert run.returncode == 2
