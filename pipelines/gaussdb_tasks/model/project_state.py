"""What the archive knows of a project when a load begins: the input of plan and comparison."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, Micros

_SLACK: Final[Micros] = DAY
"""How far behind the horizon tasks are remembered: clocks differ, and months do."""


def remembered_since(visible_from: Micros) -> Micros:
    """Return from when on every task is remembered between loads."""
    return visible_from - _SLACK


class ProjectKey(NamedTuple):
    """What tells one project's rows from another's."""

    region: str
    project_id: str


class KnownTask(NamedTuple):
    """The latest known state of a task, as far as a load needs it."""

    created_at: Micros
    version: int
    version_hash: str
    is_final: bool
    first_seen_at: Micros
    last_changed_at: Micros
    vanished_at: Micros | None = None
    """When a load found its record deleted; None while it is listed."""

    @property
    def is_in_flight(self) -> bool:
        """Whether the task may still change."""
        return not self.is_final and self.vanished_at is None


@dataclass(frozen=True)
class ProjectState:
    """What is known of one project.

    Attributes:
        known_from: every task of the archive created from then on is in ``tasks``.
        tasks: the latest known states, by job_id.
        covered: the stretches of time whose tasks were all read, merged and sorted.
        rejected: the records kept as rejected, by hash, with their time where it can be read.
        gone_rejects: those of them that are no longer listed.
        is_count_usable: whether the API's total_count could be counted on last time.
        is_running_listed: whether a time window listed a task without an end last time.
        is_sweep_whole: False if a running task was once listed that the sweep had left out.
        last_full_read_at: when the whole horizon was last read.
        last_observed_at: the clock of the last load.
        last_load_number: how many loads there were so far, of whatever project.
    """

    known_from: Micros
    tasks: Mapping[str, KnownTask] = field(default_factory=dict)
    covered: tuple[TimeRange, ...] = ()
    rejected: Mapping[str, Micros | None] = field(default_factory=dict)
    gone_rejects: frozenset[str] = frozenset()
    is_count_usable: bool | None = None
    is_running_listed: bool | None = None
    is_sweep_whole: bool | None = None
    last_full_read_at: Micros | None = None
    last_observed_at: Micros | None = None
    last_load_number: int = 0

    def listed(self) -> Iterable[KnownTask]:
        """Yield the tasks whose records were not found deleted."""
        return (known for known in self.tasks.values() if known.vanished_at is None)
