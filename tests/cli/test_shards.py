"""``load --shard``: loaders that share the projects of a user, each with a data directory."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.shard import number_of
from gaussdb_tasks.model.times import iso
from tests.support.commands import Command, isolated, password_env, run_command
from tests.support.emulator_client import NOW, record
from tests.support.loads import rows

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815")
IDS: Final = {f"{number:032x}": f"eu-de_team{number}" for number in range(6)}
MANY: Final = 50
"""So many shards that most have no project."""


class Fleet(NamedTuple):
    """A task center, the variables to read it, and the data directories of two shards."""

    env: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Load all projects in two shards."""
    folder = tmp_path_factory.mktemp("fleet")
    world = FixedWorld({each: [record(n)] for n, each in enumerate(IDS, 1)}, names=IDS)
    with Emulator(world, clock=SettableClock(NOW), account=ACCOUNT) as served, isolated(folder):
        env = {
            **password_env(served, ACCOUNT),
            "GAUSSDB_TASKS_ENDPOINT": served.endpoint,
            "GAUSSDB_TASKS_NOW": iso(NOW),
        }
        for number in (1, 2):
            shard = ("--shard", f"{number}/2", "--data-dir", f"shard-{number}")
            run = run_command("load", "--all-projects", *shard, env=env)
            assert run.exit_code == 0, run.stderr
        yield Fleet(env, folder)


def empty_shard() -> str:
    """Return a shard without projects."""
    taken = {number_of(ProjectKey("eu-de", project_id), MANY) for project_id in IDS}
    return f"{min(set(range(1, MANY + 1)) - taken)}/{MANY}"


def test_each_project_is_loaded_by_one_shard(fleet: Fleet) -> None:
    loaded = [
        {
            project
            for (project,) in rows(fleet.folder / f"shard-{n}", "select project_id from tasks")
        }
        for n in (1, 2)
    ]
    for number, projects in enumerate(loaded, start=1):
        expected = {each for each in IDS if number_of(ProjectKey("eu-de", each), 2) == number}
        assert projects == expected != set()


@pytest.mark.parametrize("command_line", ["load", "load --dry-run", "check"])
@pytest.mark.parametrize("shard", ["2/2", "1/3"])
def test_a_directory_of_another_shard_is_refused(
    command: Command, fleet: Fleet, command_line: str, shard: str
) -> None:
    """Before any call. The number of shards was changed, or the shard is mistyped."""
    env = {**fleet.env, "OS_AUTH_URL": "http://127.0.0.1:1/v3"}  # nobody answers
    database = fleet.folder / "shard-1/gaussdb_tasks.duckdb"
    before = database.read_bytes()
    options = ("--all-projects", "--shard", shard, "--data-dir", fleet.folder / "shard-1")
    run = command(*command_line.split(), *options, env=env)
    shown = " ".join((run.stdout + run.stderr).split())
    assert "has project 0" in shown
    assert "check --shard and --data-dir" in shown or command_line == "check"
    assert run.exit_code == 2
    assert database.read_bytes() == before


def test_a_shard_reads_its_directory_again(command: Command, fleet: Fleet, tmp_path: Path) -> None:
    """The plan has its projects only, and the settings file can name the shard."""
    shutil.copytree(fleet.folder / "shard-1", tmp_path / "data")
    Path("gaussdb_tasks.toml").write_text('[load]\nshard = "1/2"\nall-projects = true\n')
    run = command("load", "--dry-run", "--format", "json", env=fleet.env)
    assert run.exit_code == 0, run.stderr
    planned = {each["project_id"] for each in json.loads(run.stdout)["projects"]}
    assert planned == {each for each in IDS if number_of(ProjectKey("eu-de", each), 2) == 1}


def test_the_variable_names_the_shard(command: Command, fleet: Fleet) -> None:
    env = {**fleet.env, "GAUSSDB_TASKS_SHARD": "1+1/2"}
    run = command("check", "--all-projects", "--data-dir", fleet.folder / "shard-2", env=env)
    assert run.exit_code == 0, run.stdout
    checked = {each for each in IDS if f"project {each}" in run.stdout}
    assert checked == {each for each in IDS if number_of(ProjectKey("eu-de", each), 2) == 2}


def test_a_shard_without_projects_is_done(command: Command, fleet: Fleet) -> None:
    """One sentence, exit code 0, no database; also for monitoring, the plan and the check."""
    options = ("--all-projects", "--shard", empty_shard())
    run = command("load", *options, "--metrics-file", "m.prom", "--format", "json", env=fleet.env)
    assert (run.exit_code, run.stderr.count("\n")) == (0, 1)
    assert f"shard {empty_shard()} has no projects" in run.stderr
    assert json.loads(run.stdout)["projects"] == []
    (line,) = (
        each
        for each in Path("m.prom").read_text().splitlines()
        if each.startswith("gaussdb_tasks_last_run_exit_code")
    )
    assert line.endswith(" 0.0")
    assert not Path("data/gaussdb_tasks.duckdb").exists()
    for command_line in ("load --dry-run", "check"):
        run = command(*command_line.split(), *options, env=fleet.env)
        assert run.exit_code == 0
        assert "has no projects" in run.stdout + run.stderr


def test_a_failed_sign_in_may_hide_the_projects_of_a_shard(
    command: Command, fleet: Fleet, tmp_path: Path
) -> None:
    """So a shard that seems to have none has failed."""
    clouds = "clouds:" + "".join(
        f"""
  {cloud}:
    region_name: eu-de
    auth:
      auth_url: {fleet.env["OS_AUTH_URL"]}
      username: {ACCOUNT.user}
      password: {password}
      user_domain_name: {ACCOUNT.domain}
"""
        for cloud, password in (("good", ACCOUNT.password), ("bad", "a wrong one"))
    )
    (tmp_path / "clouds.yaml").write_text(clouds)
    env = {"GAUSSDB_TASKS_ENDPOINT": fleet.env["GAUSSDB_TASKS_ENDPOINT"]}
    names = ("--os-cloud", "good", "--os-cloud", "bad")
    run = command("load", *names, "--all-projects", "--shard", empty_shard(), env=env)
    assert run.exit_code == 2
    assert "has no projects" not in run.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "1/2"), "--shard needs --all-projects"),
        (("--shard", "0/3", "--all-projects"), "from 1/3 to 3/3"),
        (("--shard", "4/3", "--all-projects"), "from 1/3 to 3/3"),
        (("--shard", "third", "--all-projects"), "write it like 3/10"),
    ],
)
@pytest.mark.parametrize("command_line", ["load", "check", "list", "schedule cron"])
def test_a_wrong_shard_is_an_error(
    command: Command, command_line: str, options: tuple[str, ...], message: str
) -> None:
    """Before any call."""
    env = {
        "OS_AUTH_URL": "http://127.0.0.1:1/v3",
        **dict.fromkeys(("OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_NAME"), "x"),
    }
    run = command(*command_line.split(), *options, env=env)
    assert run.exit_code == 2
    assert message in run.stderr + " ".join(run.stdout.split())
