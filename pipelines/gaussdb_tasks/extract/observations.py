"""Sort received records: new states, rejected records, and the tasks that windows list."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from gaussdb_tasks.contract import STATUS_RUNNING
from gaussdb_tasks.extract.change_detection import ChangeDetector, Version
from gaussdb_tasks.extract.traits import ApiTraits
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.task_columns import ListedTask, TaskColumns, normalise_documented
from gaussdb_tasks.model.times import Micros

_MIN_DURATION_MS: Final = 5_000


class Batch(NamedTuple):
    """The new states and rejected records of a few pages.

    Attributes:
        new: tasks that are seen for the first time, in version 1.
        versions: all other states.
    """

    new: TaskColumns
    versions: list[Version]
    rejections: list[Rejection]


class Listed(NamedTuple):
    """The tasks of one reading, and the records that are not tasks.

    Attributes:
        others: the tasks that are not in the columns, by the ``id`` of their record.
    """

    columns: TaskColumns
    others: Mapping[int, Task]
    rejections: Sequence[Rejection]

    def oldest(self) -> Micros | None:
        """Return the earliest start."""
        starts = chain(self.columns.created_at, (task.created_at for task in self.others.values()))
        return min(starts, default=None)

    def in_flight(self) -> Iterator[Task | ListedTask]:
        """Yield the tasks that have not ended."""
        yield from self.columns.in_flight()
        yield from (task for task in self.others.values() if not task.is_final)

    def first_longer_than(self, duration_ms: int) -> Task | ListedTask | None:
        """Return a task that has ended and took at least so long; None if there is none."""
        for row, duration in enumerate(self.columns.durations()):
            if (duration or 0) >= duration_ms:
                return self.columns.listed(row)
        others = self.others.values()
        return next((task for task in others if (task.duration_ms or 0) >= duration_ms), None)


class Observations:
    """The tasks of a project that one load has seen so far.

    Attributes:
        changes: compares the tasks with their known states.
        open_swept: start by job_id of tasks in flight that the query for running tasks listed.
        open_listed: tasks in flight that a window of time listed.
        ended: a task that a window listed and that took some seconds; None before the first.
        oldest_listed: the earliest start that a window listed.
        listed_rejects: rejected records that a window listed, by hash.
    """

    def __init__(self, changes: ChangeDetector, traits: ApiTraits) -> None:
        self.changes = changes
        self.open_swept: dict[str, Micros] = {}
        self.open_listed: set[str] = set()
        self.ended: Task | ListedTask | None = None
        self.oldest_listed: Micros | None = None
        self.listed_rejects: set[str] = set()
        self._traits = traits

    def open_seen(self) -> set[str]:
        """Return the tasks in flight that were seen, which need no separate window."""
        return self.open_swept.keys() | self.open_listed

    def observe(
        self,
        records: Iterable[Record],
        note: Callable[[Listed], None] | None = None,
        *,
        unlisted: Iterable[Record] = (),
    ) -> Batch:
        """Normalise the records of one reading and return those that are new to the archive.

        Args:
            records: as received, repeats included.
            note: records how tasks were listed; by default, that a window of time listed them.
            unlisted: records of the same reading that say nothing about how a task is listed.
        """
        records, unlisted = tuple(records), tuple(unlisted)
        apart, listed = _normalised(unlisted), _normalised(records)
        (note or self.note_listed)(listed)
        if note is None:
            self.listed_rejects.update(each.record_hash for each in listed.rejections)
        rejections = (*apart.rejections, *listed.rejections)
        others = {**apart.others, **listed.others}
        odd = {task.job_id for task in others.values()}
        new, to_compare = self.changes.states.recognise(apart.columns + listed.columns, odd)
        compared = (record for record in (*unlisted, *records) if record.identity in to_compare)
        outcomes = (others.get(id(record)) or normalise(record) for record in compared)
        return Batch(
            new,
            self.changes.observe(task for task in outcomes if isinstance(task, Task))
            if to_compare
            else [],
            [rejection for rejection in rejections if self.changes.reject(rejection)],
        )

    def note_swept(self, listed: Listed) -> None:
        """Record that the query for running tasks listed some tasks."""
        self.open_swept.update((task.job_id, task.created_at) for task in listed.in_flight())

    def note_listed(self, listed: Listed) -> None:
        """Record that a window of time listed some tasks."""
        oldest = listed.oldest()
        if self.oldest_listed is None or (oldest is not None and oldest < self.oldest_listed):
            self.oldest_listed = oldest
        for task in listed.in_flight():
            self._note_open(task)
        if self.ended is None:
            self.ended = listed.first_longer_than(_MIN_DURATION_MS)

    def _note_open(self, task: Task | ListedTask) -> None:
        self.open_listed.add(task.job_id)
        if task.ended_at is None:
            self._traits.filters_by_start = True
        if task.status == STATUS_RUNNING and task.job_id not in self.open_swept:
            self._traits.add_unswept(task.created_at)


def _normalised(records: Iterable[Record]) -> Listed:
    columns, others = normalise_documented(records)
    outcomes = {id(record): normalise(record) for record in others}
    return Listed(
        columns,
        {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, Task)},
        [outcome for outcome in outcomes.values() if isinstance(outcome, Rejection)],
    )
