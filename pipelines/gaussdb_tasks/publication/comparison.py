"""Compare the rows of an archive in a catalogue with a database that is made from its entries."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable, quoted_text, table_sql
from gaussdb_tasks.archive.canonical import LINE_BYTES, read_lines
from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.row_comparison import compare_rows
from gaussdb_tasks.archive.verification.verify_derived import stored
from gaussdb_tasks.database import connect
from gaussdb_tasks.model.tables import (
    AMENDMENTS,
    LOAD_ID,
    LOAD_RUNS,
    LOADED_TABLES,
    SCHEMA_NAME,
    TASK_TYPES,
)
from gaussdb_tasks.os_errors import explain_memory
from gaussdb_tasks.publication.engine_errors import explain_engine
from gaussdb_tasks.publication.lane import DamagedTargetError, PublicationError

_EXPECTED: Final = "expected"
_UNREAD: Final = "it cannot be read"
_MISSING: Final = re.compile(
    r"Catalog Error|Binder Error|No such file|\b404\b|NoSuchKey|NoSuchBucket", re.IGNORECASE
)


def compare_with_archive(  # noqa: PLR0913 - the two sides, and how texts differ
    connection: duckdb.DuckDBPyConnection,
    catalogue: str,
    chain: Sequence[ChainEntry],
    found: Verification,
    scratch: Path,
    *,
    other_archives: Sequence[str] = (),
    null_replacement: str = "\0",
) -> None:
    """Add a finding for each row of the archive that the catalogue has otherwise, or not.

    Args:
        connection: has the catalogue attached.
        catalogue: the name of the attached catalogue.
        chain: the published entries, whose files were verified.
        found: findings are added to it.
        scratch: a folder for the database that is made from the chain.
        other_archives: the archives whose rows are in the same tables.
        null_replacement: the character that texts of the catalogue have instead of U+0000.
    """
    path = scratch / "expected.duckdb"
    restore(chain, path)
    connect.attach(connection, path, _EXPECTED)
    for table, condition in _tables(catalogue, other_archives):
        rows = f"{_EXPECTED}.{table_sql(table)}"
        expected = table.with_nulls_replaced(rows, null_replacement)
        actual = f"{catalogue}.{table_sql(table)} where {condition}"
        with unread_as_finding(found, table):
            _compare(connection, found, table, expected, actual)
            continue
        with suppress(duckdb.TransactionException):  # there is none
            connection.execute("rollback; begin transaction")
            connect.attach(connection, path, _EXPECTED)


@contextmanager
def unread_as_finding(found: Verification, table: ArchiveTable) -> Iterator[None]:
    """Make a finding of a table that is missing or damaged, unless it has one; go on without it.

    Raises:
        duckdb.Error: the table was not read for another cause.
    """
    try:
        yield
    except duckdb.Error as error:
        where = table_sql(table)
        kind, cause = explain_engine(error)
        if explain_memory(error) is not None or kind not in {PublicationError, DamagedTargetError}:
            raise
        if any(each.where == where and _UNREAD in each.detail for each in found.findings):
            return
        fault = Fault.INVALID if _MISSING.search(str(error)) is None else Fault.MISSING
        found.add(fault, where, f"{_UNREAD}: {cause}")


def _tables(catalogue: str, other_archives: Sequence[str]) -> Iterator[tuple[ArchiveTable, str]]:
    """Yield the tables with the condition for the rows that should be those of an archive.

    They are all rows that are not of another archive there: also those of none.
    """
    is_own = of_own_projects = "true"
    if other_archives:
        others = ", ".join(map(quoted_text, other_archives))
        is_other = f"coalesce(archive_id in ({others}), false)"
        is_own = f"not {is_other}"
        load_runs = f"{catalogue}.{SCHEMA_NAME}.load_runs"
        projects = f"select region, project_id from {load_runs} where {is_other}"
        of_own_projects = f"((region, project_id) in ({projects})) is not true"
    for table in (*LOADED_TABLES, AMENDMENTS):
        if table is TASK_TYPES:
            yield _without_load(stored(table)), "true"
        elif table in {LOAD_RUNS, AMENDMENTS}:
            yield stored(table), is_own
        else:
            yield stored(table), of_own_projects


def _without_load(table: ArchiveTable) -> ArchiveTable:
    """Leave out which load wrote the task types: all archives share them."""
    columns = tuple(column for column in table.columns if column != LOAD_ID)
    return replace(table, columns=columns)


def _compare(
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: ArchiveTable,
    expected: str,
    actual: str,
) -> None:
    if _digest(connection, table, expected) == _digest(connection, table, actual):
        return
    count = compare_rows(
        connection,
        found,
        table,
        expected=table.select(expected),
        actual=table.select(actual),
    )
    if not count:
        found.add(Fault.DIFFERS, table_sql(table), "rows are there twice")


def _digest(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, relation: str
) -> tuple[int, int]:
    """Return the number of rows and the sum of their digests: an engine gives them in any order."""
    count = total = 0
    for lines, batch in read_lines(connection, table, relation):
        count += batch.num_rows
        total += sum(
            int(lines[start : start + LINE_BYTES], 16) for start in range(0, len(lines), LINE_BYTES)
        )
    return count, total % 2 ** (8 * hashlib.sha256().digest_size)
