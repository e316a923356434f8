"""Sort received records: new states, rejected records, and the tasks that windows list."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from gaussdb_tasks.contract import STATUS_RUNNING
from gaussdb_tasks.extract.change_detection import ChangeDetector, Version
from gaussdb_tasks.extract.traits import ApiTraits
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import Micros

_MIN_DURATION_MS: Final = 5_000


class Batch(NamedTuple):
    """The new states and rejected records of a few pages."""

    versions: list[Version]
    rejections: list[Rejection]


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
        self.ended: Task | None = None
        self.oldest_listed: Micros | None = None
        self.listed_rejects: set[str] = set()
        self._traits = traits

    def open_seen(self) -> set[str]:
        """Return the tasks in flight that were seen, which need no separate window."""
        return self.open_swept.keys() | self.open_listed

    def observe(
        self,
        records: Iterable[Record],
        note: Callable[[Task], None] | None = None,
        *,
        unlisted: Iterable[Record] = (),
    ) -> Batch:
        """Normalise the records of one reading and return those that are new to the archive.

        Args:
            records: as received, repeats included.
            note: records how a task was listed; by default, that a window of time listed it.
            unlisted: records of the same reading that say nothing about how a task is listed.
        """
        rejections: list[Rejection] = []
        tasks = [
            *self._tasks(unlisted, rejections, lambda _task: None),
            *self._tasks(records, rejections, note),
        ]
        return Batch(self.changes.observe(tasks), rejections)

    def _tasks(
        self,
        records: Iterable[Record],
        rejections: list[Rejection],
        note: Callable[[Task], None] | None,
    ) -> Iterator[Task]:
        """Yield the records that are tasks; add rejections that are new to the archive."""
        for record in records:
            outcome = normalise(record)
            if isinstance(outcome, Task):
                (note or self.note_listed)(outcome)
                yield outcome
                continue
            if self.changes.reject(outcome):
                rejections.append(outcome)
            if note is None:
                self.listed_rejects.add(outcome.record_hash)

    def note_swept(self, task: Task) -> None:
        """Record that the query for running tasks listed a task."""
        if not task.is_final:
            self.open_swept[task.job_id] = task.created_at

    def note_listed(self, task: Task) -> None:
        """Record that a window of time listed a task."""
        if self.oldest_listed is None or task.created_at < self.oldest_listed:
            self.oldest_listed = task.created_at
        if not task.is_final:
            self._note_open(task)
        elif self.ended is None and (task.duration_ms or 0) >= _MIN_DURATION_MS:
            self.ended = task

    def _note_open(self, task: Task) -> None:
        self.open_listed.add(task.job_id)
        if task.ended_at is None:
            self._traits.filters_by_start = True
        if task.status == STATUS_RUNNING and task.job_id not in self.open_swept:
            self._traits.add_unswept(task.created_at)
