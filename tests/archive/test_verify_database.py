"""Verify reports each change that SQL makes to the database: its load, task and column."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from gaussdb_tasks.archive.findings import Finding, Verification
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_database import FAST_CHECKS, FULL_CHECKS
from gaussdb_tasks.archive.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import ALL_TABLES, AMENDMENTS, SCHEMA_VERSIONS
from tests.support import IS_THOROUGH
from tests.support.commands import Command
from tests.support.equal_databases import everything
from tests.support.golden_archive import GOLDEN

FULL, FAST = VerifyOptions(), VerifyOptions(is_fast=True)
_OTHER_VALUE = {
    "text": "coalesce({0}, '') || 'x'",
    "json": "'[1]'::json",
    "bigint": "coalesce({0}, 0) + 1",
    "double": "coalesce({0}, 0) + 0.5",
    "bool": "not coalesce({0}, false)",
    "date": "{0} + 1",
    "timestamp": "coalesce({0}, timestamp '2026-01-01') + interval 1 microsecond",
}


class Opened(NamedTuple):
    """A writable copy of the database, and its archive."""

    connection: duckdb.DuckDBPyConnection
    archive: Archive

    @contextmanager
    def edited(self, statement: str) -> Iterator[None]:
        """Change the database inside a transaction, which is rolled back."""
        self.connection.execute("begin transaction")
        try:
            self.connection.execute(statement)
            yield
        finally:
            self.connection.execute("rollback")

    def findings(self, *, is_fast: bool = False) -> list[Finding]:
        """Run the checks of the database inside the transaction."""
        found: Verification = verify_archive(self.archive, FAST)
        for check in FAST_CHECKS if is_fast else FULL_CHECKS:
            check(self.connection, found)
        return found.findings


@pytest.fixture(scope="module")
def opened(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Open a copy of the loaded database once for all edits by SQL."""
    copy = tmp_path_factory.mktemp("opened") / "copy.duckdb"
    shutil.copy(DataDir(original).database, copy)
    with duckdb.connect(copy) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("use task_center")
        yield Opened(connection, Archive(DataDir(original).archive))


def edit(data_dir: DataDir, *statements: str) -> None:
    """Change the published database."""
    with duckdb.connect(data_dir.database) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(data_dir: DataDir, options: VerifyOptions = FULL) -> list[Finding]:
    """Verify, and return the findings."""
    return verify(data_dir, options).findings


def test_an_unchanged_database_has_no_findings(opened: Opened) -> None:
    """The checks themselves change nothing."""
    with opened.edited("select 1"):
        assert opened.findings() == []
        assert opened.findings(is_fast=True) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (table.name, column.name)
        for table in ALL_TABLES
        if table not in (AMENDMENTS, SCHEMA_VERSIONS)
        for column in table.columns
    ],
)
def test_an_edited_value(opened: Opened, table: str, column: str) -> None:
    """The finding names the table, and the column or the row."""
    declared = next(each for each in ALL_TABLES if each.name == table)
    data_type = next(each.data_type for each in declared.columns if each.name == column)
    statement = (
        f"update {table} set {column} = {_OTHER_VALUE[data_type].format(column)} "
        f"where rowid = (select max(rowid) from {table})"
    )
    with opened.edited(statement):
        found = [each for each in opened.findings() if each.where == f"task_center.{table}"]
    assert found
    assert {each.fault.value for each in found} <= {"differs"}
    assert any(
        each.column == column or "row is missing" in each.detail or each.column is None
        for each in found
    )
    if column not in {"region", "project_id", "archive_sequence", *declared.primary_key}:
        assert column in {each.column for each in found}


def test_another_schema_version(data_dir: DataDir) -> None:
    """A lower one would make the next load upgrade again; a higher one is refused."""
    edit(data_dir, "update task_center.schema_version set version = 1")
    assert {each.where for each in findings(data_dir)} == {"task_center.schema_version"}
    edit(data_dir, "update task_center.schema_version set version = 99")
    assert any("newer gaussdb-tasks" in each.detail for each in findings(data_dir))


def test_the_report_of_an_edit(data_dir: DataDir, command: Command) -> None:
    """It names the load, the task, the column, the present and the expected value."""
    edit(
        data_dir,
        "update task_center.task_versions set fail_reason = 'nothing' where status = 'Failed'",
    )
    run = command("verify", "--data-dir", data_dir.path, "--format", "json")
    assert run.exit_code == 1
    for part in (
        "000002-20260319T120000Z-load",
        "job_id=00000000-0000-4000-8000-000000000004",
        '"column": "fail_reason"',
        "it is 'nothing'; expected: 'disk full'",
    ):
        assert part in run.stdout
    assert "MISMATCH: 2 findings" in run.last_line


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
        ("alter table tasks add column verdict varchar", "tasks", True),
        ("create table verdicts (v int)", "verdicts", True),
        ("update load_runs set head_digest = repeat('0', 64) where load_number = 2", "load_runs",
         True),
        ("update load_runs set head_digest = null where load_number = 5", "load_runs", True),
    ],
)  # fmt: skip
def test_sql_that_no_load_runs(
    opened: Opened, statement: str, table: str, *, is_counted: bool
) -> None:
    """The full level reports the table; the fast level does if a count or a digest differs."""
    where = f"task_center.{table}"
    with opened.edited(statement):
        assert where in {each.where for each in opened.findings()}
        assert (where in {each.where for each in opened.findings(is_fast=True)}) == is_counted


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("drop table rejected_records", "rejected_records"),
        ("alter table tasks drop column fail_reason", "tasks"),
        ("alter table tasks alter fail_reason type blob", "tasks"),
    ],
)
def test_a_table_that_checks_cannot_read(data_dir: DataDir, statement: str, table: str) -> None:
    """Both levels report it, and run the other checks."""
    edit(data_dir, "use task_center", statement, "delete from coverage where rowid = 0")
    for options in (FULL, FAST):
        found = {each.where for each in findings(data_dir, options)}
        assert {f"task_center.{table}", "task_center.coverage"} <= found


def test_rows_in_another_order(opened: Opened) -> None:
    """They are not reported as edited."""
    with opened.edited(
        "create or replace table task_versions as "
        "from task_versions order by created_at, job_id desc"
    ):
        details = {each.detail for each in opened.findings()}
    assert "rows of this load are duplicated, or are in another order" in details


@pytest.mark.parametrize(
    ("statement", "view"),
    [
        ("create or replace view main.tasks as select * from task_center.tasks", "main.tasks"),
        ("drop view main.failure_reasons", "main.failure_reasons"),
    ],
)
def test_changed_views(opened: Opened, statement: str, view: str) -> None:
    """A view of a load that was changed is reported; a user's own view is not."""
    with opened.edited(f"create view main.my_own as select 1; {statement}"):
        assert view in {each.where for each in opened.findings()}
    with opened.edited("create view main.my_own as select 1"):
        assert opened.findings() == []


def test_the_database_of_another_archive(data_dir: DataDir) -> None:
    """It is reported, although archive and database are each in order."""
    shutil.rmtree(data_dir.archive)
    shutil.copytree(GOLDEN, data_dir.archive)
    assert verify_archive(Archive(data_dir.archive), FULL).is_intact
    assert {"differs"} <= {each.fault.value for each in findings(data_dir, FAST)}


def test_a_database_that_lacks_an_entry(opened: Opened) -> None:
    """The finding says what adds it."""
    with opened.edited("delete from load_runs where load_number = 5"):
        details = {each.detail for each in opened.findings(is_fast=True)}
    assert "the database lacks this entry; the next load adds it" in details


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_a_file_that_is_not_a_database(data_dir: DataDir, content: bytes) -> None:
    """It is reported beside the faults of the archive."""
    data_dir.database.write_bytes(content)
    (Archive(data_dir.archive).entries()[0].path / "coverage.parquet").unlink()
    found = {(each.fault.value, each.where) for each in findings(data_dir)}
    missing = ("missing", "000001-20260318T120000Z-load/coverage.parquet")
    assert missing in found
    assert found - {missing}  # DuckDB 2 takes an empty file for an empty database
    if content:
        assert ("invalid", data_dir.database.name) in found


def test_a_truncated_database(data_dir: DataDir) -> None:
    """Checks that can read it run; the others are findings, not errors."""
    content = data_dir.database.read_bytes()
    data_dir.database.write_bytes(content[: len(content) // 2])
    assert "invalid" in {each.fault.value for each in findings(data_dir)}


def test_flipped_bits_of_the_database(data_dir: DataDir, original: Path) -> None:
    """Each is found, or changes nothing that can be read: free blocks hold nothing."""
    content = data_dir.database.read_bytes()
    random_numbers = random.Random(5)  # noqa: S311 - not a secret
    before = everything(DataDir(original).database)
    found = 0
    for _ in range(100 if IS_THOROUGH else 5):
        place = random_numbers.randrange(len(content))
        changed = bytearray(content)
        changed[place] ^= 1 << random_numbers.randrange(8)
        data_dir.database.write_bytes(changed)
        if findings(data_dir):
            found += 1
        else:
            assert everything(data_dir.database) == before, place
    assert found
