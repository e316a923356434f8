"""A load upgrades the schema of an older database; every command refuses a newer one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks import load as load_module
from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import CheckFailedError
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import HOUR, MINUTE, iso, parse_time
from tests.support.commands import Command, token_env
from tests.support.emulator_client import PROJECT, record
from tests.support.golden_archive import GOLDEN
from tests.support.loads import rows

AT = parse_time("2026-08-25T02:00:00Z", option="night")
_MAKE_IT_OLD = (
    "drop table task_center.schema_version",
    "alter table task_center.load_runs drop column gone_rejects",
    "alter table task_center.load_runs drop column load_number",
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Serve a task center with one task."""
    listed = {PROJECT: [record(6, AT - HOUR, AT - MINUTE)]}
    with Emulator(FixedWorld(listed), clock=SettableClock(AT)) as served:
        yield served


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """Rebuild the golden archive's database with the current schema."""
    data_dir = DataDir(tmp_path_factory.mktemp("current"))
    shutil.copytree(GOLDEN, data_dir.archive)
    rebuild(data_dir)
    return data_dir


@pytest.fixture
def old(current: DataDir, tmp_path: Path) -> DataDir:
    """Copy that database, and take its schema back to version 1."""
    data_dir = DataDir(tmp_path / "data")
    shutil.copytree(current.path, data_dir.path)
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


@pytest.fixture
def newer(current: DataDir, tmp_path: Path) -> Path:
    """Copy that database, and give its schema a newer version."""
    data_dir = DataDir(tmp_path / "data")
    shutil.copytree(current.path, data_dir.path)
    with duckdb.connect(data_dir.database) as connection:
        connection.execute("update task_center.schema_version set version = version + 1")
    return data_dir.database


def numbers(data_dir: DataDir) -> list[tuple[object, ...]]:
    """Return the loads in the order of their numbers."""
    sql = "select distinct load_number, observed_at::text from task_center.load_runs order by 1"
    return rows(data_dir.path, sql)


def test_a_load_upgrades_an_old_database(
    command: Command, emulator: Emulator, old: DataDir, current: DataDir
) -> None:
    """It reports the upgrade, numbers the loads as before, and the archive verifies the result."""
    run = command("load", "--now", iso(AT), env=region_env(emulator))
    assert run.exit_code == 0, run.stderr
    assert f"schema was upgraded from version 1 to {SCHEMA_VERSION}" in run.stderr
    assert numbers(old)[:-1] == numbers(current)
    assert verify(old, VerifyOptions()).findings == []
    again = command("load", "--now", iso(AT + HOUR), env=region_env(emulator))
    assert again.exit_code == 0
    assert "upgraded" not in again.stderr


def test_a_load_that_fails_upgrades_nothing(
    command: Command, emulator: Emulator, old: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: object) -> None:
        message = "a check failed"
        raise CheckFailedError(message)

    before = old.database.read_bytes()
    monkeypatch.setattr(load_module, "_check_data", fail)
    assert command("load", "--now", iso(AT), env=region_env(emulator)).exit_code == 1
    assert old.database.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [("load",), ("status",), ("query", "tasks"), ("load", "--dry-run")]
)
def test_a_newer_database_is_refused(
    command: Command, emulator: Emulator, newer: Path, arguments: tuple[str, ...]
) -> None:
    before = newer.read_bytes()
    run = command(*arguments, env=token_env(emulator))
    assert run.exit_code == 2, run.stderr
    assert "written by a newer gaussdb-tasks" in run.stderr
    assert newer.read_bytes() == before
