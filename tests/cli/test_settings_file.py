"""The settings file: defaults for options, checked, and shown with their source."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import iso
from tests.support.commands import Command
from tests.support.config import effective, write_settings
from tests.support.emulator_client import NOW, PROJECT, record


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with a task."""
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as served:
        yield served


def test_a_command_uses_the_file(command: Command, emulator: Emulator) -> None:
    """Endpoint, project and directory come from the file, the token from the environment."""
    write_settings(
        f"""
        endpoint = "{emulator.endpoint}"
        project-id = ["{PROJECT}"]
        data-dir = "kept"

        [check]
        now = {iso(NOW)}
        """
    )
    run = command("check", "--format", "csv", env={"OS_TOKEN": emulator.token})
    assert run.exit_code == 0, run.stdout
    assert f"{emulator.endpoint} lists 1 tasks" in run.stdout
    assert "kept is writable" in run.stdout
    assert "gaussdb_tasks.toml" in run.stdout
    assert "there is no database kept/" in command("query", "select 1").stderr


def test_options_override_variables_and_variables_the_file(command: Command) -> None:
    """``config`` shows the source of each value."""
    write_settings('data-dir = "file"\n[load]\nhorizon-days = 20\noverlap_minutes = 5')
    env = {"GAUSSDB_TASKS_HORIZON_DAYS": "21", "GAUSSDB_TASKS_DATA_DIR": "variable"}
    found = effective(command, "load", "--data-dir", "option", env=env)
    assert found["data-dir"] == ["option", "option"]
    assert found["horizon-days"] == ["21", "variable GAUSSDB_TASKS_HORIZON_DAYS"]
    assert found["overlap-minutes"] == ["5", "file gaussdb_tasks.toml"]
    assert found["connections"] == ["8", "default"]


def test_a_table_overrides_the_keys_for_all(command: Command) -> None:
    """Keys outside every table are defaults for all commands."""
    write_settings('data-dir = "all"\n[load]\ndata-dir = "nightly"')
    assert effective(command)["data-dir"][0] == "nightly"
    assert effective(command, "status")["data-dir"][0] == "all"


def test_another_file_can_be_used(command: Command) -> None:
    """An option or a variable names it; a missing file is an error."""
    write_settings('data-dir = "elsewhere"', "other.toml")
    assert effective(command, "load", "--config", "other.toml")["data-dir"] == [
        "elsewhere",
        "file other.toml",
    ]
    env = {"GAUSSDB_TASKS_CONFIG": "other.toml"}
    assert effective(command, env=env)["data-dir"][0] == "elsewhere"
    assert command("load", "--config", "nowhere.toml").exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("horizont-days = 3", "did you mean 'horizon-days'?"),
        ("[load]\ndata_dri = 'x'", "did you mean 'data-dir'?"),
        ("[laod]\nfull = true", "did you mean 'load'?"),
        ("[status]\nhorizon-days = 3", "[status] has no option 'horizon-days'"),
        ("[load]\nfull = 'yes'", "full must be true or false"),
        ("[load]\numask = 63", "is not octal"),
        ("[load]\numask = 0o77", "is not octal"),
        ("[load]\numask = '0o77'", "write it like 077"),
        ("region = ['a', 'b']", "region takes one value"),
        ("data-dir = ", "cannot be read"),
        ("[load]\nhorizon-days = 4000", "--horizon-days"),
    ],
)
def test_a_wrong_key_or_value_is_an_error(command: Command, text: str, message: str) -> None:
    """The message suggests the most similar name; no key is ignored."""
    write_settings(text)
    run = command("load")
    assert run.exit_code == 2
    assert message in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (".", (), "change to another one"),
        ("locked", ("--data-dir", "locked"), "--data-dir"),
        ("locked", ("--data-dir", "locked/data"), "choose another with --data-dir"),
    ],
)
def test_a_directory_without_permission(
    command: Command, tmp_path: Path, name: str, arguments: tuple[str, ...], message: str
) -> None:
    """The current directory and the data directory must be readable."""
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    try:
        run = command("status", *arguments)
    finally:
        folder.chmod(0o700)
    assert run.exit_code == 2
    assert message in run.stderr


def test_the_umask_is_shown_as_it_is_written(command: Command) -> None:
    """In octal: 63 would be read as another mask."""
    assert effective(command)["umask"] == ["077", "default"]
    write_settings('umask = "027"')
    assert effective(command)["umask"] == ["027", "file gaussdb_tasks.toml"]
    assert effective(command, "load", "--umask", "2")["umask"] == ["002", "option"]


def test_marks_line_ends_and_blanks_of_the_file(command: Command) -> None:
    """They are stripped, as those of variables are."""
    write_settings('\ufeff[load]\r\ndata-dir = " kept\\r\\n"\r\nos-cloud = ["a ", "\ufeffb"]\r\n')
    found = effective(command, env={"GAUSSDB_TASKS_REGION": "eu-de\r"})
    assert found["data-dir"][0] == "kept"
    assert found["os-cloud"][0] == "a b"
    assert found["region"][0] == "eu-de"


def test_the_file_does_not_apply_to_the_demo(command: Command) -> None:
    """A demo never writes to the operator's data directory."""
    write_settings('data-dir = "/srv/gaussdb-tasks"')
    assert "--config" not in command("demo", "-h").stdout
    assert "data/demo" in command("demo", "-h").stdout
