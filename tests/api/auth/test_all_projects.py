"""Every project that the user may enter; and sign-ins by agency."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.projects import ListedProject, read_projects, select_projects
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import iso
from gaussdb_tasks.settings import AccessRequest
from tests.support.commands import Command
from tests.support.emulator_client import NOW, record
from tests.support.loads import rows

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815", agency="readers")
IDS: Final = {f"{number:032x}": f"eu-de_team{number}" for number in range(5)}
REFUSED: Final = list(IDS)[3:]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Five projects of which two refuse."""
    world = FixedWorld({each: [record(n)] for n, each in enumerate(IDS, 1)}, names=IDS)
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock, account=ACCOUNT, forbidden_projects=REFUSED) as served:
        yield served


@pytest.fixture
def environ(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of a user who names no project."""
    variables = {
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": ACCOUNT.user,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain,
        "OS_REGION_NAME": "eu-de",
        "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
        "OS_CLIENT_SECURE_FILE": str(tmp_path / "secure.yaml"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def names(accesses: tuple[ProjectAccess, ...]) -> list[str]:
    """Return the projects' names."""
    return [access.name for access in accesses]


def test_every_project_is_found(emulator: Emulator, environ: dict[str, str]) -> None:
    """One sign-in and one list; tokens are got when a project is read."""
    request = AccessRequest(endpoint=emulator.endpoint, all_projects=True)
    accesses = sign_in(request, environ).accesses
    assert names(accesses) == sorted(IDS.values())
    assert {access.region for access in accesses} == {"eu-de"}


def test_those_that_refuse_are_named_and_the_rest_loads(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """Exit 3, a line for each of the two, and three projects' tasks published."""
    run = command(
        "load", "--all-projects", "--endpoint", emulator.endpoint, "--now", iso(NOW), env=environ
    )
    assert run.exit_code == 3
    for project in REFUSED:
        assert f"failed: project {project}" in run.stderr
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(3,)]
    again = command(
        *("load", "--all-projects", "--endpoint", emulator.endpoint, "--now", iso(NOW)),
        *("--exclude", "*team3", "--exclude", "*_team4"),
        env=environ,
    )
    assert again.exit_code == 0


def test_patterns_choose_by_name_and_id() -> None:
    """Include first, then exclude; disabled projects and object storage's own are left out."""
    listed = read_projects(
        [
            {"id": "1", "name": "eu-de"},
            {"id": "2", "name": "eu-de_shop", "enabled": True},
            {"id": "3", "name": "eu-nl_shop"},
            {"id": "4", "name": "eu-de_old", "enabled": False},
            {"id": "5", "name": "MOS"},
            "no project",
        ]
    )

    def chosen(**wishes: tuple[str, ...] | str) -> list[str]:
        request = AccessRequest(all_projects=True, **wishes)  # type: ignore[arg-type]
        return [project.name for project in select_projects(listed, request, "test")]

    assert chosen() == ["eu-de", "eu-de_shop", "eu-nl_shop"]
    assert chosen(include=("*_shop",)) == ["eu-de_shop", "eu-nl_shop"]
    assert chosen(include=("*_shop",), exclude=("3",)) == ["eu-de_shop"]
    assert chosen(region="eu-nl") == ["eu-nl_shop"]
    assert ListedProject("9", "eu-ch2_x").region == "eu-ch2"
    with pytest.raises(ConfigurationError, match="eu-de, eu-de_shop"):
        chosen(exclude=("*",))


def test_patterns_need_all_projects(emulator: Emulator, environ: dict[str, str]) -> None:
    """Else they would be silently of no effect; and a list of ids contradicts it."""
    for request in (
        AccessRequest(endpoint=emulator.endpoint, include=("*",)),
        AccessRequest(endpoint=emulator.endpoint, all_projects=True, project_ids=("1",)),
    ):
        with pytest.raises(ConfigurationError, match="--all-projects"):
            sign_in(request, environ)
    with pytest.raises(ConfigurationError, match="a ready token is for one"):
        sign_in(AccessRequest(all_projects=True), {"OS_TOKEN": emulator.token})


def test_one_clouds_trouble_does_not_cost_the_other_its_night(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """A cloud whose sign-in is refused is named, the other loads, exit 3."""
    (tmp_path / "clouds.yaml").write_text(
        "clouds:"
        + "".join(
            f"""
  {cloud}:
    region_name: eu-de
    auth:
      auth_url: {emulator.auth_url}
      username: {ACCOUNT.user}
      password: {password}
      user_domain_name: {ACCOUNT.domain}
      project_name: eu-de_team1
      project_domain_name: {ACCOUNT.domain}
"""
            for cloud, password in (("good", ACCOUNT.password), ("bad", "a wrong one"))
        )
    )
    clouds = {key: value for key, value in environ.items() if key.startswith("OS_CLIENT")}
    options = ("--os-cloud", "bad", "--os-cloud", "good", "--endpoint", emulator.endpoint)
    run = command("load", *options, "--now", iso(NOW), env={**clouds, "OS_AUTH_URL": ""})
    assert run.exit_code == 3, run.stderr
    assert "failed: cloud 'bad'" in run.stderr
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(1,)]


def test_an_agency_is_assumed(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """By name and domain, for a project by name or for all; a wrong name is refused."""
    agency = {
        "OS_AGENCY_NAME": "readers",
        "OS_AGENCY_DOMAIN_NAME": ACCOUNT.domain,
        "OS_PROJECT_NAME": "eu-de_team0",
        "OS_PROJECT_DOMAIN_NAME": ACCOUNT.domain,
    }
    common = ("load", "--endpoint", emulator.endpoint, "--now", iso(NOW))
    by_name = command(*common, env={**environ, **agency, "OS_DELEGATED_PROJECT": "eu-de_team1"})
    assert by_name.exit_code == 0, by_name.stderr
    everywhere = command(
        *common, "--all-projects", "--include", "*team[12]", env={**environ, **agency}
    )
    assert everywhere.exit_code == 0, everywhere.stderr
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(2,)]
    wrong = command(
        *common, env={**environ, **agency, "OS_AGENCY_NAME": "writers", "OS_DELEGATED_PROJECT": "x"}
    )
    assert wrong.exit_code == 2
    half = command(*common, env={**environ, "OS_AGENCY_NAME": "readers"})
    assert "OS_AGENCY_DOMAIN_NAME" in half.stderr
