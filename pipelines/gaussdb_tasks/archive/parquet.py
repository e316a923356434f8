"""Write archive tables: rows of the database as Parquet files, which are read back and compared."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from gaussdb_tasks.archive.archive_tables import (
    ArchiveTable,
    parquet_sql,
    quoted_text,
    table_sql,
)
from gaussdb_tasks.archive.canonical import (
    NO_ROWS,
    RowsDigest,
    canonical_sql,
    form_lines,
    read_lines,
    text_sql,
)
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.archive.store import file_sha256
from gaussdb_tasks.database.connect import arrow_batches
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.times import Micros

if TYPE_CHECKING:
    import pyarrow as pa

# A month of 100,000 records: level 3 takes 0.4 s, level 9 3.0 s for a file of the same size.
_OPTIONS: Final = "format parquet, compression zstd, compression_level 3"
_KEPT: Final = "kept_form"
_CHECKED: Final = "checked_hash"


def rows_of_load(table: ArchiveTable, load_id: str, observed_at: Micros) -> str:
    """Return the relation of a load's rows in the database."""
    relation = f"{table_sql(table)} where _dlt_load_id = {quoted_text(load_id)}"
    if table.clock is not None:  # lets DuckDB skip the other loads' rows
        relation += f" and {table.clock} = make_timestamp({observed_at})"
    return relation


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    file: Path,
    of_file: "Digests | None" = None,
) -> TableDigest:
    """Write rows in their order, and return their digest; a file that is there is only compared.

    Without rows no file is written. The digests of the rows of a file that is there may be known.

    Raises:
        DatabaseError: the file has other rows.
        OSError: the file cannot be written.
        duckdb.Error: the file cannot be written.
    """
    if of_file is None:
        digests = write_file(connection, table, relation, file)
    else:
        digests = of_file
        _refuse_other_rows(file, digests.checksum, _checksum(connection, table, relation))
    has_file = digests.rows != NO_ROWS
    return TableDigest(
        row_count=digests.rows.row_count,
        rows_sha256=digests.rows.rows_sha256,
        columns=table.column_names,
        file=file.name if has_file else None,
        file_bytes=file.stat().st_size if has_file else None,
        file_sha256=file_sha256(file) if has_file else None,
        kept_sha256=digests.kept_sha256 if has_file else None,
    )


def write_file(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, relation: str, file: Path
) -> "Digests":
    """Write rows as ``write_rows`` does; return all their digests."""
    digests = digest(connection, table, relation)
    if digests.rows != NO_ROWS:
        if not file.exists():
            select = table.select(relation)
            connection.execute(f"copy ({select}) to {quoted_text(str(file))} ({_OPTIONS})")
        _refuse_other_rows(file, digests.checksum, _checksum(connection, table, parquet_sql(file)))
    return digests


def _refuse_other_rows(file: Path, one: bytes, other: bytes) -> None:
    if one != other:
        message = f"{file.name} was read back with other rows than were written; check the disk"
        raise DatabaseError(message)


class Digests(NamedTuple):
    """The digests of rows over all columns and over the kept ones, and their checksum."""

    rows: RowsDigest
    kept_sha256: str | None
    checksum: bytes


def digest(connection: duckdb.DuckDBPyConnection, table: ArchiveTable, relation: str) -> Digests:
    """Compute all digests of rows in one pass."""
    kept = table.kept_columns
    more = [f"{_hash_sql(table)} as {_CHECKED}"]
    more += [f"{canonical_sql(table, kept)} as {_KEPT}"] if kept else []
    count, rows, kept_rows, checksum = 0, *(hashlib.sha256() for _ in range(3))
    for lines, batch in read_lines(connection, table, relation, more=more):
        count += batch.num_rows
        rows.update(lines)
        checksum.update(_bytes_of(batch.column(_CHECKED)))
        if kept:
            kept_rows.update(form_lines(batch.column(_KEPT)))
    return Digests(
        RowsDigest(count, rows.hexdigest()),
        kept_rows.hexdigest() if kept else None,
        checksum.digest(),
    )


def _checksum(connection: duckdb.DuckDBPyConnection, table: ArchiveTable, relation: str) -> bytes:
    """Compute a checksum of rows in their order: it finds accidents, not forgeries."""
    checksum = hashlib.sha256()
    cursor = connection.execute(f"select {_hash_sql(table)} as {_CHECKED} from {relation}")
    for batch in arrow_batches(cursor.to_arrow_reader()):
        checksum.update(_bytes_of(batch.column(_CHECKED)))
    return checksum.digest()


def _hash_sql(table: ArchiveTable) -> str:
    """Return SQL for DuckDB's 64-bit hash of a row; it takes a tenth of the time of SHA-256."""
    # As a text, since DuckDB compares -0.0 and 0.0 as equal, and JSON only as a text.
    as_text = {"double", "json"}
    values = (
        text_sql(column.name, column.data_type) if column.data_type in as_text else column.name
        for column in table.columns
    )
    return f"hash({', '.join(values)})"


def _bytes_of(hashes: "pa.Array[Any]") -> memoryview:
    _, content = hashes.buffers()
    return memoryview(content or b"").cast("B")[hashes.offset * 8 :][: len(hashes) * 8]
