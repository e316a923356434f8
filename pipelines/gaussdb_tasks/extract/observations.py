"""Sorting out what was received: new states, rejected records, and what the windows show."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from gaussdb_tasks.contract import STATUS_RUNNING
from gaussdb_tasks.extract.change_detection import ChangeDetector, Version
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import Micros

_SOME_SECONDS_MS: Final = 5_000


class Batch(NamedTuple):
    """What a few pages add to the archive."""

    versions: list[Version]
    rejections: list[Rejection]


class Observations:
    """What one load has seen of a project so far.

    Attributes:
        open_swept: tasks in flight that the sweep for running tasks showed, and their start.
        open_listed: tasks in flight that a window of time listed.
        is_endless_listed: whether a window listed a task without any end.
        unswept_running: when the oldest task was started that a window listed as running although
            the sweep had left it out.
        oldest_listed: the earliest start that a window listed.
        listed_rejects: rejected records that a window listed, by hash.
        looks_at_starts: whether windows were seen to list tasks whatever their ends are.
        ended: a task that was listed and had run for some seconds; None before the first.
    """

    def __init__(self, history: ChangeDetector) -> None:
        self.history = history
        self.open_swept: dict[str, Micros] = {}
        self.open_listed: set[str] = set()
        self.looks_at_starts = False
        self.ended: Task | None = None
        self.unswept_running: Micros | None = None
        self.oldest_listed: Micros | None = None
        self.listed_rejects: set[str] = set()

    def open_seen(self) -> set[str]:
        """Return the tasks in flight that were seen, so that nobody need look for them."""
        return self.open_swept.keys() | self.open_listed

    def sort_out(
        self, records: Iterable[Record], note: Callable[[Task], None] | None = None
    ) -> Batch:
        """Normalise records and keep what the archive does not know yet.

        Args:
            records: as received, repeats among them.
            note: what to note of each task: by default that a window of time listed it.
        """
        batch = Batch([], [])
        for record in records:
            outcome = normalise(record)
            if isinstance(outcome, Rejection):
                if self.history.reject(outcome):
                    batch.rejections.append(outcome)
                if note is None:
                    self.listed_rejects.add(outcome.record_hash)
                continue
            version = self.history.see(outcome)
            if version is not None:
                batch.versions.append(version)
            (note or self.note_listed)(outcome)
        return batch

    def note_swept(self, task: Task) -> None:
        """Note a task that the sweep for running tasks showed."""
        if not task.is_final:
            self.open_swept[task.job_id] = task.created_at

    def note_listed(self, task: Task) -> None:
        """Note a task that a window of time listed."""
        if self.oldest_listed is None or task.created_at < self.oldest_listed:
            self.oldest_listed = task.created_at
        if not task.is_final:
            self._note_open(task)
        elif self.ended is None and (task.duration_ms or 0) >= _SOME_SECONDS_MS:
            self.ended = task

    def _note_open(self, task: Task) -> None:
        self.open_listed.add(task.job_id)
        self.looks_at_starts = self.looks_at_starts or task.ended_at is None
        if task.status == STATUS_RUNNING and task.job_id not in self.open_swept:
            self.unswept_running = min(self.unswept_running or task.created_at, task.created_at)
