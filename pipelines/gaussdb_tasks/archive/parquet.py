"""Write archive tables: rows of the database as Parquet files, which are read back and compared."""

from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, quoted_text, table_sql
from gaussdb_tasks.archive.canonical import NO_ROWS, RowsDigest, digest_rows
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.archive.store import file_sha256
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.times import Micros

# Level 9 needs a third of the default level's space for a month of records, and no more time.
_OPTIONS: Final = "format parquet, compression zstd, compression_level 9"


def write_load(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    load_id: str,
    observed_at: Micros,
    folder: Path,
) -> TableDigest:
    """Write the rows of a load; a table without rows has no file."""
    relation = f"{table_sql(table)} where _dlt_load_id = {quoted_text(load_id)}"
    if table.clock is not None:  # lets DuckDB skip the other loads' rows
        relation += f" and {table.clock} = make_timestamp({observed_at})"
    return write_rows(connection, table, relation, folder)


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    folder: Path,
    *,
    file_name: str | None = None,
) -> TableDigest:
    """Write rows in their order, and return their digest.

    Raises:
        DatabaseError: the file was read back with other rows.
        OSError: the file cannot be written.
        duckdb.Error: the file cannot be written.
    """
    wanted = table.column_names
    rows = digest_rows(connection, table, relation, wanted)
    if rows == NO_ROWS:
        return _table_digest(rows, wanted, None)
    file = folder / (file_name or table.file_name)
    select = table.select(relation, wanted)
    connection.execute(f"copy ({select}) to {quoted_text(str(file))} ({_OPTIONS})")
    if digest_rows(connection, table, parquet_sql(file), wanted) != rows:
        message = f"{file.name} was read back with other rows than were written; check the disk"
        raise DatabaseError(message)
    kept = table.kept_columns
    kept_rows = digest_rows(connection, table, parquet_sql(file), kept) if kept else None
    return _table_digest(rows, wanted, file, kept_rows)


def _table_digest(
    rows: RowsDigest,
    columns: tuple[str, ...],
    file: Path | None,
    kept_rows: RowsDigest | None = None,
) -> TableDigest:
    return TableDigest(
        row_count=rows.row_count,
        rows_sha256=rows.rows_sha256,
        columns=columns,
        file=None if file is None else file.name,
        file_bytes=None if file is None else file.stat().st_size,
        file_sha256=None if file is None else file_sha256(file),
        kept_sha256=None if kept_rows is None else kept_rows.rows_sha256,
    )
