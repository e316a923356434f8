"""Compute row digests of many files in one query, without a Python object for each row."""

import hashlib
from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.canonical import row_digest_sql
from gaussdb_tasks.errors import DatabaseError

LINE: Final = "row_line"
_LINE_BYTES: Final = 65  # the digest of a row in hexadecimal, and a line feed


def read_lines(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str],
    more: Sequence[str] = (),
) -> pa.Table:
    """Read the digest of each row as a line, in the order of the rows, and further columns.

    Args:
        connection: the database.
        table: the table of the rows.
        relation: the rows, in their order.
        columns: the columns that the digest covers.
        more: SQL of further columns.
    """
    selected = ", ".join([f"{row_digest_sql(table, columns)} || chr(10) as {LINE}", *more])
    rows = connection.execute(f"select {selected} from {relation}").to_arrow_table()
    return rows.combine_chunks()


def digest_of(lines: "pa.ChunkedArray[pa.StringScalar]") -> str:
    """Return the digest of rows from their lines."""
    hasher = hashlib.sha256()
    for chunk in lines.chunks:
        text = chunk.cast(pa.string())
        _, offsets, content = text.buffers()
        if offsets is None or content is None:  # there are no rows
            continue
        bounds = memoryview(offsets).cast("i")
        start, end = bounds[text.offset], bounds[text.offset + len(text)]
        if end - start != _LINE_BYTES * len(text):
            message = "the digests of rows have another length than a digest"
            raise DatabaseError(message)
        hasher.update(memoryview(content)[start:end])
    return hasher.hexdigest()
