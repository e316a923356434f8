"""Sorting out what was received: new states, rejected records, and what the windows show."""

from collections.abc import Iterable
from typing import NamedTuple

from gaussdb_tasks.history import History, Version
from gaussdb_tasks.instants import Micros
from gaussdb_tasks.normalise import Rejection, Task, normalise
from gaussdb_tasks.records import Record


class Batch(NamedTuple):
    """What a few pages add to the archive."""

    versions: list[Version]
    rejections: list[Rejection]


class Sightings:
    """What one load has seen of a project so far.

    Attributes:
        open_swept: tasks in flight that the sweep for running tasks showed, and their start.
        open_listed: tasks in flight that a window of time listed.
        is_endless_listed: whether a window listed a task without any end.
        oldest_listed: the earliest start that a window listed.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.open_swept: dict[str, Micros] = {}
        self.open_listed: set[str] = set()
        self.is_endless_listed = False
        self.oldest_listed: Micros | None = None

    def open_seen(self) -> set[str]:
        """Return the tasks in flight that were seen, so that nobody need look for them."""
        return self.open_swept.keys() | self.open_listed

    def sort_out(self, records: Iterable[Record], *, is_sweep: bool = False) -> Batch:
        """Normalise records and keep what the archive does not know yet."""
        batch = Batch([], [])
        for record in records:
            outcome = normalise(record)
            if isinstance(outcome, Rejection):
                if self.history.reject(outcome):
                    batch.rejections.append(outcome)
                continue
            version = self.history.see(outcome)
            if version is not None:
                batch.versions.append(version)
            if is_sweep:
                self._note_swept(outcome)
            else:
                self._note_listed(outcome)
        return batch

    def _note_swept(self, task: Task) -> None:
        if not task.is_final:
            self.open_swept[task.job_id] = task.created_at

    def _note_listed(self, task: Task) -> None:
        if self.oldest_listed is None or task.created_at < self.oldest_listed:
            self.oldest_listed = task.created_at
        if not task.is_final:
            self.open_listed.add(task.job_id)
            self.is_endless_listed = self.is_endless_listed or task.ended_at is None
