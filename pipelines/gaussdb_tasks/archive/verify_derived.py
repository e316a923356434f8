"""Verify derived tables and views: latest states, vanished tasks, task types and views."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, table_sql
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.archive.replay import (
    create_tables,
    expected_tasks,
    expected_vanished_tasks,
    task_types_file,
)
from gaussdb_tasks.archive.row_comparison import compare_rows
from gaussdb_tasks.database.connect import read_published, writable_clone
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.model.tables import LOAD_ID, TASKS
from gaussdb_tasks.version import VERSION

_TASKS: Final = ArchiveTable(
    TASKS.name,
    TASKS.name,
    TASKS.grain,
    (*TASKS.columns, LOAD_ID),
    TASKS.primary_key,
    is_appended=False,
)
_VIEWS: Final = """
    select view_name, sql from duckdb_views() where not internal and schema_name = 'main'
"""


def verify_states(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare latest states, vanished tasks and task types with the archive."""
    if not _is_damaged(_TASKS, archive_tables.OBSERVATIONS, found):
        _compare(connection, found, _TASKS, expected_tasks(connection, found.chain))
    vanished = archive_tables.VANISHED_TASKS
    if not _is_damaged(vanished, vanished, found):
        _compare(connection, found, vanished, expected_vanished_tasks(connection, found.chain))
    types, file = archive_tables.TASK_TYPES, task_types_file(found.chain)
    if file is not None and found.is_readable(file):
        expected, actual = types.select(parquet_sql(file)), types.select(table_sql(types))
        compare_rows(connection, found, types, expected=expected, actual=actual)


def verify_views(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the views with those that this version creates."""
    last = next((each for each in reversed(found.chain) if each.manifest.load), None)
    if last is None or last.manifest.tool_version != VERSION:
        found.notes.append("the views were not compared: another version created them")
        return
    expected = _expected_views()
    actual = _normalised(connection.execute(_VIEWS).fetchall())
    for name, definition in expected.items():
        if name not in actual:
            found.add(Fault.MISSING, f"main.{name}", "the view is missing")
        elif actual[name] != definition:
            found.add(Fault.DIFFERS, f"main.{name}", "it differs from the view that a load creates")


def _is_damaged(table: ArchiveTable, source: ArchiveTable, found: Verification) -> bool:
    files = [rows.file for rows in current_rows(found.chain, source)]
    if all(file is None or found.is_readable(file) for file in files):
        return False
    found.notes.append(
        f"{table_sql(table)} was not compared: {source.name} files of the archive are damaged"
    )
    return True


def _compare(
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: ArchiveTable,
    expected: str | None,
) -> None:
    actual = table.select(table_sql(table))
    relation = f"{table_sql(table)} where false" if expected is None else f"({expected})"
    compare_rows(connection, found, table, expected=table.select(relation), actual=actual)


@cache
def _expected_views() -> Mapping[str, str]:
    with TemporaryDirectory() as folder:
        # DuckDB spells a view differently after it was written to a file and read back.
        path = Path(folder, "views.duckdb")
        with writable_clone(None, path) as fresh:
            create_tables(fresh)
            apply_views(fresh)
        with read_published(path) as fresh:
            return _normalised(fresh.execute(_VIEWS).fetchall())


def _normalised(views: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return definitions by name; DuckDB spells a cross join in two ways."""
    return {name: definition.replace(" CROSS JOIN ", " , ") for name, definition in views}
