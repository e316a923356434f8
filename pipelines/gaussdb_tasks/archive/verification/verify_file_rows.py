"""Verify the rows of archive files against their manifests: number, digest, and the load's marks.

A file is read only after its bytes matched their hash and its footer is plausible. It is read once:
what else needs its rows gets them from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.file_queries import (
    MEMORY_LIMIT,
    MEMORY_LIMIT_REACHED,
    in_batches,
    open_for_files,
)
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.archive.store import ChainEntry, loads_of
from gaussdb_tasks.archive.verification.file_rows import (
    UNREADABLE,
    File,
    FileReader,
    FileRows,
    Files,
    Part,
    ResultRows,
)
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.stored_rows import open_stored
from gaussdb_tasks.model.tables import LOAD_ID
from gaussdb_tasks.model.times import SECOND, parse_time
from gaussdb_tasks.os_errors import own_words


def verify_file_rows(found: Verification, database: Path | None = None) -> ResultRows:
    """Compare the rows of every file that is there with its manifest; damaged files are skipped.

    A database is compared with them at the same time; see ``Verification.matched``.
    """
    results: ResultRows = {}
    with (
        open_for_files() as connection,
        open_stored(database, found) as stored,
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        reader = FileReader(connection, thread)
        for files, pending in reader.read_all(_batches(found)):
            for read, rows in _read(reader, files, pending, found):
                stored.compare(read[0].table, rows.forms)
                results |= _verify(read, rows, found)
    return results


def _batches(found: Verification) -> Iterator[Files]:
    """Yield files of the same table and columns, whose rows are read in one query."""
    files = sorted(_files(found), key=_kind)
    for _, of_a_kind in groupby(files, key=_kind):
        yield from in_batches(of_a_kind, lambda file: file.digest.row_count)


def _kind(file: File) -> tuple[str, Sequence[str]]:
    return file.table.name, file.digest.columns


def _files(found: Verification) -> Iterator[File]:
    loads = {each.manifest.sequence: each for each in loads_of(found.chain)}
    for entry in found.chain:
        for name, digest in entry.manifest.tables.items():
            path = entry.file(name)
            if path is None or not found.is_readable(path):
                continue
            table = archive_tables.BY_NAME[name]
            yield File(entry, table, digest, path, tuple(_parts(entry, table, digest, loads)))


def _parts(
    entry: ChainEntry, table: ArchiveTable, digest: TableDigest, loads: Mapping[int, ChainEntry]
) -> Iterator[Part]:
    """Yield the loads whose rows a file holds, in the order of their rows."""
    if LOAD_ID.name not in table.column_names:
        return
    if entry.manifest.load is not None:
        yield Part(entry, digest.row_count, digest.rows_sha256)
        return
    for restated in sorted(entry.manifest.restates, key=lambda each: each.sequence):
        if restated.table == table.name and restated.row_count and restated.sequence in loads:
            yield Part(loads[restated.sequence], restated.row_count, restated.rows_sha256)


def _read(
    reader: FileReader, files: Files, pending: "Future[list[pa.RecordBatch]]", found: Verification
) -> Iterator[tuple[Files, FileRows]]:
    """Yield files and their rows; file by file if one fails, to name it."""
    try:
        yield files, FileRows(files[0], pending.result())
    except UNREADABLE as error:
        if len(files) > 1:
            for file in files:
                yield from _read(reader, [file], reader.read([file]), found)
        else:
            _add_unreadable(files[0], error, found)


def _add_unreadable(file: File, error: Exception, found: Verification) -> None:
    # A file of anybody can demand any amount of memory. It can also have these words as a text.
    if MEMORY_LIMIT_REACHED in own_words(error):
        detail = f"its rows were not verified: to read them takes more than {MEMORY_LIMIT}"
        found.add_file(file.entry, file.path.name, detail, Fault.UNREAD)
    else:
        where, words = f"{file.entry.name}/{file.path.name}", "its rows cannot be read: "
        found.add_unreadable(where, error, entry=file.entry.name, words=words)
    found.damaged.add(str(file.path))


def _verify(files: Files, rows: FileRows, found: Verification) -> ResultRows:
    """Verify files, and return the columns that results of projects are made of."""
    results: ResultRows = {}
    start = 0
    for file in files:
        row_count = file.digest.row_count
        detail = _describe(file, rows, start)
        if detail is not None:
            found.add_file(file.entry, file.path.name, detail)
            found.damaged.add(str(file.path))
        elif rows.results.num_columns:
            results[file.table.name, file.entry.name] = rows.results.slice(start, row_count)
        start += row_count
    return results


def _describe(file: File, rows: FileRows, start: int) -> str | None:
    """Describe what is wrong with the rows of a file, which begin at ``start``."""
    end = start + file.digest.row_count
    if rows.sha256(start, end) != file.digest.rows_sha256:
        return "its rows differ from the digest in the manifest"
    if rows.lack_values(start, end):
        return "its rows lack values that every row has"
    if not file.marks:
        return None
    if sum(part.row_count for part in file.parts) != file.digest.row_count:
        return "it holds other rows than those of the loads that it restates"
    for part in file.parts:
        end = start + part.row_count
        detail = _describe_part(file, part, rows, start, end)
        if detail is not None:
            return f"{detail}, in its rows of {part.load.name}"
        start = end
    return None


def _describe_part(file: File, part: Part, rows: FileRows, start: int, end: int) -> str | None:
    if len(file.parts) > 1 and rows.sha256(start, end) != part.rows_sha256:
        return "its rows differ from the digest of this load"
    for name in file.marks:
        values = rows.marks(name, start, end)
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
