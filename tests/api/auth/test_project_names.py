"""Every way to sign in gives the name of a project, if IAM or the settings name it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.identity import KeystoneIdentity
from gaussdb_tasks.api.auth.sign_in import sign_in, token_access
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, KeyPair, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import times
from gaussdb_tasks.settings import AccessRequest
from tests.support.commands import password_env
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, record

KEYS: Final = KeyPair("AK", "the secret")
ACCOUNT: Final = Account(
    user="ada", password="open sesame", domain="OTC0815", agency="readers", keys=KEYS
)
NAMES: Final = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}
Environ = dict[str, str]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with two projects, and an IAM."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}, names=NAMES)
    # Signatures have the time of this machine.
    with Emulator(world, clock=SettableClock(times.now()), account=ACCOUNT) as served:
        yield served


@pytest.fixture
def password(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environ:
    """The variables of a user with a password, for openstacksdk too."""
    variables = password_env(
        emulator,
        ACCOUNT,
        OS_CLIENT_CONFIG_FILE=str(tmp_path / "clouds.yaml"),
        OS_CLIENT_SECURE_FILE=str(tmp_path / "secure.yaml"),
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def of_keys(emulator: Emulator, **more: str) -> Environ:
    """Return the variables of a user with an access key."""
    return {
        "OS_ACCESS_KEY": KEYS.access_key,
        "OS_SECRET_KEY": KEYS.secret_key,
        "OS_AUTH_URL": emulator.auth_url,
        "OS_REGION_NAME": "eu-de",
        **more,
    }


def of_token(emulator: Emulator, **more: str) -> Environ:
    """Return the variables of a user with a ready token."""
    return {"OS_TOKEN": emulator.token, "OS_REGION_NAME": "eu-de", **more}


def learned(emulator: Emulator, environ: Environ, **options: Any) -> tuple[list[str], int]:
    """Sign in and get credentials; return the names, and how many calls IAM got for them."""
    request = AccessRequest(endpoint=emulator.endpoint, **options)
    accesses = sign_in(request, environ).accesses
    for access in accesses:
        access.identity.credential()
    calls = len(emulator.calls)
    names = [access.learned_name() for access in accesses]
    return names, len(emulator.calls) - calls


@pytest.mark.parametrize("project_id", [PROJECT, OTHER_PROJECT])
def test_a_token_of_a_password_has_the_name(
    emulator: Emulator, password: Environ, monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    """Only the id is configured; the name costs no call."""
    monkeypatch.setenv("OS_PROJECT_ID", project_id)
    environ = {**password, "OS_PROJECT_ID": project_id}
    assert learned(emulator, environ) == ([NAMES[project_id]], 0)


def test_each_requested_project_has_its_own_name(
    emulator: Emulator, password: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configured name belongs to the configured project."""
    monkeypatch.setenv("OS_PROJECT_NAME", "eu-de_shop")
    monkeypatch.setenv("OS_PROJECT_DOMAIN_NAME", ACCOUNT.domain)
    ids = (OTHER_PROJECT, PROJECT)
    found = learned(emulator, password, project_ids=ids)
    assert found == (["eu-de_finance", "eu-de_shop"], 0)


def test_an_agency_has_the_name(emulator: Emulator, password: Environ) -> None:
    agency = {"OS_AGENCY_NAME": "readers", "OS_AGENCY_DOMAIN_NAME": ACCOUNT.domain}
    environ = {**password, **agency}
    assert learned(emulator, environ, project_ids=(PROJECT,)) == (["eu-de_shop"], 0)


@pytest.mark.parametrize("environ_of", [of_keys, None], ids=["keys", "password"])
def test_the_list_of_iam_has_the_names(
    emulator: Emulator, password: Environ, environ_of: Callable[[Emulator], Environ] | None
) -> None:
    environ = password if environ_of is None else environ_of(emulator)
    found = learned(emulator, environ, all_projects=True)
    assert found == (sorted(NAMES.values()), 0)


@pytest.mark.parametrize("environ_of", [of_keys, of_token])
def test_the_settings_name_their_own_project_only(
    emulator: Emulator, environ_of: Callable[..., Environ]
) -> None:
    """Neither keys nor a ready token have a name."""
    environ = environ_of(emulator, OS_PROJECT_ID=PROJECT, OS_PROJECT_NAME="eu-de_shop")
    assert learned(emulator, environ) == (["eu-de_shop"], 0)
    assert learned(emulator, environ, project_ids=(OTHER_PROJECT,)) == ([""], 0)
    del environ["OS_PROJECT_NAME"]
    assert learned(emulator, environ) == ([""], 0)


@pytest.mark.parametrize("environ_of", [of_keys, of_token])
def test_a_name_of_another_region_is_refused(
    emulator: Emulator, environ_of: Callable[..., Environ]
) -> None:
    environ = environ_of(emulator, OS_PROJECT_ID=PROJECT, OS_PROJECT_NAME="eu-nl_shop")
    with pytest.raises(ConfigurationError, match="project eu-nl_shop is in region eu-nl"):
        sign_in(AccessRequest(endpoint=emulator.endpoint), environ)


class _Plugin:
    """A plugin of keystoneauth1 with a token."""

    def __init__(self, project: Any) -> None:
        self.auth_ref = self
        self._project = project

    @property
    def project_id(self) -> Any:
        return self._project and self._project.get("id")

    @property
    def project_name(self) -> Any:
        return self._project and self._project.get("name")


def access_with(project: Any) -> ProjectAccess:
    """Return an access whose token has this project."""
    identity = KeystoneIdentity(_Plugin(project), None, iam_url="http://127.0.0.1")  # type: ignore[arg-type]
    access = token_access(
        endpoint="http://127.0.0.1", project_id=PROJECT, token="t", region="eu-de", connections=1
    )
    return ProjectAccess(access.endpoint, "eu-de", PROJECT, identity, access.http)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ({"id": PROJECT, "name": "a name, “with” 字"}, "a name, “with” 字"),
        ({"id": PROJECT, "name": "x" * 255}, "x" * 255),
        ({"id": PROJECT, "name": "x" * 256}, ""),
        ({"id": PROJECT, "name": "\ud800"}, ""),
        ({"id": PROJECT, "name": None}, ""),
        ({"id": PROJECT, "name": 7}, ""),
        ({"id": PROJECT, "name": ["x"]}, ""),
        ({"id": PROJECT}, ""),
        ({"id": OTHER_PROJECT, "name": "of another project"}, ""),
        (None, ""),
        ("text", ""),
        (["list"], ""),
    ],
)
def test_only_a_name_counts_as_one(project: Any, name: str) -> None:
    """IAM's answer is foreign text: whatever it has in this place, the load goes on."""
    assert access_with(project).learned_name() == name
