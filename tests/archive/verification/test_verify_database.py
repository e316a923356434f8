"""Verify reports each change that SQL makes to the database: its load, task and column."""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec
import pytest

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import parquet_sql
from gaussdb_tasks.archive.canonical import digest_rows
from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.verification.findings import Finding, Verification
from gaussdb_tasks.archive.verification.row_comparison import compare_rows
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_catalog import verify_catalog
from gaussdb_tasks.archive.verification.verify_database import FAST_CHECKS, FULL_CHECKS, Check
from gaussdb_tasks.archive.verification.verify_derived import stored
from gaussdb_tasks.archive.verification.verify_files import verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    AMENDMENTS,
    LOAD_RUNS,
    SCHEMA_VERSIONS,
    TASKS,
    Column,
    Table,
    stored_columns,
)
from tests.support import IS_THOROUGH
from tests.support.attached_copy import attached_copy, edited
from tests.support.commands import Command
from tests.support.equal_databases import everything
from tests.support.golden_archive import GOLDEN
from tests.support.verified_database import FAST, FULL, OTHER_VALUE, edit, findings

_ROW_CHECKS = tuple(check for check in FULL_CHECKS if check is not verify_catalog)
# An edit of such a column makes it another row, or a row of another load.
_WHOLE_ROW = {"region", "project_id", "archive_sequence", "_dlt_load_id"}


class Opened(NamedTuple):
    """A copy of the database, attached for reading and writing, and its archive."""

    connection: duckdb.DuckDBPyConnection
    chain: list[ChainEntry]

    @contextmanager
    def edited(self, *statements: str) -> Iterator[None]:
        """Change the database inside a transaction, which is rolled back."""
        with edited(self.connection, *statements):
            yield

    def findings(self, checks: Sequence[Check] = FULL_CHECKS) -> list[Finding]:
        """Run checks of the database inside the transaction."""
        found = Verification(chain=list(self.chain))
        for check in checks:
            check(self.connection, found)
        return found.findings


@pytest.fixture(scope="module")
def amended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Open the database of an archive with amendments."""
    data_dir = DataDir(tmp_path_factory.mktemp("amended"))
    shutil.copytree(GOLDEN, data_dir.archive)
    rebuild(data_dir)
    with attached_copy(data_dir.database) as connection:
        yield Opened(connection, verify_archive(Archive(data_dir.archive), FAST).chain)


@pytest.fixture(scope="module")
def opened(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Open a copy of the loaded database once for all edits by SQL."""
    copy = tmp_path_factory.mktemp("opened") / "copy.duckdb"
    shutil.copy(DataDir(original).database, copy)
    with attached_copy(copy) as connection:
        yield Opened(connection, verify_archive(Archive(DataDir(original).archive), FAST).chain)


def test_an_unchanged_database_has_no_findings(opened: Opened, amended: Opened) -> None:
    """The checks themselves change nothing."""
    for database in (opened, amended):
        with database.edited():
            assert database.findings() == []
            assert database.findings(FAST_CHECKS) == []


# Latest states follow from the versions in the database, so these are not edited together.
_BATCHES = (
    [table for table in ALL_TABLES if table not in (TASKS, AMENDMENTS)],
    [TASKS],
    [AMENDMENTS],
)
_BATCH_NAMES = ("loaded", "tasks", "amendments")
_PLACES = [
    pytest.param(batch, place, id=f"{name}-{place}")
    for name, batch in zip(_BATCH_NAMES, _BATCHES, strict=True)
    for place in range(max(len(stored_columns(table)) for table in batch))
]


def database_of(batch: Sequence[Table], opened: Opened, amended: Opened) -> Opened:
    """Return a database that has rows of the tables."""
    return amended if AMENDMENTS in batch else opened


def last_row(table: Table) -> str:
    """Select one row of a table."""
    return f"rowid = (select max(rowid) from {table.name})"


def found_after(
    database: Opened, edits: Sequence[tuple[Table, Column, str]]
) -> dict[str, list[Finding]]:
    """Edit one value in each table, and return the findings by table."""
    statements = (
        f"update {table.name} set {column.name} = {value} where {last_row(table)}"
        for table, column, value in edits
    )
    with database.edited(*statements):
        # The schema's version is checked with the catalog.
        is_with_catalog = any(table is SCHEMA_VERSIONS for table, _, _ in edits)
        findings = database.findings(FULL_CHECKS if is_with_catalog else _ROW_CHECKS)
    return {
        table.name: [each for each in findings if each.where == f"task_center.{table.name}"]
        for table, _, _ in edits
    }


@pytest.mark.parametrize(("batch", "place"), _PLACES)
def test_an_edited_value(
    opened: Opened, amended: Opened, batch: Sequence[Table], place: int
) -> None:
    """Each column of each table: the finding names the table, and the column or the row."""
    edits = [
        (table, columns[place], OTHER_VALUE[columns[place].data_type].format(columns[place].name))
        for table in batch
        if place < len(columns := stored_columns(table))
    ]
    found = found_after(database_of(batch, opened, amended), edits)
    for table, column, _ in edits:
        findings = found[table.name]
        assert findings, (table.name, column.name)
        assert {each.fault.value for each in findings} <= {"differs", "extra"}
        if column.name not in {*_WHOLE_ROW, *table.primary_key}:
            assert column.name in {each.column for each in findings}


@pytest.mark.parametrize(("batch", "place"), _PLACES)
def test_a_value_set_to_null(
    opened: Opened, amended: Opened, batch: Sequence[Table], place: int
) -> None:
    """It is found, as is a value in place of a null."""
    edits = []
    for table in batch:
        nullable = [column for column in stored_columns(table) if column.nullable]
        for column in nullable[place : place + 1]:
            other = OTHER_VALUE[column.data_type].format(column.name)
            edits.append((table, column, f"case when {column.name} is null then {other} end"))
    found = found_after(database_of(batch, opened, amended), edits) if edits else {}
    assert all(found.values()), found


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("progress_percent", "0.0", "-0.0"),
        ("progress_percent", "0.0", "'nan'"),
        ("progress_percent", "null", "'nan'"),
        ("progress_percent", "'inf'", "'-inf'"),
        ("progress_percent", "0.1", "0.1::double + 1e-17::double + 1.4e-17::double"),
        ("ended_at", "null", "'infinity'"),
        ("ended_at", "null", "'-infinity'"),
        ("ended_at", "'9999-12-31 23:59:59.999999'", "'infinity'"),
        ("ended_at", "'infinity'", "make_timestamp(-9223372036854775807 - 1)"),
        ("last_seen_at", "'-infinity'", "'infinity'"),
        ("created_date", "'infinity'", "'9999-12-31'"),
        ("created_date", "'-infinity'", "'infinity'"),
        ("fail_reason", "null", "''"),
        ("fail_reason", "'a'", "'a' || chr(0)"),
        ("extra", "null", "'null'::json"),
        ("extra", "'{\"a\":1}'::json", "'{\"a\": 1}'::json"),
    ],
)
def test_values_that_look_alike(opened: Opened, column: str, before: str, after: str) -> None:
    """Latest states are compared value by value: what DuckDB takes for equal differs, too."""
    columns = ", ".join(each.name for each in stored_columns(TASKS))
    table = stored(TASKS)
    with opened.edited():
        row = f"select {columns} from task_center.tasks limit 1"
        sides = [
            f"select * replace ({value}::{_type_of(column)} as {column}) from ({row})"
            for value in (before, after)
        ]
        for expected, actual in (sides, sides[::-1]):
            found = Verification()
            count = compare_rows(opened.connection, found, table, expected=expected, actual=actual)
            assert (count, [each.column for each in found.findings]) == (1, [column])
            same = Verification()
            assert not compare_rows(opened.connection, same, table, expected=actual, actual=actual)


def _type_of(column: str) -> str:
    return next(each.sql_type for each in TASKS.columns if each.name == column)


@pytest.mark.parametrize("batch", _BATCHES, ids=_BATCH_NAMES)
@pytest.mark.parametrize(
    "statements",
    [
        ["delete from {0} where {1}"],
        ["insert into {0} from {0} where {1}"],
        [
            "insert into {0} from {0} where {1}",
            "insert into {0} from {0} where {1}",
            "delete from {0} where rowid = (select min(rowid) from {0})",
        ],
    ],
    ids=["deleted", "duplicated", "replaced"],
)
def test_a_row_more_or_less(
    opened: Opened, amended: Opened, batch: Sequence[Table], statements: list[str]
) -> None:
    """It is found in each table, also if the number of rows stays."""
    edits = [each.format(table.name, last_row(table)) for table in batch for each in statements]
    with database_of(batch, opened, amended).edited(*edits):
        found = {each.where for each in database_of(batch, opened, amended).findings()}
    is_deleted = len(statements) == 1 and statements[0].startswith("delete")
    for table in batch:
        # The database lacks the entry of a deleted amendment.
        where = LOAD_RUNS if table is AMENDMENTS and is_deleted else table
        assert f"task_center.{where.name}" in found


def test_a_column_that_the_archive_of_old_loads_lacks(opened: Opened) -> None:
    """A value there is found, although no digest covers it."""
    table = archive_tables.LOAD_RUNS
    for lacking, edit_it in (
        ("gone_rejects", "'x'"),
        ("load_number", "load_number + 10"),
        ("project_name", "'x'"),
    ):
        columns = tuple(name for name in table.column_names if name != lacking)
        chain = []
        for entry in opened.chain:
            written = entry.manifest.tables[table.name]
            rows = digest_rows(
                opened.connection, table, parquet_sql(entry.path / str(written.file)), columns
            )
            older = msgspec.structs.replace(written, columns=columns, rows_sha256=rows.rows_sha256)
            tables = {**entry.manifest.tables, table.name: older}
            manifest = msgspec.structs.replace(entry.manifest, tables=tables)
            chain.append(replace(entry, manifest=manifest))
        database = Opened(opened.connection, chain)
        statement = f"update load_runs set {lacking} = {edit_it} where load_number = 2"
        with database.edited():
            assert database.findings() == []
        with database.edited(statement):
            assert lacking in {each.column for each in database.findings()}


@pytest.mark.parametrize("table", ["task_versions", "coverage", "load_runs"])
def test_two_rows_in_another_order(opened: Opened, table: str) -> None:
    """The rows of a load are in the order of the archive's file."""
    with opened.edited(
        f"create temp table reversed as from {table} order by _dlt_load_id, rowid desc",
        f"delete from {table}",
        f"insert into {table} from reversed",
    ):
        assert {each.where for each in opened.findings()} == {f"task_center.{table}"}


@pytest.mark.parametrize(
    "statement",
    [
        (
            "insert into archive_acts by name select * replace (99 as archive_sequence) "
            "from archive_acts limit 1"
        ),
        (
            "insert into archive_acts by name select * replace (1 as archive_sequence) "
            "from archive_acts limit 1"
        ),
        "update archive_acts set acted_at = 'infinity' where kind = 'retention'",
        "update archive_acts set acted_at = '290309-12-22 (BC) 00:00:00'",
    ],
)
def test_amendments_that_the_archive_lacks(amended: Opened, statement: str) -> None:
    with amended.edited(statement):
        for checks in (FAST_CHECKS, FULL_CHECKS):
            found = amended.findings(checks)
            assert "task_center.archive_acts" in {each.where for each in found}


@pytest.mark.parametrize(
    ("table", "changed"), [("archive_acts", "reason"), ("load_runs", "head_digest")]
)
def test_a_column_that_one_table_lacks_hides_no_other_change(
    tmp_path: Path, table: str, changed: str
) -> None:
    data_dir = DataDir(tmp_path)
    shutil.copytree(GOLDEN, data_dir.archive)
    rebuild(data_dir)
    edit(
        data_dir,
        f"alter table task_center.{table} drop column archive_id",
        f"update task_center.{table} set {changed} = 'another'",
    )
    found = [each for each in findings(data_dir, FAST) if each.where == f"task_center.{table}"]
    assert {each.column for each in found} == {"archive_id", changed}


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
        ("update task_versions set ended_at = 'infinity' where ended_at is null",
         "task_versions", False),
        ("update rejected_records set created_at = '-infinity'", "rejected_records", False),
        (("create temp table t as from task_versions order by job_id desc; "
         "delete from task_versions; insert into task_versions from t"), "task_versions", False),
        (("create temp table t as from coverage order by observed_at desc; "
         "delete from coverage; insert into coverage from t"), "coverage", False),
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
        found = {
            check: {each.where for each in opened.findings([check])}
            for check in {*FULL_CHECKS, *FAST_CHECKS}
        }
    assert any(where in found[check] for check in FULL_CHECKS)
    assert any(where in found[check] for check in FAST_CHECKS) == is_counted


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


def test_the_database_of_another_archive(data_dir: DataDir) -> None:
    """It is reported, although archive and database are each in order."""
    shutil.rmtree(data_dir.archive)
    shutil.copytree(GOLDEN, data_dir.archive)
    assert verify_archive(Archive(data_dir.archive), FULL).is_intact
    assert {"differs"} <= {each.fault.value for each in findings(data_dir, FAST)}


def test_a_database_that_lacks_an_entry(opened: Opened) -> None:
    """The finding says what adds it."""
    with opened.edited("delete from load_runs where load_number = 5"):
        details = {each.detail for each in opened.findings(FAST_CHECKS)}
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


def test_a_log_of_another_program_is_reported(data_dir: DataDir) -> None:
    """Which of its changes a reader sees depends on the reader's DuckDB."""
    journal = data_dir.path / f"{data_dir.database.name}.wal"
    journal.write_bytes(b"unfinished work")
    for options in (FULL, FAST):
        found = verify(data_dir, options).findings
        assert [(each.fault, each.where) for each in found] == [("extra", journal.name)]
