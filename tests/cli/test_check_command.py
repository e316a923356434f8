"""``gaussdb-tasks check``: what would keep a load from working, and how to mend it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Behaviour, Emulator, FixedWorld, RealClock
from gaussdb_tasks.emulator.behaviour import OffsetUnit
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE
from tests.support.commands import Command, Run, token_env
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, record


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center at the machine's own clock, with two projects."""
    with Emulator(
        FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}), clock=RealClock()
    ) as served:
        yield served


def states(run: Run) -> dict[str, str]:
    """Map each part to its state."""
    return {each["part"]: each["state"] for each in json.loads(run.stdout)}


def test_all_is_well(command: Command, emulator: Emulator) -> None:
    """A set-up that works is ok in every part, and stays untouched."""
    run = command("check", "--format", "json", env=token_env(emulator))
    assert run.exit_code == 0
    assert set(states(run).values()) == {"ok"}
    assert {f"project {PROJECT}", f"project {OTHER_PROJECT}", "clock", "sign-in"} <= set(
        states(run)
    )
    assert len(emulator.calls) == 2
    assert list(Path.cwd().iterdir()) == []


def test_a_table_for_people(command: Command, emulator: Emulator) -> None:
    """By default the findings are a table."""
    run = command("check", env=token_env(emulator))
    assert "lists 0 tasks since" in run.stdout
    assert run.stdout.startswith("part")


def test_each_project_is_looked_at(command: Command, emulator: Emulator) -> None:
    """One project without permission does not hide the other."""
    emulator.forbidden_projects = [OTHER_PROJECT]
    with Emulator(emulator.world, forbidden_projects=[OTHER_PROJECT]) as served:
        run = command("check", "--format", "json", env=token_env(served))
    assert run.exit_code == 2
    assert states(run)[f"project {PROJECT}"] == "ok"
    assert states(run)[f"project {OTHER_PROJECT}"] == "wrong"
    assert "GaussDB ReadOnlyAccess" in run.stdout


def test_a_clock_that_is_off_is_a_warning(command: Command, emulator: Emulator) -> None:
    """The service's Date an hour ahead: a warning with the mend, not a failure."""
    with Emulator(emulator.world, date_skew=HOUR) as served:
        run = command("check", "--format", "json", env=token_env(served, PROJECT))
    assert run.exit_code == 0
    assert states(run)["clock"] == "warning"
    assert "NTP" in run.stdout


def test_no_credentials(command: Command) -> None:
    """The data directory is still looked at."""
    run = command("check", "--format", "json")
    assert run.exit_code == 2
    assert states(run)["sign-in"] == "wrong"
    assert states(run)["data directory"] == "ok"


def test_a_service_that_does_not_answer(command: Command, emulator: Emulator) -> None:
    """That is not the user's fault: exit 1."""
    env = {**token_env(emulator, PROJECT), "GAUSSDB_TASKS_ENDPOINT": "http://127.0.0.1:9"}
    run = command("check", "--format", "json", env=env)
    assert run.exit_code == 1
    assert states(run)[f"project {PROJECT}"] == "wrong"


def test_a_load_at_work_is_a_warning(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """A held lock is said; it is no failure."""
    env = token_env(emulator, PROJECT)
    command("load", env=env)
    with DataDir(tmp_path / "data").locked():
        run = command("check", "--format", "json", env=env)
    assert run.exit_code == 0
    assert states(run)["lock"] == "warning"


def test_a_bad_data_directory(command: Command, emulator: Emulator) -> None:
    """A path below a file is wrong, with the mend."""
    Path("file").touch()
    run = command("check", "--data-dir", "file/data", "--format", "json", env=token_env(emulator))
    assert run.exit_code == 2
    assert states(run)["data directory"] == "wrong"
    assert "--data-dir" in run.stdout


def test_it_tells_what_the_api_means(command: Command) -> None:
    """Two calls more: offset, count, order, what is running."""
    now = times.now()
    listed = [record(n, now - n * HOUR, now - n * HOUR + MINUTE) for n in range(1, 9)]
    units: dict[OffsetUnit, str] = {"records": "records from 0", "pages": "pages from 0"}
    for unit, told in units.items():
        behaviour = Behaviour(offset_unit=unit)
        world = FixedWorld({PROJECT: listed})
        with Emulator(world, clock=RealClock(), behaviour=behaviour) as served:
            run = command("check", "--format", "json", env=token_env(served))
            assert len(served.calls) == 3
        (meaning,) = (
            each["detail"]
            for each in json.loads(run.stdout)
            if each["part"] == "what the API means"
        )
        assert f"offset counts {told}" in meaning
        assert "newest first" in meaning
        assert "a list of what is running, without times, is given" in meaning


def test_a_service_that_wants_times_always_is_no_finding(command: Command) -> None:
    """A load does without the list that is refused; so nothing is wrong, and it is told."""
    now = times.now()
    listed = [record(n, now - n * HOUR, now - n * HOUR + MINUTE) for n in range(1, 9)]
    behaviour = Behaviour(required_bounds="always")
    with Emulator(FixedWorld({PROJECT: listed}), clock=RealClock(), behaviour=behaviour) as served:
        run = command("check", "--format", "json", env=token_env(served))
    assert run.exit_code == 0
    assert states(run)["what the API means"] == "ok"
    assert "without times, is refused" in run.stdout


def test_last_night_is_looked_at(command: Command, emulator: Emulator) -> None:
    """A project that failed is named, with what it said."""
    env = token_env(emulator)
    assert command("load", env=env).exit_code == 0
    assert states(command("check", "--format", "json", env=env))["last night"] == "ok"
    with Emulator(emulator.world, clock=RealClock(), forbidden_projects=[OTHER_PROJECT]) as served:
        assert command("load", env=token_env(served)).exit_code == 3
        run = command("check", "--format", "json", env=token_env(served))
    assert states(run)["last night"] == "warning"
    assert f"{OTHER_PROJECT} failed" in run.stdout


def test_the_file_system_is_tried(command: Command, emulator: Emulator) -> None:
    """Renaming over an open file, and nothing is left behind."""
    run = command("check", "--format", "json", env=token_env(emulator))
    assert states(run)["file system"] == "ok"
    assert states(run)["configuration"] == "ok"
    assert list(Path.cwd().iterdir()) == []
