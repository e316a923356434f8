"""A load upgrades the schema of an older database; every command refuses a newer one."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks import load as load_module
from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.findings import Fault
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import in_dependency_order
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import CheckFailedError
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import HOUR, MINUTE, iso, parse_time
from tests.support.commands import Command, token_env
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, job_id, record
from tests.support.golden_archive import GOLDEN
from tests.support.loads import rows

AT = parse_time("2026-08-25T02:00:00Z", option="night")
_MAKE_IT_OLD = (
    "drop table task_center.schema_version",
    "alter table task_center.load_runs drop column gone_rejects",
    "alter table task_center.load_runs drop column load_number",
    "alter table task_center.load_runs drop column archive_id",
    "alter table task_center.archive_acts drop column archive_id",
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


@pytest.fixture(scope="module")
def nameless_once(current: DataDir, tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """Copy that database, and take its schema back to version 2, which has no project names."""
    data_dir = DataDir(tmp_path_factory.mktemp("nameless") / "data")
    shutil.copytree(current.path, data_dir.path)
    views = in_dependency_order(view_files())
    with duckdb.connect(data_dir.database) as connection:
        for view in reversed(views):
            connection.execute(f"drop view {view.name}")
        connection.execute("alter table task_center.load_runs drop column project_name")
        connection.execute("update task_center.schema_version set version = 2")
        for view in views:
            without = re.sub(
                r"comment on column main\.\w+\.project_name is\n'[^']+';\n", "", view.text
            )
            without = re.sub(r"\n +(\w+\.|\w+\(.+ as )?(project|failed)_name,", "", without)
            connection.execute(without)
    return data_dir


@pytest.fixture
def nameless(nameless_once: DataDir, tmp_path: Path) -> DataDir:
    """Copy the database without project names."""
    return DataDir(Path(shutil.copytree(nameless_once.path, tmp_path / "data")))


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
    monkeypatch.setattr(load_module, "refuse_failed_checks", fail)
    assert command("load", "--now", iso(AT), env=region_env(emulator)).exit_code == 1
    assert old.database.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "--check"),
        ("query", "archive_status"),
        ("report", "report.html"),
        ("changes", "--since", "1"),
        ("evidence", job_id(4)),
        ("load", "--dry-run"),
    ],
    ids=" ".join,
)
def test_a_database_without_names_can_be_read(
    command: Command, emulator: Emulator, nameless: DataDir, arguments: tuple[str, ...]
) -> None:
    """Until a load upgrades it."""
    before = nameless.database.read_bytes()
    run = command(*arguments, env=region_env(emulator))
    assert run.exit_code == (3 if "--check" in arguments else 0), run.stdout + run.stderr
    assert nameless.database.read_bytes() == before


def test_all_rows_of_a_database_without_names_are_verified(nameless: DataDir) -> None:
    """Only the schema differs, until a load upgrades it; an edit is found as before."""
    found = verify(nameless, VerifyOptions()).findings
    assert {each.fault for each in found} == {Fault.DIFFERS, Fault.MISSING}
    assert {each.where for each in found if each.fault is Fault.MISSING} == {
        "task_center.load_runs"
    }
    with duckdb.connect(nameless.database) as connection:
        connection.execute("update task_center.load_runs set error = 'x'")
    assert "error" in {each.column for each in verify(nameless, VerifyOptions()).findings}


def test_a_load_adds_the_names(command: Command, emulator: Emulator, nameless: DataDir) -> None:
    env = {**region_env(emulator), "OS_PROJECT_ID": PROJECT, "OS_PROJECT_NAME": "eu-de_shop"}
    del env["GAUSSDB_TASKS_PROJECT_ID"]
    run = command("load", "--now", iso(AT), env=env)
    assert run.exit_code == 0, run.stderr
    assert f"schema was upgraded from version 2 to {SCHEMA_VERSION}" in run.stderr
    sql = "select project_id, project_name from archive_status order by all"
    assert rows(nameless.path, sql) == [(PROJECT, "eu-de_shop"), (OTHER_PROJECT, None)]
    assert verify(nameless, VerifyOptions()).findings == []


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
