"""Verify the rows of archive files against their manifests: number, digest, and the load's marks.

A file is read only after its bytes matched their hash and its footer is plausible.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql
from gaussdb_tasks.archive.canonical import LINE_BYTES, read_lines
from gaussdb_tasks.archive.file_queries import in_batches, open_for_files
from gaussdb_tasks.archive.manifest import TableDigest, sha256
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import LOAD_ID
from gaussdb_tasks.model.times import SECOND, parse_time

_IS_MISSING: Final = "is_value_missing"


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one load in a file: their number, and their digest if only they have it."""

    load: ChainEntry
    row_count: int
    rows_sha256: str


@dataclass(frozen=True, slots=True)
class _FileRows:
    """Rows of files: their digests as lines, and the columns that are compared with the load's."""

    lines: memoryview
    marks: pa.Table

    def slice(self, start: int, length: int) -> "_FileRows":
        """Return some of the rows."""
        lines = self.lines[start * LINE_BYTES : (start + length) * LINE_BYTES]
        return _FileRows(lines, self.marks.slice(start, length))

    @property
    def sha256(self) -> str:
        """The digest of the rows."""
        return sha256(self.lines)


@dataclass(frozen=True, slots=True)
class _File:
    """A file, and the loads whose rows it holds; none for rows that are not of loads."""

    entry: ChainEntry
    table: ArchiveTable
    digest: TableDigest
    path: Path
    parts: Sequence[_Part]

    @property
    def where(self) -> str:
        """The place in a finding."""
        return f"{self.entry.name}/{self.path.name}"


def verify_file_rows(found: Verification) -> None:
    """Compare the rows of every file that is there with its manifest; damaged files are skipped."""
    files = sorted(_files(found), key=lambda file: (file.table.name, file.digest.columns))
    with open_for_files() as connection:
        for _, of_a_kind in groupby(files, key=lambda file: (file.table.name, file.digest.columns)):
            for batch in in_batches(of_a_kind, lambda file: file.digest.row_count):
                _verify_batch(connection, batch, found)


def _files(found: Verification) -> Iterator[_File]:
    loads = {each.manifest.sequence: each for each in found.chain if each.manifest.load}
    for entry in found.chain:
        for name, digest in entry.manifest.tables.items():
            path = entry.file(name)
            if path is None or not found.is_readable(path):
                continue
            table = archive_tables.BY_NAME[name]
            yield _File(entry, table, digest, path, tuple(_parts(entry, table, digest, loads)))


def _parts(
    entry: ChainEntry, table: ArchiveTable, digest: TableDigest, loads: Mapping[int, ChainEntry]
) -> Iterator[_Part]:
    """Yield the loads whose rows a file holds, in the order of their rows."""
    if LOAD_ID.name not in table.column_names:
        return
    if entry.manifest.load is not None:
        yield _Part(entry, digest.row_count, digest.rows_sha256)
        return
    for restated in sorted(entry.manifest.restates, key=lambda each: each.sequence):
        if restated.table == table.name and restated.row_count and restated.sequence in loads:
            yield _Part(loads[restated.sequence], restated.row_count, restated.rows_sha256)


def _verify_batch(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[_File], found: Verification
) -> None:
    """Verify files in one query; if it fails, file by file, to name the one that cannot be read."""
    try:
        rows = _read(connection, batch)
    except (duckdb.Error, DatabaseError, MemoryError) as error:
        if len(batch) > 1:
            for file in batch:
                _verify_batch(connection, [file], found)
        else:
            reason = str(error).partition("\n")[0]
            _add(batch[0], f"its rows cannot be read: {reason}", found)
        return
    start = 0
    for file in batch:
        _verify_file(file, rows.slice(start, file.digest.row_count), found)
        start += file.digest.row_count


def _read(connection: duckdb.DuckDBPyConnection, batch: Sequence[_File]) -> _FileRows:
    table, columns = batch[0].table, batch[0].digest.columns
    relation = parquet_sql(*(file.path for file in batch), has_same_columns=True)
    marks = [
        f"epoch_us({name}) as {name}" if name == table.clock else name for name in _marks(batch[0])
    ]
    required = [column.name for column in table.columns if not column.nullable]
    is_missing = " or ".join(f"{name} is null" for name in required)
    marks.append(f"({is_missing}) as {_IS_MISSING}")
    lines, batches = bytearray(), []
    for batch_lines, rows in read_lines(connection, table, relation, columns, marks):
        lines += batch_lines
        batches.append(rows.select(rows.schema.names[1:]))  # without the canonical forms
    row_count = len(lines) // LINE_BYTES
    expected = sum(file.digest.row_count for file in batch)
    if row_count != expected:
        message = f"{row_count:,} rows were read instead of {expected:,}"
        raise DatabaseError(message)
    return _FileRows(memoryview(lines), pa.Table.from_batches(batches))


def _marks(file: _File) -> tuple[str, ...]:
    """Return the columns whose values must be those of the load that wrote the row."""
    wanted = (LOAD_ID.name, file.table.clock, "run_id", "load_number")
    return tuple(name for name in wanted if name in file.digest.columns)


def _verify_file(file: _File, rows: _FileRows, found: Verification) -> None:
    if rows.sha256 != file.digest.rows_sha256:
        _add(file, "its rows differ from the digest in the manifest", found)
        return
    if rows.marks[_IS_MISSING].unique().to_pylist() != [False]:
        _add(file, "its rows lack values that every row has", found)
        return
    if not _marks(file):
        return
    if sum(part.row_count for part in file.parts) != file.digest.row_count:
        _add(file, "it holds other rows than those of the loads that it restates", found)
        return
    start = 0
    for part in file.parts:
        part_rows = rows.slice(start, part.row_count)
        start += part.row_count
        detail = _describe_part(file, part, part_rows)
        if detail is not None:
            _add(file, f"{detail}, in its rows of {part.load.name}", found)
            return


def _describe_part(file: _File, part: _Part, rows: _FileRows) -> str | None:
    if len(file.parts) > 1 and rows.sha256 != part.rows_sha256:
        return "its rows differ from the digest of this load"
    for name in _marks(file):
        values = rows.marks[name].unique().to_pylist()
        if name == file.table.clock:  # manifests have it to the second
            values = [None if value is None else value // SECOND * SECOND for value in values]
        if values != [_expected_mark(part.load, name)]:
            return f"{name} is not that of the load"
    return None


def _expected_mark(load: ChainEntry, name: str) -> object:
    identity = load.manifest.load
    if identity is None:  # parts are of loads
        raise ValueError(load.name)
    if name == LOAD_ID.name:
        return identity.load_id
    if name in {"run_id", "load_number"}:
        return getattr(identity, name)
    return parse_time(load.manifest.at, option="at")


def _add(file: _File, detail: str, found: Verification) -> None:
    found.add(Fault.INVALID, file.where, detail, entry=file.entry.name)
    found.damaged.add(str(file.path))
