"""The configuration file: an operator's defaults, checked, and shown with their source."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import iso
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with a task."""
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as served:
        yield served


def in_force(
    command: Command, *arguments: str, env: dict[str, str] | None = None
) -> dict[str, list[str]]:
    """Ask what is in force: value and source by setting."""
    run = command("config", "--format", "json", *arguments, env=env)
    assert run.exit_code == 0, run.stderr
    return {each["setting"]: [each["value"], each["source"]] for each in json.loads(run.stdout)}


def write(text: str, path: str = "gaussdb_tasks.toml") -> None:
    """Write a configuration file."""
    Path(path).write_text(text)


def test_a_load_goes_by_the_file(command: Command, emulator: Emulator) -> None:
    """Endpoint, projects and directory from the file, the token from the environment."""
    write(
        f"""
        endpoint = "{emulator.endpoint}"
        project-id = ["{PROJECT}"]
        data-dir = "kept"

        [load]
        now = {iso(NOW)}
        connections = 2
        """
    )
    run = command("load", env={"OS_TOKEN": emulator.token})
    assert run.exit_code == 0, run.stderr
    assert "1 tasks seen" in run.stderr
    assert Path("kept/gaussdb_tasks.duckdb").exists()
    assert command("query", "select 1").exit_code == 0


def test_options_override_variables_and_variables_the_file(command: Command) -> None:
    """And ``config`` says which of them it was."""
    write('data-dir = "file"\n[load]\nhorizon-days = 20\noverlap_minutes = 5')
    env = {"GAUSSDB_TASKS_HORIZON_DAYS": "21", "GAUSSDB_TASKS_DATA_DIR": "variable"}
    found = in_force(command, "load", "--data-dir", "option", env=env)
    assert found["data-dir"] == ["option", "option"]
    assert found["horizon-days"] == ["21", "variable GAUSSDB_TASKS_HORIZON_DAYS"]
    assert found["overlap-minutes"] == ["5", "file gaussdb_tasks.toml"]
    assert found["connections"] == ["8", "default"]


def test_a_table_overrides_what_holds_for_all(command: Command) -> None:
    """A command's own table is nearer than the keys above."""
    write('data-dir = "all"\n[load]\ndata-dir = "nightly"')
    assert in_force(command)["data-dir"][0] == "nightly"
    assert in_force(command, "status")["data-dir"][0] == "all"


def test_another_file(command: Command) -> None:
    """By option or by variable; one that is not there is a mistake."""
    write('data-dir = "elsewhere"', "other.toml")
    assert in_force(command, "load", "--config", "other.toml")["data-dir"] == [
        "elsewhere",
        "file other.toml",
    ]
    env = {"GAUSSDB_TASKS_CONFIG": "other.toml"}
    assert in_force(command, env=env)["data-dir"][0] == "elsewhere"
    assert command("load", "--config", "nowhere.toml").exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("horizont-days = 3", "did you mean 'horizon-days'?"),
        ("[load]\ndata_dri = 'x'", "did you mean 'data-dir'?"),
        ("[laod]\nfull = true", "did you mean 'load'?"),
        ("[status]\nhorizon-days = 3", "[status] has no option 'horizon-days'"),
        ("[load]\nfull = 'yes'", "full is true or false"),
        ("data-dir = ['a', 'b']", "data-dir takes one value"),
        ("data-dir = ", "cannot be read"),
        ("[load]\nhorizon-days = 4000", "--horizon-days"),
    ],
)
def test_mistakes_are_said(command: Command, text: str, said: str) -> None:
    """Unknown keys suggest the near one; nothing is silently left out."""
    write(text)
    run = command("load")
    assert run.exit_code == 2
    assert said in run.stderr


def test_secrets_are_not_shown(command: Command) -> None:
    """What the sign-in reads is listed, what it must not show is masked."""
    env = {
        "OS_USERNAME": "ada",
        "OS_PASSWORD": "open sesame",
        "OS_SECRET_KEY": "sk-of-the-test",
        "GAUSSDB_TASKS_PING_URL": "https://ping.test/uuid",
    }
    run = command("config", "--format", "json", env=env)
    for secret in ("open sesame", "sk-of-the-test", "ping.test"):
        assert secret not in run.stdout
    assert in_force(command, env=env)["OS_USERNAME"] == ["ada", "environment"]
    assert in_force(command, env=env)["OS_PASSWORD"] == ["***", "environment"]


def test_a_command_that_is_none(command: Command) -> None:
    """The commands there are, are named."""
    run = command("config", "lod")
    assert run.exit_code == 2
    assert "load" in run.stderr


def test_the_demo_stays_out_of_it(command: Command) -> None:
    """A demo never writes where the operator's data are."""
    write('data-dir = "/srv/gaussdb-tasks"')
    assert "--config" not in command("demo", "-h").stdout
    assert "data/demo" in command("demo", "-h").stdout
