"""Normalise documented records by columns. Pure.

``normalise`` defines the result, record by record. These records are left to it: those that are not
as documented, those that are not tasks, and those whose end cannot be read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from itertools import compress
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec.structs import astuple

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.model.normalise import read_percent
from gaussdb_tasks.model.record import InstanceFields, Record, TaskFields
from gaussdb_tasks.model.task import duration_between
from gaussdb_tasks.model.time_columns import read_times
from gaussdb_tasks.model.times import Micros

_ENCODER: Final = msgspec.json.Encoder()
_RAW: Final = attrgetter("raw")
_CONTENT: Final = attrgetter("content")
_IDENTITY: Final = attrgetter("identity")


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
        """Return some of the tasks, in their order."""
        if len(rows) == len(self):
            return self
        is_taken = bytearray(len(self))
        for row in rows:
            is_taken[row] = True
        return TaskColumns(*(list(compress(column, is_taken)) for column in self._all()))

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
        tasks = _fields_by_name(TaskFields, map(_CONTENT, self.records))
        instances = _fields_by_name(InstanceFields, tasks["instance_info"])
        return {
            "job_id": self.job_ids,
            "task_name": tasks["name"],
            "status": tasks["status"],
            "progress_percent": _read_percents(tasks["process"]),
            "fail_reason": tasks["fail_reason"],
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            **instances,
            "extra": [None] * len(self),
            "raw": list(map(_RAW, self.records)),
            "version_hash": self.version_hash,
            "is_final": self.is_final,
            "duration_ms": list(self.durations()),
        }

    def _all(self) -> Iterator[Sequence[Any]]:
        return (getattr(self, column.name) for column in fields(self))


NO_TASKS: Final = TaskColumns((), (), (), (), (), ())


def normalise_documented(records: Iterable[Record]) -> tuple[TaskColumns, list[Record]]:
    """Normalise records by columns; return the records that need ``normalise``, too."""
    documented = list(records)
    others = [record for record in documented if not isinstance(record.content, TaskFields)]
    if others:
        documented = [record for record in documented if isinstance(record.content, TaskFields)]
    tasks: list[TaskFields] = list(map(_CONTENT, documented))
    starts = read_times([task.created_at for task in tasks])
    ends = read_times([task.ended_at or None for task in tasks])
    columns = TaskColumns(
        documented,
        list(map(_IDENTITY, documented)),
        cast("list[Micros]", starts),
        ends,
        _are_final([task.status or None for task in tasks]),
        _hashes(tasks),
    )
    if None not in starts and None not in ends:
        return columns, others
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


def _fields_by_name(
    kind: type[msgspec.Struct], structs: Iterable[msgspec.Struct | None]
) -> dict[str, Sequence[Any]]:
    """Return the values of each field; those that are missing or empty are None."""
    names = kind.__struct_fields__
    nothing = (None,) * len(names)
    rows = [astuple(struct) if struct else nothing for struct in structs]
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {
        name: column if all(column) else [value or None for value in column]
        for name, column in zip(names, columns, strict=True)
    }


def _are_final(statuses: Sequence[str | None]) -> list[bool]:
    final = {status: is_final(status) for status in set(statuses)}
    return [final[status] for status in statuses]


def _read_percents(texts: Sequence[str | None]) -> list[float | None]:
    read = {text: read_percent(text) for text in set(texts)}
    return [read[text] for text in texts]
