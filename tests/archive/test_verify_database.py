"""Whatever is done to the database by SQL is found: which night, which task, which column."""

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.findings import Finding
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import ALL_TABLES, ARCHIVE_ACTS, SCHEMA_VERSIONS
from tests.support.commands import Command
from tests.support.equal_databases import everything

FULL, FAST = Demands(), Demands(is_fast=True)
_OTHER_VALUE = {
    "text": "coalesce({0}, '') || 'x'",
    "json": "'[1]'::json",
    "bigint": "coalesce({0}, 0) + 1",
    "double": "coalesce({0}, 0) + 0.5",
    "bool": "not coalesce({0}, false)",
    "date": "{0} + 1",
    "timestamp": "coalesce({0}, timestamp '2026-01-01') + interval 1 microsecond",
}


def edited(data_dir: DataDir, *statements: str) -> None:
    """Do to the database what no load does."""
    with duckdb.connect(data_dir.database) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(data_dir: DataDir, demands: Demands = FULL) -> list[Finding]:
    """Verify, and return what was found."""
    return verify(data_dir, demands).findings


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (table.name, column.name)
        for table in ALL_TABLES
        if table not in (ARCHIVE_ACTS, SCHEMA_VERSIONS)
        for column in table.columns
    ],
)
def test_an_edited_value(data_dir: DataDir, table: str, column: str) -> None:
    """Any column of any row: the table is named, and the column or the row that it tells apart."""
    declared = next(each for each in ALL_TABLES if each.name == table)
    data_type = next(each.data_type for each in declared.columns if each.name == column)
    edited(
        data_dir,
        f"update task_center.{table} set {column} = {_OTHER_VALUE[data_type].format(column)} "
        f"where rowid = (select max(rowid) from task_center.{table})",
    )
    found = [each for each in findings(data_dir) if each.where == f"task_center.{table}"]
    assert found
    assert {each.fault.value for each in found} <= {"differs"}
    assert any(
        each.column == column or "row is missing" in each.detail or each.column is None
        for each in found
    )
    if column not in {"region", "project_id", "archive_sequence", *declared.primary_key}:
        assert column in {each.column for each in found}


def test_another_schema_version(data_dir: DataDir) -> None:
    """Lowered, it would have the next load upgrade what needs no upgrade; raised, it is refused."""
    edited(data_dir, "update task_center.schema_version set version = 1")
    assert {each.where for each in findings(data_dir)} == {"task_center.schema_version"}
    edited(data_dir, "update task_center.schema_version set version = 99")
    assert any("newer gaussdb-tasks" in each.detail for each in findings(data_dir))


def test_what_is_told_of_an_edit(data_dir: DataDir, command: Command) -> None:
    """The night, the task, the column, what it is and what it was."""
    edited(
        data_dir,
        "update task_center.task_versions set fail_reason = 'nothing' where status = 'Failed'",
    )
    run = command("verify", "--data-dir", data_dir.path, "--format", "json")
    assert run.exit_code == 1
    for part in (
        "000002-20260319T120000Z-load",
        "job_id=00000000-0000-4000-8000-000000000004",
        '"column": "fail_reason"',
        "it is 'nothing', and was 'disk full'",
    ):
        assert part in run.stdout


@pytest.mark.parametrize(
    ("statement", "table", "is_counted"),
    [
        ("delete from task_versions where rowid = 2", "task_versions", True),
        ("delete from tasks where rowid = 2", "tasks", True),
        ("delete from coverage where rowid = 0", "coverage", True),
        ("delete from load_runs where load_number = 3", "load_runs", True),
        ("delete from rejected_records", "rejected_records", True),
        ("delete from vanished_tasks", "vanished_tasks", True),
        ("delete from task_types where task_name like 'Create%'", "task_types", True),
        ("insert into task_versions from task_versions limit 1", "task_versions", True),
        ("insert into coverage from coverage limit 1", "coverage", True),
        ("insert into tasks by name select * replace ('x' as job_id) from tasks limit 1", "tasks",
         True),
        ("insert into vanished_tasks by name select * replace ('x' as job_id) from vanished_tasks",
         "vanished_tasks", True),
        ("update task_versions set version = 3 - version where job_id like '%4'",
         "task_versions", False),
        ("update tasks set status = 'Completed', fail_reason = null where status = 'Failed'",
         "tasks", False),
        ("update task_versions set _dlt_load_id = (select max(_dlt_load_id) from load_runs)",
         "task_versions", True),
        ("update task_versions set _dlt_load_id = 'x' where rowid = 1", "task_versions", True),
        ("create or replace table task_versions as from task_versions order by job_id desc",
         "task_versions", False),
        ("create or replace table coverage as from coverage order by observed_at desc",
         "coverage", False),
        ("delete from task_versions", "task_versions", True),
        ("drop table rejected_records", "rejected_records", True),
        ("alter table tasks add column verdict varchar", "tasks", True),
        ("alter table tasks drop column fail_reason", "tasks", True),
        ("alter table tasks alter fail_reason type blob", "tasks", True),
        ("create table verdicts (v int)", "verdicts", True),
        ("update load_runs set head_digest = repeat('0', 64) where load_number = 2", "load_runs",
         True),
        ("update load_runs set head_digest = null where load_number = 5", "load_runs", True),
    ],
)  # fmt: skip
def test_sql_that_no_load_runs(
    data_dir: DataDir, statement: str, table: str, *, is_counted: bool
) -> None:
    """The full level names the table; the fast one does where counts tell."""
    edited(data_dir, "use task_center", statement)
    where = f"task_center.{table}"
    assert where in {each.where for each in findings(data_dir)}
    assert (where in {each.where for each in findings(data_dir, FAST)}) == is_counted


def test_other_order_is_told_as_such(data_dir: DataDir) -> None:
    """Rows that only lie in another order are not called edited."""
    edited(
        data_dir,
        "create or replace table task_center.task_versions as "
        "from task_center.task_versions order by created_at, job_id desc",
    )
    details = {each.detail for each in findings(data_dir)}
    assert "rows of this load are duplicated, or are in another order" in details


@pytest.mark.parametrize(
    "statement",
    [
        "create or replace view main.tasks as select * from task_center.tasks",
        "drop view main.failure_reasons",
    ],
)
def test_views_that_are_not_ours(data_dir: DataDir, statement: str) -> None:
    """A view that says something else than a load's is named; a user's own view is none of ours."""
    edited(data_dir, "create view main.my_own as select 1")
    assert findings(data_dir) == []
    edited(data_dir, statement)
    assert {each.where for each in findings(data_dir)} & {"main.tasks", "main.failure_reasons"}


def test_the_database_of_another_archive(data_dir: DataDir, tmp_path: Path) -> None:
    """It is not taken for this one's, although both are in order."""
    from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock  # noqa: PLC0415
    from tests.support.emulator_client import NOW, PROJECT, record  # noqa: PLC0415
    from tests.support.loads import load  # noqa: PLC0415

    world = FixedWorld({PROJECT: [record(1)]})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        load(emulator, tmp_path / "other", NOW)
    shutil.copy(tmp_path / "other" / "gaussdb_tasks.duckdb", data_dir.database)
    assert {"differs"} <= {each.fault.value for each in findings(data_dir, FAST)}


def test_a_database_that_lags(data_dir: DataDir) -> None:
    """An entry that it lacks is told, with what brings it in."""
    edited(
        data_dir,
        "delete from task_center.load_runs where load_number = 5",
    )
    details = {each.detail for each in findings(data_dir, FAST)}
    assert "the database lacks this entry; the next load adds it" in details


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_a_file_that_is_no_database(data_dir: DataDir, content: bytes) -> None:
    """It is a finding beside those of the archive."""
    data_dir.database.write_bytes(content)
    (Archive(data_dir.archive).entries()[0].path / "coverage.parquet").unlink()
    assert {each.fault.value for each in findings(data_dir)} >= {"missing", "invalid"} - (
        {"invalid"} if not content else set()
    )


def test_a_truncated_database(data_dir: DataDir) -> None:
    """What can still be read is read, what cannot is said; no traceback."""
    content = data_dir.database.read_bytes()
    data_dir.database.write_bytes(content[: len(content) // 2])
    assert "invalid" in {each.fault.value for each in findings(data_dir)}


def test_flipped_bits_of_the_database(data_dir: DataDir, original: Path) -> None:
    """Each is found, or changes nothing that can be read: free blocks hold nothing."""
    content = data_dir.database.read_bytes()
    dice = random.Random(5)  # noqa: S311 - not a secret
    before = everything(DataDir(original).database)
    found = 0
    for _ in range(15):
        place = dice.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << dice.randrange(8)
        data_dir.database.write_bytes(changed)
        if findings(data_dir):
            found += 1
        else:
            assert everything(data_dir.database) == before, place
    assert found
