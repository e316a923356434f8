"""Compare tables of the database with the rows of files, while these are read.

Their canonical forms are compared: equal ones have the same digest, so no row of the database needs
its own. Only equality is concluded here; what differs is found and reported by ``verify_rows``.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive.archive_tables import APPENDED, ArchiveTable, table_sql
from gaussdb_tasks.archive.canonical import FORM, read_forms
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import GaussdbTasksError


class StoredRows:
    """The rows of a database, to compare with those of files.

    The connection is from ``read_untrusted``; without one nothing is compared.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection | None, found: Verification) -> None:
        self._connection = connection
        self._found = found
        self._tables = frozenset(
            table.name for table in APPENDED if connection and _is_as_loaded(table, found)
        )
        self._table: ArchiveTable | None = None
        self._rows = _Rows(iter(()))

    def compare(self, table: ArchiveTable, forms: "Iterable[pa.Array[Any]]") -> None:
        """Compare the next rows of a table with the canonical forms of rows of files."""
        if table is not self._table:
            self.conclude()
            self._table = table
            self._rows = _Rows(self._read(table))
        for each in forms:
            self._rows.compare(each)

    def conclude(self) -> None:
        """Conclude for the last table whether its rows are those of the files."""
        found, table, rows = self._found, self._table, self._rows
        # DuckDB 2.0 runs no other query while rows of the last one are left.
        self._table, self._rows = None, _Rows(iter(()))
        # Files may have turned out to be damaged since.
        if table is None or table.name not in self._tables or not _is_as_loaded(table, found):
            return
        row_count = sum(rows.row_count for rows in current_rows(found.chain, table))
        if rows.are_all(row_count):
            found.matched.add(table.name)

    def _read(self, table: ArchiveTable) -> "Iterator[pa.Array[Any]]":
        if self._connection is not None and table.name in self._tables:
            for batch in read_forms(self._connection, table, table_sql(table)):
                yield batch.column(FORM)


@contextmanager
def open_stored(database: Path | None, found: Verification) -> Iterator[StoredRows]:
    """Open a database to compare its rows with those of files; None to compare nothing."""
    with ExitStack() as stack:
        connection = None
        if database is not None:
            with suppress(GaussdbTasksError, duckdb.Error):  # the checks of the database report it
                connection = stack.enter_context(read_untrusted(database))
        stored = StoredRows(connection, found)
        yield stored
        stored.conclude()


def _is_as_loaded(table: ArchiveTable, found: Verification) -> bool:
    return all(
        rows.holder is rows.load
        and rows.columns == table.column_names
        and found.is_readable(rows.file)
        for rows in current_rows(found.chain, table)
    )


class _Rows:
    """Rows that are compared with others, a batch after another."""

    def __init__(self, batches: "Iterator[pa.Array[Any]]") -> None:
        self._batches = batches
        self._rest: pa.Array[Any] = pa.array([], pa.string())
        self._count = 0
        self._is_same = True

    def compare(self, others: "pa.Array[Any]") -> None:
        while self._is_same and len(others):
            rows = self._next()
            length = min(len(others), len(rows))
            self._is_same = length > 0 and rows[:length].equals(others[:length])
            self._rest, others = rows[length:], others[length:]
            self._count += length

    def are_all(self, row_count: int) -> bool:
        """Whether there are this many rows, and each was equal to the other one."""
        is_at_end = not len(self._next())
        return is_at_end and self._is_same and self._count == row_count

    def _next(self) -> "pa.Array[Any]":
        """Return rows that were not compared yet; none at the end."""
        try:
            while not len(self._rest):
                self._rest = next(self._batches)
        except StopIteration:
            pass
        except duckdb.Error:
            self._is_same = False
        return self._rest
