"""Prepare an amendment: lock and verify the archive, and open a scratch database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.rebuild import read_intact_chain, refuse_data_loss
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.database.data_dir import DataDir


@dataclass(frozen=True, slots=True)
class AmendmentContext:
    """A verified chain, and a scratch database with its connection.

    The scratch database has a table ``load_order``: each load's ``_dlt_load_id`` and ``sequence``.
    """

    connection: duckdb.DuckDBPyConnection
    chain: Sequence[ChainEntry]
    scratch: Path

    def rows(self, table: ArchiveTable) -> list[Rows]:
        """Return each load's current rows of a table, where there are any."""
        return [rows for rows in current_rows(self.chain, table) if rows.file is not None]

    def relation(self, table: ArchiveTable) -> str:
        """Return SQL that reads all current rows of a table; see ``union``."""
        return union(table, self.rows(table))


@contextmanager
def open_context(data_dir: DataDir) -> Iterator[AmendmentContext]:
    """Lock a data directory, and verify every byte of its archive.

    Raises:
        ConfigurationError: there is no archive.
        ArchiveError: the archive is damaged, or the database has entries that it lacks.
        LockedError: a load is running.
    """
    with (
        data_dir.locked_with_archive(),
        data_dir.scratch("amendment") as scratch,
        duckdb.connect(scratch / "work.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        archive = Archive(data_dir.archive)
        chain, _ = read_intact_chain(archive, is_skipping_damage=False)
        put_tombstones(archive, chain)  # finish an amendment that was interrupted
        refuse_data_loss(data_dir.database, chain[-1].manifest.sequence)
        number_loads(connection, chain)
        yield AmendmentContext(connection, chain, scratch)


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
        "order by load_order.sequence, unordered.file_row_number"
    )


def number_loads(connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry]) -> None:
    """Make the table ``load_order``."""
    loads = [
        (entry.manifest.load.load_id, entry.manifest.sequence)
        for entry in chain
        if entry.manifest.load is not None
    ]
    connection.execute(
        "create table load_order as "
        "select unnest(?::varchar[]) as _dlt_load_id, unnest(?::bigint[]) as sequence",
        [[load_id for load_id, _ in loads], [sequence for _, sequence in loads]],
    )
