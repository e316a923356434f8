"""The context of an amendment: the chain before it, and a scratch database that reads its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import ChainEntry

TASK_TABLES: Final = (
    archive_tables.TASK_VERSIONS,
    archive_tables.OBSERVATIONS,
    archive_tables.REJECTED_RECORDS,
    archive_tables.VANISHED_TASKS,
)
"""The archive tables with rows of tasks. The others hold rows of loads, which stay."""


@dataclass(frozen=True, slots=True)
class AmendmentContext:
    """A verified chain, and a scratch database with its connection, where ``number_loads`` ran."""

    connection: duckdb.DuckDBPyConnection
    chain: Sequence[ChainEntry]
    scratch: Path

    def rows(self, table: ArchiveTable) -> list[Rows]:
        """Return each load's current rows of a table, where there are any."""
        return [rows for rows in current_rows(self.chain, table) if rows.file is not None]

    def relation(self, table: ArchiveTable) -> str:
        """Return SQL that reads all current rows of a table; see ``union``."""
        return union(table, self.rows(table))


def union(table: ArchiveTable, rows: Sequence[Rows]) -> str:
    """Return SQL that reads the rows of loads: the table's columns and ``file_row_number``.

    The order of the result is not fixed; ``in_order`` fixes it.
    """
    nulls = ", ".join(f"null::{column.sql_type} as {column.name}" for column in table.columns)
    parts = [
        f"select *, file_row_number from {relation}"
        for relation in relations(rows, is_ordered=False)
    ]
    empty = f"select {nulls}, null::bigint as file_row_number where false"
    columns = (*table.column_names, "file_row_number")
    return table.select(f"({' union all by name '.join([*parts, empty])})", columns)


def in_order(table: ArchiveTable, relation: str) -> str:
    """Return SQL that reads rows of ``union`` in the order of the archive.

    That is the order of the loads, then the order in the file. Joins, which select the rows of an
    amendment, keep no order when DuckDB runs several threads.
    """
    return table.select(
        f"({relation}) as unordered inner join load_order using (_dlt_load_id) "
        "order by load_order.position, unordered.file_row_number"
    )
