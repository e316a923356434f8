"""Compare observed tasks with their known states: which states are new, and which version.

A record is a new version if its content differs from the last known version of its task. So a task
that was Running, Failed and Running again in three loads has three versions. A task that a load
does not see stays unchanged.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import Micros


class TaskChange(Enum):
    """The change that an observation adds to the known state of a task."""

    NEW = "new"
    """A task that was never seen before."""
    CHANGED = "changed"
    """A known task in a new state."""
    CONFIRMED = "confirmed"
    """A task in flight, still in the known state."""


class Version(NamedTuple):
    """A task's state as it enters the archive."""

    task: Task
    version: int
    change: TaskChange
    first_seen_at: Micros
    last_changed_at: Micros


class Vanishing(NamedTuple):
    """A task whose record was deleted from the task center, or one that is listed again."""

    job_id: str
    created_at: Micros
    vanished_at: Micros
    reappeared_at: Micros | None


class ChangeDetector:
    """The known tasks of a project, updated by each task that a load observes.

    Attributes:
        superseded: (job_id, version) of states that this load has seen and then seen changed.
        vanishings: tasks that this load found deleted, and deleted tasks that are listed again.
        new_count: tasks seen for the first time.
        gone_rejects: rejected records that are no longer listed, by hash.
    """

    def __init__(
        self,
        state: ProjectState,
        observed_at: Micros,
        find: Callable[[str, Micros], KnownTask | None],
    ) -> None:
        self.superseded: set[tuple[str, int]] = set()
        self.vanishings: list[Vanishing] = []
        self.new_count = 0
        self.gone_rejects: set[str] = set(state.gone_rejects)
        self._known_from = state.known_from
        self._observed_at = observed_at
        self._find = find
        self._before: dict[str, KnownTask] = dict(state.tasks)
        self._tasks: dict[str, KnownTask] = dict(state.tasks)
        self._rejected: dict[str, Micros | None] = dict(state.rejected)
        self._seen: set[str] = set()
        self._states: dict[str, set[str]] = {}
        self._changed: set[str] = set()

    @property
    def seen_count(self) -> int:
        """Number of distinct tasks that were seen."""
        return len(self._seen)

    @property
    def changed_count(self) -> int:
        """Number of known tasks that were seen in a new state."""
        return len(self._changed)

    def has_seen(self, job_id: str) -> bool:
        """Check whether this load has seen the task."""
        return job_id in self._seen

    def is_final(self, job_id: str) -> bool:
        """Check whether the last known state of the task is final."""
        known = self._tasks.get(job_id)
        return known is not None and known.is_final

    def tasks(self) -> Iterator[tuple[str, KnownTask]]:
        """Yield job_id and state of every known task that is not deleted."""
        return (item for item in self._tasks.items() if item[1].vanished_at is None)

    def known_tasks(self) -> dict[str, KnownTask]:
        """Return every known task, deleted ones included, by job_id."""
        return self._tasks

    def rejected(self) -> dict[str, Micros | None]:
        """Return the created_at of rejected records by hash; None where it cannot be read."""
        return self._rejected

    def observe(self, task: Task) -> Version | None:
        """Compare a task with its known state; return None if it adds nothing."""
        is_first_sight = task.job_id not in self._seen
        self._seen.add(task.job_id)
        known = self._known_task(task)
        if known is None:
            self.new_count += 1
            return self._add_version(task, 1, TaskChange.NEW, first_seen_at=self._observed_at)
        # The columns that identify a task stay as first seen; raw keeps what was received.
        if task.created_at != known.created_at:
            task = task.started_at(known.created_at)
        if known.version_hash != task.version_hash:
            if not is_first_sight and not self._is_new_in_load(task, known):
                return None
            if task.job_id in self._before:
                self._changed.add(task.job_id)
            return self._add_version(
                task, known.version + 1, TaskChange.CHANGED, first_seen_at=known.first_seen_at
            )
        if known.is_final or not is_first_sight:
            return None
        first_seen_at, last_changed_at = known.first_seen_at, known.last_changed_at
        return Version(task, known.version, TaskChange.CONFIRMED, first_seen_at, last_changed_at)

    def reject(self, rejection: Rejection) -> bool:
        """Record a record that is not a task; return False if it was rejected before."""
        is_new = rejection.record_hash not in self._rejected
        self._rejected[rejection.record_hash] = rejection.created_at
        self.gone_rejects.discard(rejection.record_hash)
        return is_new

    def mark_missing(self, job_id: str) -> None:
        """Record that a known task was deleted from the task center."""
        known = self._tasks[job_id]
        self._tasks[job_id] = known._replace(vanished_at=self._observed_at)
        self.vanishings.append(Vanishing(job_id, known.created_at, self._observed_at, None))

    def _is_new_in_load(self, task: Task, known: KnownTask) -> bool:
        """Check whether this load sees this state of a task for the first time.

        A list may show a task twice, in two states. Reading it again must not add versions.
        """
        states = self._states.setdefault(task.job_id, {known.version_hash})
        if task.version_hash in states:
            return False
        states.add(task.version_hash)
        self.superseded.add((task.job_id, known.version))
        return True

    def _known_task(self, task: Task) -> KnownTask | None:
        known = self._tasks.get(task.job_id)
        if known is None and task.created_at < self._known_from:
            known = self._find(task.job_id, task.created_at)
            if known is not None:
                self._before[task.job_id] = known
        if known is not None and known.vanished_at is not None:
            self.vanishings.append(
                Vanishing(task.job_id, known.created_at, known.vanished_at, self._observed_at)
            )
            known = known._replace(vanished_at=None)
        if known is not None:
            self._tasks[task.job_id] = known
        return known

    def _add_version(
        self, task: Task, version: int, change: TaskChange, *, first_seen_at: Micros
    ) -> Version:
        self._tasks[task.job_id] = KnownTask(
            task.created_at,
            version,
            task.version_hash,
            task.is_final,
            first_seen_at,
            self._observed_at,
        )
        return Version(task, version, change, first_seen_at, self._observed_at)
