"""Compare observed tasks with their known states: which states are new, and which version.

If a load sees the latest known version of a task, only states that no version of it has are new. If
not, every state that the load sees is new. So a task that was Running, Failed and Running again in
three loads has three versions, and a task that every load sees in two states has two. A task that a
load does not see stays unchanged.

Readings follow each other in time, but pages of one reading are fetched at the same time. So the
states of a load are in the order of its readings, and those of one reading are in the order
unfinished before finished, then by progress, then as listed. If the latest known version is read
after new states, it is a new version again, or the latest version would be wrong. It is not if it
is unfinished and they are finished: then the service was behind.

Most tasks of a reading are seen for the first time, or are finished and as they were. They are
recognised by columns; all others are compared one by one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from gaussdb_tasks.extract.known_states import KnownStates
from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import Micros

FindHashes: TypeAlias = Callable[[Mapping[str, Micros]], Mapping[str, frozenset[str]]]
"""Finds the version_hash of every version of some tasks, given by job_id and created_at."""


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


@dataclass(slots=True)
class _ShownStates:
    """The states that a load sees of a task, if there are several or one that it had before.

    Attributes:
        hashes: the version_hash of each state seen.
        is_latest_seen: whether the latest known version is among them.
        waiting: states that may be new, in order: the rest of the load decides.
    """

    hashes: set[str]
    is_latest_seen: bool = False
    waiting: list[Task] = field(default_factory=list)


class ChangeDetector:
    """The known tasks of a project, updated by each task that a load observes.

    Attributes:
        states: the latest known states.
        superseded: (job_id, version) of states that this load has seen, and a later one too.
        vanishings: tasks that this load found deleted, and deleted tasks that are listed again.
        gone_rejects: rejected records that are no longer listed, by hash.
    """

    def __init__(
        self,
        state: ProjectState,
        observed_at: Micros,
        find: Callable[[str, Micros], KnownTask | None],
        find_hashes: FindHashes = lambda _tasks: {},
    ) -> None:
        self.superseded: set[tuple[str, int]] = set()
        self.vanishings: list[Vanishing] = []
        self.gone_rejects: set[str] = set(state.gone_rejects)
        self._observed_at = observed_at
        self._known_from = state.known_from
        self._find = find
        self._find_hashes = find_hashes
        self.states = KnownStates(state.tasks, state.known_from, observed_at)
        self._rejected: dict[str, Micros | None] = dict(state.rejected)
        self._earlier_hashes: Mapping[str, frozenset[str]] = state.earlier_hashes
        self._found_hashes: Mapping[str, frozenset[str]] = {}
        self._shown: dict[str, _ShownStates] = {}
        self._changed: set[str] = set()

    @property
    def seen_count(self) -> int:
        """Number of distinct tasks that were seen."""
        return self.states.seen_count

    @property
    def new_count(self) -> int:
        """Number of tasks that were seen for the first time."""
        return self.states.new_count

    @property
    def changed_count(self) -> int:
        """Number of known tasks that were seen in a new state."""
        return len(self._changed)

    def has_seen(self, job_id: str) -> bool:
        """Check whether this load has seen the task."""
        return self.states.has_seen(job_id)

    def is_final(self, job_id: str) -> bool:
        """Check whether the last known state of the task is final."""
        known = self.states.latest(job_id)
        return known is not None and known.is_final

    def known_tasks(self) -> dict[str, KnownTask]:
        """Return every known task, deleted ones included, by job_id."""
        return self.states.all_states()

    def forget_states(self) -> None:
        """Free the known states."""
        self.states = KnownStates({}, self._known_from, self._observed_at)

    def rejected(self) -> dict[str, Micros | None]:
        """Return the created_at of rejected records by hash; None where it cannot be read."""
        return self._rejected

    def earlier_hashes(self) -> dict[str, frozenset[str]]:
        """Return the version_hash of all versions but the latest of each task that has several."""
        earlier: dict[str, frozenset[str]] = {}
        for job_id, known in self.states.states():
            if known.version == 1:
                continue
            before, shown = self.states.before(job_id), self._shown.get(job_id)
            hashes = self._earlier_hashes.get(job_id, frozenset())
            hashes |= set() if before is None else {before.version_hash}
            hashes |= set() if shown is None else shown.hashes
            earlier[job_id] = hashes - {known.version_hash}
        return earlier

    def observe(self, tasks: Iterable[Task]) -> list[Version]:
        """Compare the tasks of one reading with their known states; return what they add."""
        ordered = list(_in_order(tasks))
        self._find_earlier(ordered)
        versions = map(self._observe, ordered)
        return [version for version in versions if version is not None]

    def settle(self, undecided: Collection[str] = ()) -> list[Version]:
        """Return the states that waited for the end of the load and are new.

        Args:
            undecided: tasks whose latest version may be listed and was not read; a state that one
                of their versions has is not new.
        """
        return [
            self._add_version(task)
            for job_id, shown in self._shown.items()
            for task in shown.waiting
            if job_id not in undecided or task.version_hash not in self._hashes_before(job_id)
        ]

    def reject(self, rejection: Rejection) -> bool:
        """Record a record that is not a task; return False if it was rejected before."""
        is_new = rejection.record_hash not in self._rejected
        self._rejected[rejection.record_hash] = rejection.created_at
        self.gone_rejects.discard(rejection.record_hash)
        return is_new

    def mark_missing(self, job_id: str) -> None:
        """Record that a known task was deleted from the task center."""
        known = self.states.latest(job_id)
        if known is None:
            raise KeyError(job_id)
        self.states.replace(job_id, known._replace(vanished_at=self._observed_at))
        self.vanishings.append(Vanishing(job_id, known.created_at, self._observed_at, None))

    def _observe(self, task: Task) -> Version | None:
        job_id = task.job_id
        is_first_sight = self.states.mark_seen(job_id)
        known = self._known_task(task)
        if known is None:
            return self._add_version(task)
        if is_first_sight:
            if task.version_hash == known.version_hash:
                return _confirmed(task, known)
            if task.version_hash not in self._hashes_before(job_id):
                return self._add_version(task)
            self._shown[job_id] = _ShownStates({task.version_hash}, waiting=[task])
            return None
        if job_id not in self._shown:
            if task.version_hash == known.version_hash:
                return None
            is_unchanged = known.version == self._version_before(job_id)
            self._shown[job_id] = _ShownStates({known.version_hash}, is_latest_seen=is_unchanged)
        return self._observe_another(task, known, self._shown[job_id])

    def _observe_another(self, task: Task, known: KnownTask, shown: _ShownStates) -> Version | None:
        """Compare a task with its known states, if this load has seen it before."""
        if task.version_hash in shown.hashes:
            return None
        shown.hashes.add(task.version_hash)
        before = self.states.before(task.job_id)
        earlier = self._hashes_before(task.job_id)
        if before is not None and task.version_hash == before.version_hash:
            shown.is_latest_seen = True
            shown.waiting = [each for each in shown.waiting if each.version_hash not in earlier]
            if known.version == before.version and not shown.waiting:
                return _confirmed(task, known)
            newest = shown.waiting[-1] if shown.waiting else known
            if newest.is_final and not task.is_final:
                return None
        elif task.version_hash in earlier:
            if not shown.is_latest_seen:
                shown.waiting.append(task)
            return None
        if shown.waiting:
            shown.waiting.append(task)
            return None
        return self._add_version(task)

    def _version_before(self, job_id: str) -> int:
        """Return the number of versions that the task had before this load."""
        before = self.states.before(job_id)
        return 0 if before is None else before.version

    def _hashes_before(self, job_id: str) -> frozenset[str]:
        """Return the version_hash of every version that a task had before, if it had several."""
        if self._version_before(job_id) <= 1:
            return frozenset()
        for hashes in (self._earlier_hashes, self._found_hashes):
            if job_id in hashes:
                return hashes[job_id]
        before = self.states.before(job_id)
        wanted = {} if before is None else {job_id: before.created_at}
        return self._find_hashes(wanted).get(job_id, frozenset())

    def _find_earlier(self, tasks: Sequence[Task]) -> None:
        """Find the earlier versions of all tasks that need a comparison with them, at once."""
        wanted: dict[str, Micros] = {}
        for task in tasks:
            before = self.states.before(task.job_id)
            if before is None or before.version == 1 or task.job_id in self._earlier_hashes:
                continue
            if task.version_hash != before.version_hash or task.job_id in self._shown:
                wanted[task.job_id] = before.created_at
        self._found_hashes = self._find_hashes(wanted) if wanted else {}

    def _known_task(self, task: Task) -> KnownTask | None:
        known = self.states.latest(task.job_id)
        if known is None and task.created_at < self._known_from:
            known = self._find(task.job_id, task.created_at)
            if known is not None:
                self.states.add_older(task.job_id, known)
        if known is not None and known.vanished_at is not None:
            self.vanishings.append(
                Vanishing(task.job_id, known.created_at, known.vanished_at, self._observed_at)
            )
            known = known._replace(vanished_at=None)
        if known is not None:
            self.states.replace(task.job_id, known)
        return known

    def _add_version(self, task: Task) -> Version:
        job_id = task.job_id
        known = self.states.latest(job_id)
        if known is None:
            number, first_seen_at, change = 1, self._observed_at, TaskChange.NEW
        else:
            number, first_seen_at, change = (
                known.version + 1,
                known.first_seen_at,
                TaskChange.CHANGED,
            )
            # The columns that identify a task stay as first seen; raw keeps what was received.
            task = _started_at(task, known.created_at)
            if self.states.before(job_id) is not None:
                self._changed.add(job_id)
            if job_id in self._shown:
                self.superseded.add((job_id, known.version))
        latest = KnownTask(
            task.created_at,
            number,
            task.version_hash,
            task.is_final,
            first_seen_at,
            self._observed_at,
        )
        self.states.replace(job_id, latest)
        return Version(task, number, change, first_seen_at, self._observed_at)


def _in_order(tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks of one reading, each state of a task next to its others and in order."""
    first: dict[str, Task] = {}
    several: dict[str, list[Task]] = {}
    for task in tasks:
        before = first.setdefault(task.job_id, task)
        if task.version_hash != before.version_hash:
            several.setdefault(task.job_id, [before]).append(task)
    for job_id, task in first.items():
        if job_id in several:
            yield from sorted(several[job_id], key=_stage)
        else:
            yield task


def _stage(task: Task) -> tuple[bool, float]:
    return task.is_final, task.progress_percent or 0.0


def _confirmed(task: Task, known: KnownTask) -> Version | None:
    """Return a row for a task in flight that is still in the known state."""
    if known.is_final:
        return None
    task = _started_at(task, known.created_at)
    first_seen_at, last_changed_at = known.first_seen_at, known.last_changed_at
    return Version(task, known.version, TaskChange.CONFIRMED, first_seen_at, last_changed_at)


def _started_at(task: Task, created_at: Micros) -> Task:
    return task if task.created_at == created_at else task.started_at(created_at)
