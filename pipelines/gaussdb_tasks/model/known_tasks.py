"""Known tasks of a large month, in columns.

As tuples, a million known tasks would take 700 MB and seconds. Most of them are only counted.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gaussdb_tasks.model.project_state import KnownTask
from gaussdb_tasks.model.times import Micros

_TYPES: Final[Mapping[str, pa.DataType]] = {
    "job_id": pa.string(),
    "created_at": pa.int64(),
    "version": pa.int64(),
    "version_hash": pa.string(),
    "is_final": pa.bool_(),
    "first_seen_at": pa.int64(),
    "last_changed_at": pa.int64(),
    "vanished_at": pa.int64(),
}
SCHEMA: Final = pa.schema(_TYPES)
"""The job_id, and the fields of ``KnownTask``."""


_MIN_ROWS_IN_COLUMNS: Final = 5_000


class KnownStart(NamedTuple):
    """A known task, reduced to what a count of tasks needs."""

    job_id: str
    created_at: Micros
    is_final: bool


class KnownTasks(Mapping[str, KnownTask]):
    """Known tasks by job_id, each made from its columns when it is asked for.

    Args:
        columns: a row for each task, with ``SCHEMA``.
    """

    def __init__(self, columns: pa.Table) -> None:
        self._columns = columns
        # Sorted hashes of the job_ids, and the row of each: a tenth of the memory of a dictionary.
        hashes = pa.array(map(hash, self), pa.int64())
        order = pc.sort_indices(hashes)
        self._hashes = _integers(hashes.take(order), "q")
        self._rows = _integers(order, "Q")

    def __len__(self) -> int:
        return int(self._columns.num_rows)

    def __iter__(self) -> Iterator[str]:
        return self._values("job_id")

    def __getitem__(self, job_id: str) -> KnownTask:
        row = self._row(job_id)
        if row is None:
            raise KeyError(job_id)
        return next(_tasks(self._columns.slice(row, 1)))[1]

    def __contains__(self, job_id: object) -> bool:
        return self._row(job_id) is not None

    def among(self, job_ids: Iterable[str]) -> dict[str, KnownTask]:
        """Return those of some tasks that are known."""
        rows = [row for row in map(self._row, job_ids) if row is not None]
        return dict(_tasks(self._columns.take(rows))) if rows else {}

    def in_flight(self) -> dict[str, KnownTask]:
        """Return the tasks that may still change."""
        is_open = pc.invert(self._columns["is_final"])
        return dict(_tasks(self._columns.filter(pc.and_(self._is_listed(), is_open))))

    def count_finals(self, since: Micros) -> int:
        """Count the final tasks created since then that are not deleted."""
        return int(pc.sum(self._listed(since)["is_final"]).as_py() or 0)

    def starts(self, since: Micros) -> Iterator[KnownStart]:
        """Yield each task created since then that is not deleted."""
        listed = self._listed(since)
        return map(KnownStart, *(_values(listed[name]) for name in KnownStart._fields))

    def sorted_starts(self) -> Sequence[Micros]:
        """Return created_at of each task that is not deleted."""
        created_at = self._columns["created_at"].filter(self._is_listed())
        return sorted_times(created_at.combine_chunks())

    def _is_listed(self) -> Any:
        return pc.is_null(self._columns["vanished_at"])

    def _listed(self, since: Micros) -> pa.Table:
        is_since = pc.greater_equal(self._columns["created_at"], pa.scalar(since, pa.int64()))
        columns = self._columns.select(KnownStart._fields)
        return columns.filter(pc.and_(self._is_listed(), is_since))

    def _values(self, name: str) -> Iterator[Any]:
        return _values(self._columns[name])

    def _row(self, job_id: object) -> int | None:
        wanted = hash(job_id)
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            row = int(self._rows[at])
            if self._columns["job_id"][row].as_py() == job_id:
                return row
            at += 1
        return None


def sorted_times(times: "Iterable[Micros] | pa.Array[Any]") -> Sequence[Micros]:
    """Return times in order, in 8 bytes each."""
    return _integers(pa.array(times, pa.int64()).sort(), "q")


def of_columns(columns: pa.Table) -> Mapping[str, KnownTask]:
    """Return known tasks from columns with ``SCHEMA``; a few are a dictionary, which is faster."""
    if columns.num_rows < _MIN_ROWS_IN_COLUMNS:
        return dict(_tasks(columns))
    return KnownTasks(columns)


def among(tasks: Mapping[str, KnownTask], job_ids: Iterable[str]) -> dict[str, KnownTask]:
    """Return those of some tasks that are known."""
    if isinstance(tasks, KnownTasks):
        return tasks.among(job_ids)
    return {job_id: tasks[job_id] for job_id in job_ids if job_id in tasks}


def in_flight(tasks: Mapping[str, KnownTask]) -> dict[str, KnownTask]:
    """Return the known tasks that may still change."""
    if isinstance(tasks, KnownTasks):
        return tasks.in_flight()
    return {job_id: known for job_id, known in tasks.items() if known.is_in_flight}


def count_finals(tasks: Mapping[str, KnownTask], since: Micros) -> int:
    """Count the final tasks created since then that are not deleted."""
    if isinstance(tasks, KnownTasks):
        return tasks.count_finals(since)
    return sum(start.is_final for start in starts(tasks, since))


def starts(tasks: Mapping[str, KnownTask], since: Micros) -> Iterator[KnownStart]:
    """Yield each known task created since then that is not deleted."""
    if isinstance(tasks, KnownTasks):
        return tasks.starts(since)
    return (
        KnownStart(job_id, known.created_at, known.is_final)
        for job_id, known in tasks.items()
        if known.vanished_at is None and known.created_at >= since
    )


def sorted_starts(tasks: Mapping[str, KnownTask]) -> Sequence[Micros]:
    """Return created_at of each known task that is not deleted."""
    if isinstance(tasks, KnownTasks):
        return tasks.sorted_starts()
    return sorted(known.created_at for known in tasks.values() if known.vanished_at is None)


def _tasks(columns: pa.Table) -> Iterator[tuple[str, KnownTask]]:
    tasks = map(KnownTask, *(_values(columns[name]) for name in KnownTask._fields))
    return zip(_values(columns["job_id"]), tasks, strict=True)


def _values(column: "pa.ChunkedArray[Any]") -> Iterator[Any]:
    """Yield the values, chunk by chunk, so that they are not all in memory."""
    for chunk in column.chunks:
        yield from chunk.to_pylist()


def _integers(values: "pa.Array[Any]", code: Literal["q", "Q"]) -> "memoryview[int]":
    """Return a view of integers that are not null."""
    _, buffer = values.buffers()
    return memoryview(buffer or b"").cast(code)
