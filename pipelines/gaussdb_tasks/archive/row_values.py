"""Compare the values of a table with those of archive files, in order and in bounded memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.current_rows import Rows
from gaussdb_tasks.archive.file_queries import MAX_ROWS_PER_QUERY, in_batches
from gaussdb_tasks.archive.replay import relations, typed


def is_equal(
    connection: duckdb.DuckDBPyConnection,
    files: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    actual: str,
    expected: Sequence[Rows],
) -> bool:
    """Return whether a relation has exactly the rows of files, in their order.

    Args:
        connection: the database with the relation.
        files: from ``open_for_files``.
        table: the table of the rows.
        actual: the relation.
        expected: the rows of loads, each with a file that is not damaged.
    """
    values = f"select {_values(table)} from"
    reader = connection.execute(f"{values} {actual}").to_arrow_reader(MAX_ROWS_PER_QUERY)
    return _are_same(iter(reader), _read_ahead(_read(files, table, values, expected)))


def _values(table: ArchiveTable) -> str:
    """Select every column such that equal values in Arrow are equal values of the archive."""
    as_text = ("json", "double")  # 0.0 and -0.0 are equal numbers
    return ", ".join(
        f"cast({column.name} as varchar) as {column.name}"
        if column.data_type in as_text
        else column.name
        for column in table.columns
    )


def _read(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, values: str, rows: Sequence[Rows]
) -> Iterator[pa.RecordBatch]:
    for amendment_file, group in groupby(rows, key=lambda each: each.amendment_file):
        of_a_kind = list(group)
        batches = (
            [of_a_kind]  # one file, which is read once
            if amendment_file is not None
            else in_batches(of_a_kind, lambda each: each.row_count)
        )
        for batch in batches:
            for relation in relations(batch):
                sql = f"{values} ({typed(table, relation)})"
                yield from connection.execute(sql).to_arrow_table().to_batches()


def _read_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Read the next batch while the last one is compared."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _are_same(left: Iterator[pa.RecordBatch], right: Iterator[pa.RecordBatch]) -> bool:
    """Compare two streams of rows, which may be cut into batches differently."""
    one, other = _next(left), _next(right)
    while one is not None and other is not None:
        count = min(one.num_rows, other.num_rows)
        if not one.slice(0, count).equals(other.slice(0, count)):
            return False
        one = one.slice(count) if count < one.num_rows else _next(left)
        other = other.slice(count) if count < other.num_rows else _next(right)
    return one is None and other is None


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next((batch for batch in batches if batch.num_rows), None)
