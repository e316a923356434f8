"""The tasks that a load has seen for the first time: two hundred bytes each, most of it the job_id.

A first load sees every task of the month for the first time. As tuples they would fill the memory.
"""

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from gaussdb_tasks.model.task_columns import TaskColumns
from gaussdb_tasks.model.times import Micros

_HASH_BYTES = 32


class FirstState(NamedTuple):
    """The first state of a task, reduced to what change detection needs."""

    created_at: Micros
    version_hash: str
    is_final: bool


class NewTasks:
    """First states by job_id, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._created_at = array("q")
        self._is_final = bytearray()
        self._hashes = bytearray()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._rows

    def add(self, tasks: TaskColumns) -> None:
        """Add tasks, none of which is there."""
        first = len(self._rows)
        self._rows.update(zip(tasks.job_ids, range(first, first + len(tasks)), strict=True))
        self._created_at.extend(tasks.created_at)
        self._is_final.extend(tasks.is_final)
        self._hashes += bytes.fromhex("".join(tasks.version_hash))

    def get(self, job_id: str) -> FirstState | None:
        """Return the state of a task; None if it is not there."""
        row = self._rows.get(job_id)
        if row is None:
            return None
        version_hash = self._hashes[row * _HASH_BYTES : (row + 1) * _HASH_BYTES].hex()
        return FirstState(self._created_at[row], version_hash, bool(self._is_final[row]))

    def starts(self) -> Iterator[tuple[str, Micros, bool]]:
        """Yield job_id, created_at, and whether it is final, of each task."""
        return zip(self._rows, self._created_at, map(bool, self._is_final), strict=True)
