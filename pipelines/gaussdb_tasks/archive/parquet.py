"""Writing segments: rows of the database as Parquet files, read back before they count."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, quoted_text, table_sql
from gaussdb_tasks.archive.canonical import NO_ROWS, RowsDigest, digest_rows
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.archive.store import file_sha256
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.times import Micros

# A level that packs the records of a month in a third of the default's space costs no time here.
_OPTIONS: Final = "format parquet, compression zstd, compression_level 9"


def write_load(
    connection: duckdb.DuckDBPyConnection,
    segment: ArchiveTable,
    load_id: str,
    observed_at: Micros,
    folder: Path,
) -> TableDigest:
    """Write the rows that a load left in the database; no rows, no file."""
    relation = f"{table_sql(segment)} where _dlt_load_id = {quoted_text(load_id)}"
    if segment.clock is not None:  # by which DuckDB finds the rows without reading all others
        relation += f" and {segment.clock} = make_timestamp({observed_at})"
    return write_rows(connection, segment, relation, folder)


def write_rows(  # noqa: PLR0913 - what, from where, and to where
    connection: duckdb.DuckDBPyConnection,
    segment: ArchiveTable,
    relation: str,
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    file_name: str | None = None,
) -> TableDigest:
    """Write rows in their order, and digest them.

    Raises:
        DatabaseError: the file does not hold what the database does; the disk or DuckDB is to
            blame.
        OSError: it cannot be written.
        duckdb.Error: likewise.
    """
    wanted = segment.column_names if columns is None else tuple(columns)
    rows = digest_rows(connection, segment, relation, wanted)
    if rows == NO_ROWS:
        return _table_digest(rows, wanted, None)
    file = folder / (file_name or segment.file_name)
    select = segment.select(relation, wanted)
    connection.execute(f"copy ({select}) to {quoted_text(str(file))} ({_OPTIONS})")
    if digest_rows(connection, segment, parquet_sql(file), wanted) != rows:
        message = f"{file.name} was not written as it should be; see to the disk"
        raise DatabaseError(message)
    return _table_digest(rows, wanted, file)


def _table_digest(rows: RowsDigest, columns: tuple[str, ...], file: Path | None) -> TableDigest:
    return TableDigest(
        row_count=rows.row_count,
        rows_sha256=rows.rows_sha256,
        columns=columns,
        file=None if file is None else file.name,
        file_bytes=None if file is None else file.stat().st_size,
        file_sha256=None if file is None else file_sha256(file),
    )
