"""``gaussdb-tasks check``: problems that would prevent a load, and their remedies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Account, Behaviour, Emulator, FixedWorld, RealClock
from gaussdb_tasks.emulator.behaviour import OffsetUnit
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE
from tests.support.commands import Command, Run, password_env, token_env
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, record


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with two projects and the clock of the machine."""
    with Emulator(
        FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}), clock=RealClock()
    ) as served:
        yield served


def states(run: Run) -> dict[str, str]:
    """Map each part to its state."""
    return {each["part"]: each["state"] for each in json.loads(run.stdout)}


def test_working_setup(command: Command, emulator: Emulator) -> None:
    """A set-up that works is ok in every part, and nothing is changed."""
    run = command("check", "--format", "json", env=token_env(emulator))
    assert run.exit_code == 0
    assert set(states(run).values()) == {"ok"}
    assert {f"project {PROJECT}", f"project {OTHER_PROJECT}", "clock", "sign-in"} <= set(
        states(run)
    )
    assert len(emulator.calls) == 2
    assert list(Path.cwd().iterdir()) == []


def test_table(command: Command, emulator: Emulator) -> None:
    """By default the output is a table."""
    run = command("check", env=token_env(emulator))
    assert "lists 0 tasks since" in run.stdout
    assert run.stdout.startswith("part")


def test_project_without_permission(command: Command, emulator: Emulator) -> None:
    """Every project is checked, also beside one without permission."""
    emulator.forbidden_projects = [OTHER_PROJECT]
    with Emulator(emulator.world, forbidden_projects=[OTHER_PROJECT]) as served:
        run = command("check", "--format", "json", env=token_env(served))
    assert run.exit_code == 2
    assert states(run)[f"project {PROJECT}"] == "ok"
    assert states(run)[f"project {OTHER_PROJECT}"] == "wrong"
    assert "GaussDB ReadOnlyAccess" in run.stdout


def test_clock_difference(command: Command, emulator: Emulator) -> None:
    """A clock difference of an hour is a warning with its remedy, not a failure."""
    with Emulator(emulator.world, date_skew=HOUR) as served:
        run = command("check", "--format", "json", env=token_env(served, PROJECT))
    assert run.exit_code == 0
    assert states(run)["clock"] == "warning"
    assert "NTP" in run.stdout


def test_no_credentials(command: Command) -> None:
    """Without credentials the data directory is still checked."""
    run = command("check", "--format", "json")
    assert run.exit_code == 2
    assert states(run)["sign-in"] == "wrong"
    assert states(run)["data directory"] == "ok"


def test_unreachable_service(command: Command, emulator: Emulator) -> None:
    """A service that does not answer gives exit code 1."""
    env = {**token_env(emulator, PROJECT), "GAUSSDB_TASKS_ENDPOINT": "http://127.0.0.1:9"}
    run = command("check", "--format", "json", env=env)
    assert run.exit_code == 1
    assert states(run)[f"project {PROJECT}"] == "wrong"


def test_running_load(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """A lock that is held is a warning, not a failure."""
    env = token_env(emulator, PROJECT)
    command("load", env=env)
    with DataDir(tmp_path / "data").locked():
        run = command("check", "--format", "json", env=env)
    assert run.exit_code == 0
    assert states(run)["lock"] == "warning"


def test_invalid_data_directory(command: Command, emulator: Emulator) -> None:
    """A path below a file is wrong; the message names the option."""
    Path("file").touch()
    run = command("check", "--data-dir", "file/data", "--format", "json", env=token_env(emulator))
    assert run.exit_code == 2
    assert states(run)["data directory"] == "wrong"
    assert "--data-dir" in run.stdout


def test_probe(command: Command) -> None:
    """Two more calls find out the meaning of offset and count, the order, and a status query."""
    now = times.now()
    listed = [record(n, now - n * HOUR, now - n * HOUR + MINUTE) for n in range(1, 9)]
    units: dict[OffsetUnit, str] = {"records": "records from 0", "pages": "pages from 0"}
    for unit, meaning in units.items():
        behaviour = Behaviour(offset_unit=unit)
        world = FixedWorld({PROJECT: listed})
        with Emulator(world, clock=RealClock(), behaviour=behaviour) as served:
            run = command("check", "--format", "json", env=token_env(served))
            assert len(served.calls) == 3
        (detail,) = (
            each["detail"]
            for each in json.loads(run.stdout)
            if each["part"] == "what the API means"
        )
        assert f"offset counts {meaning}" in detail
        assert "newest first" in detail
        assert "a list of running tasks without times is accepted" in detail


def test_list_without_times_is_refused(command: Command) -> None:
    """A refused list without times is reported as ok: no load needs it."""
    now = times.now()
    listed = [record(n, now - n * HOUR, now - n * HOUR + MINUTE) for n in range(1, 9)]
    behaviour = Behaviour(required_bounds="always")
    with Emulator(FixedWorld({PROJECT: listed}), clock=RealClock(), behaviour=behaviour) as served:
        run = command("check", "--format", "json", env=token_env(served))
    assert run.exit_code == 0
    assert states(run)["what the API means"] == "ok"
    assert "without times is refused" in run.stdout


def test_last_load(command: Command, emulator: Emulator) -> None:
    """A project that failed in the last load is named."""
    env = token_env(emulator)
    assert command("load", env=env).exit_code == 0
    assert states(command("check", "--format", "json", env=env))["last night"] == "ok"
    with Emulator(emulator.world, clock=RealClock(), forbidden_projects=[OTHER_PROJECT]) as served:
        assert command("load", env=token_env(served)).exit_code == 3
        run = command("check", "--format", "json", env=token_env(served))
    assert states(run)["last night"] == "warning"
    assert f"{OTHER_PROJECT} failed" in run.stdout


def test_file_system(command: Command, emulator: Emulator) -> None:
    """The check renames a file over an open one, and removes both."""
    run = command("check", "--format", "json", env=token_env(emulator))
    assert states(run)["file system"] == "ok"
    assert states(run)["configuration"] == "ok"
    assert list(Path.cwd().iterdir()) == []


ACCOUNT = Account(user="ada", password="open sesame", domain="OTC0815")


def user_env(served: Emulator, password: str) -> dict[str, str]:
    """Return the environment of a user who signs in with a password."""
    return password_env(
        served,
        ACCOUNT,
        OS_PASSWORD=password,
        OS_PROJECT_ID=PROJECT,
        GAUSSDB_TASKS_ENDPOINT=served.endpoint,
    )


@pytest.mark.parametrize(
    ("password", "state", "exit_code"), [("open sesame", "ok", 0), ("open barley", "wrong", 2)]
)
def test_sign_in_is_tried(
    command: Command, emulator: Emulator, password: str, state: str, exit_code: int
) -> None:
    """A wrong password is wrong in the line of the sign-in, and no project is asked."""
    with Emulator(emulator.world, clock=RealClock(), account=ACCOUNT) as served:
        run = command("check", "--format", "json", env=user_env(served, password))
    assert run.exit_code == exit_code
    assert states(run)["sign-in"] == state
    assert (f"project {PROJECT}" in states(run)) is (state == "ok")
    assert "open barley" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    "secrets",
    [
        {"OS_TOKEN": "a-token-that-was-never-issued"},
        {"OS_ACCESS_KEY": "AK0123456789", "OS_SECRET_KEY": "a-secret-key"},
    ],
)
def test_a_refused_token_or_key_is_a_wrong_sign_in(
    command: Command, emulator: Emulator, secrets: dict[str, str]
) -> None:
    """They need no sign-in, so the first page shows whether they are accepted."""
    env = {**token_env(emulator, PROJECT), "OS_TOKEN": "", "OS_REGION_NAME": "eu-de", **secrets}
    run = command("check", "--format", "json", env=env)
    assert run.exit_code == 2
    assert states(run)["sign-in"] == "wrong"


def test_sign_in_without_an_answer(command: Command, emulator: Emulator) -> None:
    """A token of which no server has heard is neither ok nor wrong."""
    env = {**token_env(emulator, PROJECT), "GAUSSDB_TASKS_ENDPOINT": "http://127.0.0.1:9"}
    assert states(command("check", "--format", "json", env=env))["sign-in"] == "warning"


def test_mistyped_region(command: Command) -> None:
    """The known regions are shown, the similar one first."""
    env = {"OS_TOKEN": "some-token", "OS_PROJECT_ID": PROJECT}
    run = command("check", "--region", "eu-dd", "--format", "json", env=env)
    assert run.exit_code == 2
    assert states(run)["sign-in"] == "wrong"
    assert "the known regions: eu-de, " in run.stdout
