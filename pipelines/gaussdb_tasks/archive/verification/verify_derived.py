"""Verify the tables that loads replace rows of: latest states, vanished tasks and task types."""

from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, quoted_text, table_sql
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.replay import (
    expected_tasks,
    expected_vanished_tasks,
    number_loads,
    task_types_file,
)
from gaussdb_tasks.archive.store import loads_of
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.row_comparison import compare_rows
from gaussdb_tasks.model.tables import LOAD_ID, TASK_TYPES, TASKS, Table, stored_columns


def stored(table: Table) -> ArchiveTable:
    """Describe all columns of a table of the database."""
    return archive_tables.with_columns(table, stored_columns(table))


_TASKS: Final = stored(TASKS)
_TASK_TYPES: Final = stored(TASK_TYPES)


def verify_states(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare latest states, vanished tasks and task types with the archive."""
    number_loads(connection, found.chain)
    if not _is_damaged(_TASKS, archive_tables.OBSERVATIONS, found):
        _compare(connection, found, _TASKS, expected_tasks(connection, found.chain))
    vanished = archive_tables.VANISHED_TASKS
    if not _is_damaged(vanished, vanished, found):
        _compare(connection, found, vanished, expected_vanished_tasks(found.chain))
    _verify_task_types(connection, found)


def _verify_task_types(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the task types with those of the last load, which wrote all rows again."""
    file = task_types_file(found.chain)
    if file is not None and found.is_readable(file):
        load_id = quoted_text(loads_of(found.chain)[-1].load_id)
        expected = f"select *, {load_id} as {LOAD_ID.name} from {parquet_sql(file)}"
        _compare(connection, found, _TASK_TYPES, expected)


def _is_damaged(table: ArchiveTable, source: ArchiveTable, found: Verification) -> bool:
    if all(found.is_readable(rows.file) for rows in current_rows(found.chain, source)):
        return False
    found.notes.append(
        f"{table_sql(table)} was not compared: {source.name} files of the archive are damaged"
    )
    return True


def _compare(
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: ArchiveTable,
    expected: str,
) -> None:
    actual = table.select(table_sql(table))
    wanted = table.select(f"({expected})")
    compare_rows(connection, found, table, expected=wanted, actual=actual)
