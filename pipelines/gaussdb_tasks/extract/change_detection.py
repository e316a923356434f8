"""Comparing what is seen with what is known: which records are new states, and which version.

A record is a new version when its content differs from the last known version of its task, so a
task that was Running, Failed and Running again on three nights has three. A task that is not seen
changes nothing.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import Micros


class TaskChange(Enum):
    """What a sighting adds to what is known."""

    NEW = "new"
    """A task that was never seen before."""
    CHANGED = "changed"
    """A known task in a new state."""
    CONFIRMED = "confirmed"
    """A task in flight, still in the state that is known."""


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
    """The tasks of a project as known, growing while a load sees more of them.

    Attributes:
        superseded: (job_id, version) of what this load has seen and then seen changed again.
        vanishings: tasks found deleted by this load, and tasks once found deleted, now back.
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
        """How many distinct tasks were seen."""
        return len(self._seen)

    @property
    def changed_count(self) -> int:
        """How many tasks known before were seen in a new state."""
        return len(self._changed)

    def has_seen(self, job_id: str) -> bool:
        """Tell whether the task was seen in this load."""
        return job_id in self._seen

    def is_final(self, job_id: str) -> bool:
        """Tell whether the task is known to have ended."""
        known = self._tasks.get(job_id)
        return known is not None and known.is_final

    def tasks(self) -> Iterator[tuple[str, KnownTask]]:
        """Yield every known task that is listed, with its job_id."""
        return (item for item in self._tasks.items() if item[1].vanished_at is None)

    def known(self) -> dict[str, KnownTask]:
        """Return every known task, deleted ones among them, by job_id."""
        return self._tasks

    def rejected(self) -> dict[str, Micros | None]:
        """Return the rejected records by hash, with their time where it can be read."""
        return self._rejected

    def see(self, task: Task) -> Version | None:
        """Compare a task with what is known; None if it adds nothing."""
        is_first_sight = task.job_id not in self._seen
        self._seen.add(task.job_id)
        known = self._recall(task)
        if known is None:
            self.new_count += 1
            return self._remember(task, 1, TaskChange.NEW, first_seen_at=self._observed_at)
        # What tells a task from others stays as it was first seen; raw keeps what came.
        if task.created_at != known.created_at:
            task = task.started_at(known.created_at)
        if known.version_hash != task.version_hash:
            if not is_first_sight and not self._is_new_in_load(task, known):
                return None
            if task.job_id in self._before:
                self._changed.add(task.job_id)
            return self._remember(
                task, known.version + 1, TaskChange.CHANGED, first_seen_at=known.first_seen_at
            )
        if known.is_final or not is_first_sight:
            return None
        first_seen_at, last_changed_at = known.first_seen_at, known.last_changed_at
        return Version(task, known.version, TaskChange.CONFIRMED, first_seen_at, last_changed_at)

    def _is_new_in_load(self, task: Task, known: KnownTask) -> bool:
        """Tell whether this load sees this state of a task for the first time.

        A list that shows a task twice, in two states, is no flicker each time it is read again.
        """
        states = self._states.setdefault(task.job_id, {known.version_hash})
        if task.version_hash in states:
            return False
        states.add(task.version_hash)
        self.superseded.add((task.job_id, known.version))
        return True

    def reject(self, rejection: Rejection) -> bool:
        """Note a record that is no task; False if it is known already."""
        is_new = rejection.record_hash not in self._rejected
        self._rejected[rejection.record_hash] = rejection.created_at
        self.gone_rejects.discard(rejection.record_hash)
        return is_new

    def miss(self, job_id: str) -> None:
        """Note that a known task's record is gone from the task center."""
        known = self._tasks[job_id]
        self._tasks[job_id] = known._replace(vanished_at=self._observed_at)
        self.vanishings.append(Vanishing(job_id, known.created_at, self._observed_at, None))

    def _recall(self, task: Task) -> KnownTask | None:
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

    def _remember(
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
