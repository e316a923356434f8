"""Read the rows of archive files: many files in one query, and the next ones in a thread."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql
from gaussdb_tasks.archive.canonical import FORM, LINE_BYTES, form_lines, read_forms, runs
from gaussdb_tasks.archive.manifest import TableDigest, sha256
from gaussdb_tasks.archive.project_results import RUN_COLUMNS, WINDOW_COLUMNS
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import LOAD_ID

_RESULT_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    archive_tables.LOAD_RUNS.name: RUN_COLUMNS,
    archive_tables.COVERAGE.name: WINDOW_COLUMNS,
}
# What a prepared file can make the reading of its rows raise.
UNREADABLE: Final = (duckdb.Error, DatabaseError, MemoryError)

_IS_MISSING: Final = "is_value_missing"


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one load in a file: their number, and their digest if only they have it."""

    load: ChainEntry
    row_count: int
    rows_sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A file, and the loads whose rows it holds; none for rows that are not of loads."""

    entry: ChainEntry
    table: ArchiveTable
    digest: TableDigest
    path: Path
    parts: Sequence[Part]

    @property
    def marks(self) -> tuple[str, ...]:
        """The columns whose values must be those of the load that wrote the row."""
        wanted = (LOAD_ID.name, self.table.clock, "run_id", "load_number")
        return tuple(name for name in wanted if name in self.digest.columns)


Files: TypeAlias = Sequence[File]
ResultRows: TypeAlias = dict[tuple[str, str], pa.Table]
"""The columns that the results of projects are made of, by table and entry."""


class FileRows:
    """Rows of files, one file after another.

    Attributes:
        lines: digests of the rows.
        results: the columns that the results of projects are made of; none for most tables.
        forms: the canonical forms of the rows, in batches.
    """

    def __init__(self, file: File, batches: Sequence[pa.RecordBatch]) -> None:
        """Hash the rows, which ``FileReader`` read; all files are of the kind of the given one."""
        self.forms: Final = [batch.column(FORM) for batch in batches]
        table = pa.Table.from_batches(batches)
        marks = (*file.marks, _IS_MISSING)
        self.lines: Final = memoryview(b"".join(map(form_lines, self.forms)))
        self._marks: Final = dict(zip(marks, map(_Runs, table.columns[1:]), strict=False))
        self.results: Final = table.select([*range(1 + len(marks), table.num_columns)])

    def sha256(self, start: int, end: int) -> str:
        """Return the digest of some rows."""
        return sha256(self.lines[start * LINE_BYTES : end * LINE_BYTES])

    def marks(self, name: str, start: int, end: int) -> list[Any]:
        """Return the values of a mark in some rows, once for each run of equal ones."""
        return self._marks[name].between(start, end)

    def lack_values(self, start: int, end: int) -> bool:
        """Whether a value that every row has is null in some rows."""
        return self.marks(_IS_MISSING, start, end) != [False]


class _Runs:
    """The runs of equal values in a column."""

    def __init__(self, column: "pa.ChunkedArray[Any]") -> None:
        self._values, self._ends = runs(column.combine_chunks())

    def between(self, start: int, end: int) -> list[Any]:
        return self._values[bisect_right(self._ends, start) : bisect_left(self._ends, end) + 1]


class FileReader:
    """Read files in a thread, so that others are read while rows are worked with.

    Only the thread, which has one worker, uses the connection; it is from ``open_for_files``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    def read(self, files: Files) -> "Future[list[pa.RecordBatch]]":
        """Begin to read files of the same table and columns."""
        return self._thread.submit(self._read, files)

    def read_all(
        self, batches: Iterable[Files]
    ) -> Iterator[tuple[Files, "Future[list[pa.RecordBatch]]"]]:
        """Yield each batch of files when the next one is being read, too."""
        before = None
        for files in batches:
            current = files, self.read(files)
            if before is not None:
                yield before
            before = current
        if before is not None:
            yield before

    def _read(self, files: Files) -> list[pa.RecordBatch]:
        table, columns = files[0].table, files[0].digest.columns
        relation = parquet_sql(*(file.path for file in files), has_same_columns=True)
        more = [*_marks_sql(files[0]), *_result_columns(files[0])]
        batches = list(read_forms(self._connection, table, relation, columns, more))
        row_count = sum(batch.num_rows for batch in batches)
        expected = sum(file.digest.row_count for file in files)
        if row_count != expected:
            message = f"{row_count:,} rows were read instead of {expected:,}"
            raise DatabaseError(message)
        return batches


def _marks_sql(file: File) -> Iterator[str]:
    for name in file.marks:
        yield f"epoch_us({name})" if name == file.table.clock else name
    required = [column.name for column in file.table.columns if not column.nullable]
    yield " or ".join(f"{name} is null" for name in required)


def _result_columns(file: File) -> Sequence[str]:
    return _RESULT_COLUMNS.get(file.table.name, ())
