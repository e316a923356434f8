"""Rows of the database count as those of the files only if every value is the same.

Such rows are not hashed. So here each difference must leave the table to the digests.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gaussdb_tasks.archive.archive_tables import APPENDED, TASK_VERSIONS, ArchiveTable
from gaussdb_tasks.archive.canonical import FORM, read_forms
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.file_queries import open_for_files
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verification import verify as verify_module
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.stored_rows import StoredRows
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.attached_copy import attached_copy, edited
from tests.support.verified_database import FULL, OTHER_VALUE, edit

EVERY = {table.name for table in APPENDED}


class Compared:
    """A database that can be edited, and the rows of its archive's files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, archive: Path) -> None:
        self.connection = connection
        self.chain = verify_archive(Archive(archive), FULL).chain
        with open_for_files() as files:
            self.forms = {
                table.name: [
                    batch.column(FORM)
                    for rows in current_rows(self.chain, table)
                    if rows.file is not None
                    for batch in read_forms(files, table, next(relations([rows])))
                ]
                for table in APPENDED
            }

    def matched(self, *statements: str) -> set[str]:
        """Compare after some edits, which are then undone."""
        found = Verification(chain=list(self.chain))
        with edited(self.connection, *statements):
            stored = StoredRows(self.connection, found)
            for table in APPENDED:
                stored.compare(table, self.forms[table.name])
            stored.conclude()
        return found.matched


@pytest.fixture(scope="module")
def compared(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """Open a copy of the loaded database once for all edits."""
    copy = tmp_path_factory.mktemp("compared") / "copy.duckdb"
    shutil.copy(DataDir(original).database, copy)
    with attached_copy(copy) as connection:
        yield Compared(connection, DataDir(original).archive)


def last_row(table: ArchiveTable) -> str:
    """Select one row of a table."""
    return f"where rowid = (select max(rowid) from {table.name})"


def test_rows_as_they_were_loaded(compared: Compared) -> None:
    """The edits below differ from this."""
    assert compared.matched() == EVERY


def test_a_verification_compares_them(data_dir: DataDir) -> None:
    """Otherwise nothing here would hold for it."""
    assert verify(data_dir, FULL).matched == EVERY


@pytest.mark.parametrize("table", APPENDED, ids=lambda table: table.name)
def test_another_value_in_any_column(compared: Compared, table: ArchiveTable) -> None:
    """Another value in one row, and none in any."""
    for column in table.columns:
        name = column.name
        edits = [f"{name} = {OTHER_VALUE[column.data_type].format(name)} {last_row(table)}"]
        sql = f"select count({name}) > 0 from task_center.{table.name}"
        if column.nullable and compared.connection.execute(sql).fetchone() == (True,):
            edits.append(f"{name} = null")
        for each in edits:
            assert compared.matched(f"update {table.name} set {each}") == EVERY - {table.name}, each


@pytest.mark.parametrize(
    "statements",
    [
        ["delete from {0} {1}"],
        ["delete from {0}"],
        ["insert into {0} select * from {0} {1}"],
    ],
)
def test_more_or_fewer_rows(compared: Compared, statements: Sequence[str]) -> None:
    """One less, none, and one twice."""
    for table in APPENDED:
        made = [each.format(table.name, last_row(table)) for each in statements]
        assert compared.matched(*made) == EVERY - {table.name}


def test_rows_in_another_order(compared: Compared) -> None:
    """Every row is there."""
    for name in ("task_versions", "coverage", "load_runs"):
        reverse = f"insert into {name} select * from {name} order by rowid desc"
        made = (reverse, f"delete from {name} where rowid < 1000000")
        assert compared.matched(*made) == EVERY - {name}


def test_rows_that_neither_side_has(compared: Compared) -> None:
    """Whoever removes a file and its rows leaves nothing that differs."""
    *_, last = current_rows(compared.chain, TASK_VERSIONS)
    found = Verification(chain=list(compared.chain))
    with edited(
        compared.connection, f"delete from task_versions where _dlt_load_id = '{last.load_id}'"
    ):
        stored = StoredRows(compared.connection, found)
        forms = pa.concat_arrays(compared.forms[TASK_VERSIONS.name])
        stored.compare(TASK_VERSIONS, [forms[: len(forms) - last.row_count]])
        stored.conclude()
    assert found.matched == set()


def test_files_that_turn_out_to_be_damaged(compared: Compared) -> None:
    """Rows that are equal to theirs prove nothing."""
    *_, last = current_rows(compared.chain, TASK_VERSIONS)
    found = Verification(chain=list(compared.chain))
    stored = StoredRows(compared.connection, found)
    stored.compare(TASK_VERSIONS, compared.forms[TASK_VERSIONS.name])
    found.damaged.add(str(last.file))
    stored.conclude()
    assert found.matched == set()


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_database_that_changes_after_the_comparison(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch, *, is_replaced: bool
) -> None:
    """Its rows are read again."""

    def verify_before(archive: Archive, options: VerifyOptions, database: Path) -> Verification:
        found = verify_archive(archive, options, database)
        if is_replaced:
            copy = database.with_name("copy.duckdb")
            shutil.copy2(database, copy)
            copy.replace(database)
        edit(data_dir, "update task_center.task_versions set task_name = 'x'")
        return found

    monkeypatch.setattr(verify_module, "verify_archive", verify_before)
    assert "task_name" in {each.column for each in verify(data_dir, FULL).findings}
