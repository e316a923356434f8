"""Sign-in to all projects of a user, and by an agency."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.projects import ListedProject, read_projects, select_projects
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, iso
from gaussdb_tasks.settings import AccessRequest, RetrySettings
from tests.support.commands import Command, password_env
from tests.support.emulator_client import NOW, record
from tests.support.loads import rows

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815", agency="readers")
IDS: Final = {f"{number:032x}": f"eu-de_team{number}" for number in range(5)}
AGENCY: Final = {
    "OS_AGENCY_NAME": "readers",
    "OS_AGENCY_DOMAIN_NAME": ACCOUNT.domain,
    "OS_PROJECT_NAME": "eu-de_team0",
    "OS_PROJECT_DOMAIN_NAME": ACCOUNT.domain,
}
REFUSED: Final = list(IDS)[3:]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with five projects, two of which refuse."""
    world = FixedWorld({each: [record(n)] for n, each in enumerate(IDS, 1)}, names=IDS)
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock, account=ACCOUNT, forbidden_projects=REFUSED) as served:
        yield served


@pytest.fixture
def environ(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of a user, without a project."""
    variables = password_env(
        emulator,
        ACCOUNT,
        OS_CLIENT_CONFIG_FILE=str(tmp_path / "clouds.yaml"),
        OS_CLIENT_SECURE_FILE=str(tmp_path / "secure.yaml"),
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def names(accesses: tuple[ProjectAccess, ...]) -> list[str]:
    """Return the names of the projects."""
    return [access.name for access in accesses]


def count_tasks(access: ProjectAccess) -> int | None:
    """Return the count of the last day's tasks."""
    client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
    return client.fetch_page(TaskQuery(NOW - DAY, NOW), offset=0).total_count


def test_all_projects(emulator: Emulator, environ: dict[str, str]) -> None:
    """Every project of the user is found, less those that a pattern excludes."""
    request = AccessRequest(endpoint=emulator.endpoint, all_projects=True)
    accesses = sign_in(request, environ).accesses
    assert names(accesses) == sorted(IDS.values())
    assert {access.region for access in accesses} == {"eu-de"}
    some = replace(request, exclude=("*team3", "*_team4"))
    assert names(sign_in(some, environ).accesses) == sorted(IDS.values())[:3]


def test_projects_that_refuse(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """Each project that refuses is named, and the others are published with exit code 3."""
    run = command(
        "load", "--all-projects", "--endpoint", emulator.endpoint, "--now", iso(NOW), env=environ
    )
    assert run.exit_code == 3
    for project in REFUSED:
        assert f"failed: project {project}" in run.stderr
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(3,)]


def test_patterns() -> None:
    """Patterns match name or id; disabled projects and that of object storage are skipped."""
    listed = read_projects(
        [
            {"id": "1", "name": "eu-de"},
            {"id": "2", "name": "eu-de_shop", "enabled": True},
            {"id": "3", "name": "eu-nl_shop"},
            {"id": "4", "name": "eu-de_old", "enabled": False},
            {"id": "5", "name": "MOS"},
            "not a project",
        ]
    )

    def selected(**options: tuple[str, ...] | str) -> list[str]:
        request = AccessRequest(all_projects=True, **options)  # type: ignore[arg-type]
        return [project.name for project in select_projects(listed, request, "test")]

    assert selected() == ["eu-de", "eu-de_shop", "eu-nl_shop"]
    assert selected(include=("*_shop",)) == ["eu-de_shop", "eu-nl_shop"]
    assert selected(include=("*_shop",), exclude=("3",)) == ["eu-de_shop"]
    assert selected(region="eu-nl") == ["eu-nl_shop"]
    assert ListedProject("9", "eu-ch2_x").region == "eu-ch2"
    with pytest.raises(ConfigurationError, match="eu-de, eu-de_shop"):
        selected(exclude=("*",))


def test_contradicting_options(emulator: Emulator, environ: dict[str, str]) -> None:
    """Patterns need --all-projects; project ids and ready tokens contradict it."""
    for request in (
        AccessRequest(endpoint=emulator.endpoint, include=("*",)),
        AccessRequest(endpoint=emulator.endpoint, all_projects=True, project_ids=("1",)),
    ):
        with pytest.raises(ConfigurationError, match="--all-projects"):
            sign_in(request, environ)
    with pytest.raises(ConfigurationError, match="a ready token is for one"):
        sign_in(AccessRequest(all_projects=True), {"OS_TOKEN": emulator.token})


def test_failed_cloud(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """A cloud that refuses the sign-in is named, and the other is loaded with exit code 3."""
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


def test_agency(
    emulator: Emulator, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agency gives access to one project by name, or to all projects."""
    agency = {**environ, **AGENCY}
    for name, value in AGENCY.items():
        monkeypatch.setenv(name, value)
    request = AccessRequest(endpoint=emulator.endpoint)
    (access,) = sign_in(request, {**agency, "OS_DELEGATED_PROJECT": "eu-de_team1"}).accesses
    assert count_tasks(access) == 1
    several = replace(request, all_projects=True, include=("*team[12]",))
    accesses = sign_in(several, agency).accesses
    assert names(accesses) == ["eu-de_team1", "eu-de_team2"]
    assert [count_tasks(access) for access in accesses] == [1, 1]


def test_load_with_an_agency(
    command: Command, emulator: Emulator, environ: dict[str, str], tmp_path: Path
) -> None:
    """A load with an agency publishes the tasks of the delegated project."""
    env = {**environ, **AGENCY, "OS_DELEGATED_PROJECT": "eu-de_team1"}
    run = command("load", "--endpoint", emulator.endpoint, "--now", iso(NOW), env=env)
    assert run.exit_code == 0, run.stderr
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(1,)]


def test_wrong_agency(command: Command, emulator: Emulator, environ: dict[str, str]) -> None:
    """An unknown or incomplete agency is refused with exit code 2."""
    load = ("load", "--endpoint", emulator.endpoint, "--now", iso(NOW))
    unknown = {"OS_AGENCY_NAME": "writers", "OS_DELEGATED_PROJECT": "x"}
    assert command(*load, env={**environ, **AGENCY, **unknown}).exit_code == 2
    incomplete = command(*load, env={**environ, "OS_AGENCY_NAME": "readers"})
    assert incomplete.exit_code == 2
    assert "OS_AGENCY_DOMAIN_NAME" in incomplete.stderr
