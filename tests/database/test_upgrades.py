"""Databases of other versions: older ones are upgraded by a night, newer ones refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import DiesAfter, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import HOUR, MINUTE, iso, parse_instant
from tests.support.commands import Command, token_env
from tests.support.emulator_client import PROJECT, record
from tests.support.golden_archive import GOLDEN
from tests.support.loads import rows

AT = parse_instant("2026-08-25T02:00:00Z", option="night")
_MAKE_IT_OLD = (
    "drop table task_center.schema_version",
    "alter table task_center.load_runs drop column gone_rejects",
    "alter table task_center.load_runs drop column load_number",
)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with a task of that night."""
    listed = {PROJECT: [record(6, AT - HOUR, AT - MINUTE)]}
    with Emulator(FixedWorld(listed), clock=SettableClock(AT)) as served:
        yield served


@pytest.fixture
def old(tmp_path: Path) -> DataDir:
    """The golden archive's database, as the first version of the schema had it."""
    shutil.copytree(GOLDEN, tmp_path / "data" / "archive")
    data_dir = DataDir(tmp_path / "data")
    rebuild(data_dir)
    with duckdb.connect(data_dir.database) as connection:
        views = connection.execute(
            "select view_name from duckdb_views() where schema_name = 'main' and not internal"
        ).fetchall()
        for (name,) in views:
            connection.execute(f"drop view {name}")
        for statement in _MAKE_IT_OLD:
            connection.execute(statement)
    return data_dir


def region_env(emulator: Emulator) -> dict[str, str]:
    """Set the environment of a user with a token, in the golden archive's region."""
    return {**token_env(emulator), "GAUSSDB_TASKS_REGION": "eu-de"}


def numbers(data_dir: DataDir) -> list[tuple[object, ...]]:
    """Return the loads in the order of their numbers."""
    sql = "select distinct load_number, observed_at::text from task_center.load_runs order by 1"
    return rows(data_dir.path, sql)


def test_a_night_upgrades_an_old_database(
    command: Command, emulator: Emulator, old: DataDir, tmp_path: Path
) -> None:
    """It says so, its loads are numbered as they were, and the archive vouches for the whole."""
    shutil.copytree(GOLDEN, tmp_path / "other" / "archive")
    rebuild(DataDir(tmp_path / "other"))
    run = command("load", "--now", iso(AT), env=region_env(emulator))
    assert run.exit_code == 0, run.stderr
    assert f"upgraded from version 1 of its schema to {SCHEMA_VERSION}" in run.stderr
    assert numbers(old)[:-1] == numbers(DataDir(tmp_path / "other"))
    assert verify(old, Demands()).findings == []
    again = command("load", "--now", iso(AT + HOUR), env=region_env(emulator))
    assert again.exit_code == 0
    assert "upgraded" not in again.stderr


def test_a_night_that_fails_upgrades_nothing(
    command: Command, emulator: Emulator, old: DataDir
) -> None:
    """The upgrade is part of the night's transaction."""
    before = old.database.read_bytes()
    with Emulator(emulator.world, faults=[DiesAfter(1)], clock=emulator.clock) as dying:
        assert command("load", "--now", iso(AT), env=region_env(dying)).exit_code != 0
    assert old.database.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [("load",), ("status",), ("query", "tasks"), ("load", "--dry-run")]
)
def test_a_newer_database_is_refused(
    command: Command, emulator: Emulator, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """With a sentence that says what to do; not a byte of it is changed."""
    env = token_env(emulator)
    command("load", "--now", iso(AT), env=env)
    database = tmp_path / "data" / "gaussdb_tasks.duckdb"
    with duckdb.connect(database) as connection:
        connection.execute("update task_center.schema_version set version = version + 1")
    before = database.read_bytes()
    run = command(*arguments, env=env)
    assert run.exit_code == 2, run.stderr
    assert "written by a newer gaussdb-tasks" in run.stderr
    assert database.read_bytes() == before
