"""Normalise documented records by columns. Pure.

``normalise`` defines the result, record by record. These records are left to it: those that are not
as documented, those that are not tasks, and those whose end cannot be read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast

import msgspec

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.model.normalise import read_percent
from gaussdb_tasks.model.record import Record, TaskFields
from gaussdb_tasks.model.task import duration_between
from gaussdb_tasks.model.time_columns import read_times
from gaussdb_tasks.model.times import Micros

_ENCODER: Final = msgspec.json.Encoder()


class ListedTask(NamedTuple):
    """A task as listed, reduced to what an observation needs."""

    job_id: str
    status: str | None
    created_at: Micros
    ended_at: Micros | None


@dataclass(frozen=True, slots=True)
class TaskColumns:
    """Tasks in one state, each from one documented record: columns of the same length."""

    records: Sequence[Record]
    job_ids: Sequence[str]
    created_at: Sequence[Micros]
    ended_at: Sequence[Micros | None]
    is_final: Sequence[bool]
    version_hash: Sequence[str]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, rows: Sequence[int]) -> "TaskColumns":
        """Return some of the tasks."""
        if len(rows) == len(self):
            return self
        return TaskColumns(*([column[row] for row in rows] for column in self._all()))

    def __add__(self, other: "TaskColumns") -> "TaskColumns":
        if not (self and other):
            return self or other
        pairs = zip(self._all(), other._all(), strict=True)
        return TaskColumns(*([*first, *second] for first, second in pairs))

    def listed(self, row: int) -> ListedTask:
        """Return one of the tasks."""
        record = self.records[row]
        status = record.content.status or None
        return ListedTask(record.identity, status, self.created_at[row], self.ended_at[row])

    def in_flight(self) -> Iterator[ListedTask]:
        """Yield the tasks that have not ended."""
        return (self.listed(row) for row, ended in enumerate(self.is_final) if not ended)

    def durations(self) -> Iterator[int | None]:
        """Yield the duration of each task, in ms; None if it has none."""
        return (
            duration_between(created_at, ended_at, is_final=ended)
            for created_at, ended_at, ended in zip(
                self.created_at, self.ended_at, self.is_final, strict=True
            )
        )

    def values(self) -> dict[str, Sequence[Any]]:
        """Return the columns of ``Task``, by name."""
        tasks: list[TaskFields] = [record.content for record in self.records]
        instances = [task.instance_info for task in tasks]
        return {
            "job_id": self.job_ids,
            "task_name": [task.name or None for task in tasks],
            "status": [task.status or None for task in tasks],
            "progress_percent": _read_percents([task.process or None for task in tasks]),
            "fail_reason": [task.fail_reason or None for task in tasks],
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "instance_id": [(each and each.instance_id) or None for each in instances],
            "instance_name": [(each and each.instance_name) or None for each in instances],
            "instance_status": [(each and each.instance_status) or None for each in instances],
            "extra": [None] * len(self),
            "raw": [record.raw for record in self.records],
            "version_hash": self.version_hash,
            "is_final": self.is_final,
            "duration_ms": list(self.durations()),
        }

    def _all(self) -> Iterator[Sequence[Any]]:
        return (getattr(self, column.name) for column in fields(self))


NO_TASKS: Final = TaskColumns((), (), (), (), (), ())


def normalise_documented(records: Iterable[Record]) -> tuple[TaskColumns, list[Record]]:
    """Normalise records by columns; return the records that need ``normalise``, too."""
    documented: list[Record] = []
    others: list[Record] = []
    for record in records:
        (documented if isinstance(record.content, TaskFields) else others).append(record)
    tasks: list[TaskFields] = [record.content for record in documented]
    starts = read_times([task.created_at for task in tasks])
    ends = read_times([task.ended_at or None for task in tasks])
    columns = TaskColumns(
        documented,
        [record.identity for record in documented],
        cast("list[Micros]", starts),
        ends,
        [is_final(task.status or None) for task in tasks],
        _hashes(tasks),
    )
    fitting = [
        row
        for row, (task, start, end) in enumerate(zip(tasks, starts, ends, strict=True))
        if start is not None and (end is not None or not (task.ended_at or "").strip())
    ]
    if len(fitting) < len(documented):
        unfit = set(range(len(documented))).difference(fitting)
        others += [documented[row] for row in sorted(unfit)]
    return columns.take(fitting), others


def _hashes(tasks: Iterable[TaskFields]) -> list[str]:
    """Return the ``content_hash`` of each task."""
    buffer = bytearray()
    hashes: list[str] = []
    for task in tasks:
        _ENCODER.encode_into(task, buffer)
        hashes.append(sha256(buffer).hexdigest())
    return hashes


def _read_percents(texts: Sequence[str | None]) -> list[float | None]:
    read = {text: read_percent(text) for text in set(texts)}
    return [read[text] for text in texts]
