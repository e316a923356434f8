"""The known states of a project's tasks while a load reads it.

A first load sees every task of the month for the first time. As tuples they would fill the memory,
so their first states are kept in columns: two hundred bytes each, most of it the job_id.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from heapq import merge
from itertools import chain, islice
from typing import Final, NamedTuple

from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.known_tasks import KnownStart
from gaussdb_tasks.model.project_state import KnownTask
from gaussdb_tasks.model.task_columns import TaskColumns
from gaussdb_tasks.model.times import Micros

_HASH_BYTES: Final = 32


class KnownStates:
    """The latest known state of each task, and the tasks that the load has seen.

    Args:
        before: the states that the last load left.
        known_from: every task created since then is in ``before``.
        observed_at: the load's clock.
    """

    def __init__(
        self, before: Mapping[str, KnownTask], known_from: Micros, observed_at: Micros
    ) -> None:
        self._before = before
        self._known_from = known_from
        self._observed_at = observed_at
        self._found: dict[str, KnownTask] = {}
        self._first = _FirstStates()
        self._replaced: dict[str, KnownTask] = {}
        self._seen: set[str] = set()  # but for those with a first state

    @property
    def seen_count(self) -> int:
        """Number of distinct tasks that were seen."""
        return len(self._seen) + len(self._first.job_ids)

    @property
    def new_count(self) -> int:
        """Number of tasks that were seen for the first time."""
        first = self._first.job_ids
        others = (job_id for job_id in self._replaced if self.before(job_id) is None)
        return len(first) + sum(job_id not in first for job_id in others)

    def has_seen(self, job_id: str) -> bool:
        """Check whether this load has seen the task."""
        return job_id in self._seen or job_id in self._first.job_ids

    def mark_seen(self, job_id: str) -> bool:
        """Record that this load has seen a task; return whether it is the first time."""
        is_first = not self.has_seen(job_id)
        if is_first:
            self._seen.add(job_id)
        return is_first

    def before(self, job_id: str) -> KnownTask | None:
        """Return the state before this load; None if the task is new."""
        return self._before.get(job_id) or self._found.get(job_id)

    def latest(self, job_id: str) -> KnownTask | None:
        """Return the latest known state; None if the task is not known."""
        return self._replaced.get(job_id) or self.before(job_id) or self._first_state(job_id)

    def add_older(self, job_id: str, known: KnownTask) -> None:
        """Add the state before this load of a task that is older than the project state."""
        self._found[job_id] = known

    def replace(self, job_id: str, known: KnownTask) -> None:
        """Replace the latest known state of a task, which was compared with it."""
        self._replaced[job_id] = known

    def states(self) -> Iterator[tuple[str, KnownTask]]:
        """Yield the latest state of each task but those in the first state that a load saw."""
        before = (item for item in self._before.items() if item[0] not in self._replaced)
        return chain(before, self._replaced.items())

    def created_from(self, since: Micros) -> Iterator[Micros]:
        """Yield created_at, sorted, of each task created since then that was not deleted before."""
        starts = (
            known_tasks.sorted_starts(self._before),
            known_tasks.sorted_starts(self._replaced),
            known_tasks.sorted_times(self._first.created_at),
        )
        return merge(*(islice(each, bisect_left(each, since), None) for each in starts))

    def count_finals(self, since: Micros) -> int:
        """Count the final tasks created since then that are not deleted."""
        outdated = known_tasks.among(self._before, self._replaced)
        unchanged = known_tasks.count_finals(self._before, since) - known_tasks.count_finals(
            outdated, since
        )
        outdated_first = filter(None, map(self._first.get, self._replaced))
        unchanged += self._first.count_finals(since) - sum(
            each.is_final and each.created_at >= since for each in outdated_first
        )
        return unchanged + known_tasks.count_finals(self._replaced, since)

    def in_flight(self) -> Iterator[KnownStart]:
        """Yield the tasks that may still change."""
        for job_id, known in known_tasks.in_flight(self._before).items():
            if job_id not in self._replaced:
                yield KnownStart(job_id, known.created_at, known.is_final)
        for job_id, known in known_tasks.in_flight(self._replaced).items():
            yield KnownStart(job_id, known.created_at, known.is_final)
        for start in self._first.in_flight():
            if start.job_id not in self._replaced:
                yield start

    def unseen(self, since: Micros) -> Iterator[KnownStart]:
        """Yield each task created since then that is not deleted and that the load did not see."""
        for start in known_tasks.starts(self._before, since):
            # A task that was replaced was seen, or is missing.
            if not (start.job_id in self._replaced or self.has_seen(start.job_id)):
                yield start

    def all_states(self) -> dict[str, KnownTask]:
        """Return the latest state of each task, deleted ones included, by job_id."""
        known = {**self._before, **self._found}
        for job_id in self._first.job_ids:
            first = self._first_state(job_id)
            if first is not None:
                known[job_id] = first
        return known | self._replaced

    def recognise(
        self, tasks: TaskColumns, odd: Collection[str]
    ) -> tuple[TaskColumns, Collection[str]]:
        """Take the tasks of one reading that are seen for the first time or are as before.

        Args:
            tasks: as listed, repeats included.
            odd: tasks that the same reading lists in a record outside the columns.

        Returns:
            Tasks that are new, in version 1, and the job_id of each that must be compared.
        """
        rows = _first_rows(tasks.job_ids)
        compared = {*odd, *_listed_in_several_states(tasks, rows)}
        before = known_tasks.among(self._before, rows)
        known = before.keys() | (rows.keys() & self._replaced.keys())
        known |= rows.keys() & self._first.job_ids
        for job_id in known - compared:
            version_hash = tasks.version_hash[rows[job_id]]
            if not self._adds_nothing(job_id, before.get(job_id), version_hash):
                compared.add(job_id)
            elif job_id in before:
                self._seen.add(job_id)
        # Older ones than the project state may be known to the archive.
        if min(tasks.created_at, default=self._known_from) < self._known_from:
            older = {id_ for id_, row in rows.items() if tasks.created_at[row] < self._known_from}
            compared |= older - known
        known |= compared
        new = tasks.take(sorted(row for job_id, row in rows.items() if job_id not in known))
        self._first.add(new)
        return new, compared

    def _adds_nothing(self, job_id: str, before: KnownTask | None, version_hash: str) -> bool:
        """Check whether a state of a known task surely adds nothing."""
        if job_id in self._replaced:
            return False
        if before is None:
            first = self._first.get(job_id)
            return first is not None and first.version_hash == version_hash
        is_same = before.version_hash == version_hash and before.vanished_at is None
        return is_same and before.is_final

    def _first_state(self, job_id: str) -> KnownTask | None:
        first = self._first.get(job_id)
        if first is None:
            return None
        now = self._observed_at
        return KnownTask(first.created_at, 1, first.version_hash, first.is_final, now, now)


class _FirstState(NamedTuple):
    created_at: Micros
    version_hash: str
    is_final: bool


class _FirstStates:
    """First states of tasks, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self.created_at = array("q")
        self._is_final = bytearray()
        self._hashes = bytearray()

    @property
    def job_ids(self) -> AbstractSet[str]:
        return self._rows.keys()

    def add(self, tasks: TaskColumns) -> None:
        first = len(self._rows)
        self._rows.update(zip(tasks.job_ids, range(first, first + len(tasks)), strict=True))
        self.created_at.extend(tasks.created_at)
        self._is_final.extend(tasks.is_final)
        self._hashes += bytes.fromhex("".join(tasks.version_hash))

    def get(self, job_id: str) -> _FirstState | None:
        row = self._rows.get(job_id)
        if row is None:
            return None
        version_hash = self._hashes[row * _HASH_BYTES : (row + 1) * _HASH_BYTES].hex()
        return _FirstState(self.created_at[row], version_hash, bool(self._is_final[row]))

    def count_finals(self, since: Micros) -> int:
        finals = zip(self.created_at, self._is_final, strict=True)
        return sum(is_final for created_at, is_final in finals if created_at >= since)

    def in_flight(self) -> Iterator[KnownStart]:
        columns = zip(self._rows, self.created_at, self._is_final, strict=True)
        open_rows = (row for row in columns if not row[-1])
        return (KnownStart(job_id, at, is_final=False) for job_id, at, _ in open_rows)


def _first_rows(job_ids: Sequence[str]) -> dict[str, int]:
    """Return the row of each job_id, of its first one if it is repeated; in any order."""
    last = len(job_ids) - 1
    return dict(zip(reversed(job_ids), range(last, -1, -1), strict=True))


def _listed_in_several_states(tasks: TaskColumns, rows: Mapping[str, int]) -> Iterator[str]:
    if len(rows) == len(tasks):
        return
    hashes = tasks.version_hash
    for job_id, version_hash in zip(tasks.job_ids, hashes, strict=True):
        if version_hash != hashes[rows[job_id]]:
            yield job_id
