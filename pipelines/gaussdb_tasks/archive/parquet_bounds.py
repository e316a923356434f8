"""Check the footer of a Parquet file before its rows are read: columns, types, and bounded sizes.

A file may come from anybody. A small one can claim any number of rows, and hold values that fill
the memory when they are decompressed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.os_errors import refuse_fault_of_machine

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FOOTER_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS_PER_BYTE: Final = 10
"""Each row has a key of its own, so a real file has several bytes a row."""
MAX_EXPANSION: Final = 1000
"""Bytes after decompression for each byte of the file. Real files reach some 50."""

_MIN_BYTES: Final = 64 * 1024  # so that a bound in proportion does not refuse a tiny file
_TAIL_BYTES: Final = 8  # the footer's size, and a magic number
_MAX_LIST_LENGTH: Final = 100_000
_MAX_TEXT_BYTES: Final = 1024 * 1024


def footer_problem(path: Path, table: ArchiveTable, digest: TableDigest) -> str | None:
    """Return what is wrong with the footer of a file; None if its rows can be read.

    The hash of the file was checked before.

    Raises:
        GaussdbTasksError: the machine does not let it be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import; verify --fast does not need it
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL_BYTES, 0))
            footer_bytes = int.from_bytes(file.read(4), "little")
            if footer_bytes > MAX_FOOTER_BYTES:
                return f"its footer has {footer_bytes:,} bytes; at most {MAX_FOOTER_BYTES:,}"
            reader = parquet.ParquetFile(
                file,
                thrift_string_size_limit=_MAX_TEXT_BYTES,
                thrift_container_size_limit=_MAX_LIST_LENGTH,
            )
            return _row_count_problem(reader.metadata, size, digest) or _column_problem(
                reader.schema_arrow, table, digest
            )
    except (pa.ArrowException, OSError, ValueError, MemoryError, RecursionError) as error:
        refuse_fault_of_machine(error, path)
        return f"it is not a Parquet file that can be read ({str(error).partition(chr(10))[0]})"


def _row_count_problem(
    metadata: "pa.parquet.FileMetaData", size: int, digest: TableDigest
) -> str | None:
    if metadata.num_rows != digest.row_count:
        return f"it has {metadata.num_rows:,} rows; expected: {digest.row_count:,}"
    bound = max(size, _MIN_BYTES)
    if metadata.num_rows > MAX_ROWS_PER_BYTE * bound:
        return f"it claims {metadata.num_rows:,} rows in {size:,} bytes"
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        return "its row groups have another number of rows than its footer"
    expanded = sum(max(group.total_byte_size, 0) for group in groups)
    if expanded > MAX_EXPANSION * bound:
        return f"its {size:,} bytes become {expanded:,} when it is decompressed"
    return None


def _column_problem(schema: "pa.Schema", table: ArchiveTable, digest: TableDigest) -> str | None:
    """Compare the columns with those of the manifest."""
    types = {column.name: column.arrow_type for column in table.columns}
    expected = [(name, types[name]) for name in digest.columns]
    # Whether a column may be null is not compared: DuckDB 2.0 writes it by what the rows have.
    found = [(field.name, field.type) for field in schema]
    if found != expected:
        differing = [name for name, _ in {*found} ^ {*expected}]
        return f"its columns differ from those of the table: {', '.join(differing)[:200]}"
    # Older versions lacked some columns, which may be null.
    required = {column.name for column in table.columns if not column.nullable}
    missing = sorted(required.difference(digest.columns))
    return f"it lacks columns: {', '.join(missing)}" if missing else None
