"""The state of a project when a load begins: the input of plan and change detection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, Micros

MAX_LOAD_AGE_HOURS: Final = 30
"""A project needs attention from this age of its last complete load on."""
MAX_CRITICAL_NIGHTS: Final = 7
"""With this many nights until loss, or fewer, a load is urgent."""

_MARGIN: Final[Micros] = DAY
"""How far behind the horizon tasks are known: clocks differ, and months do."""


def known_since(visible_from: Micros) -> Micros:
    """Return the time from which a project state holds every task."""
    return visible_from - _MARGIN


class ProjectKey(NamedTuple):
    """The key of a project's rows."""

    region: str
    project_id: str


def project_label(project_id: str, name: str | None) -> str:
    """Return a project's id as a message shows it: with the name, if it is known."""
    return f"{project_id} {name}" if name else project_id


class KnownTask(NamedTuple):
    """The latest known state of a task, reduced to what a load needs."""

    created_at: Micros
    version: int
    version_hash: str
    is_final: bool
    first_seen_at: Micros
    last_changed_at: Micros
    vanished_at: Micros | None = None
    """Clock of the load that found its record deleted; None while it is listed."""

    @property
    def is_in_flight(self) -> bool:
        """Whether the task may still change."""
        return not self.is_final and self.vanished_at is None


@dataclass(frozen=True)
class ProjectState:
    """The state of one project after the last load.

    Attributes:
        known_from: every task of the archive created since then is in ``tasks``.
        tasks: the latest known states, by job_id.
        earlier_hashes: version_hash of the earlier versions of tasks, by job_id; empty where a
            database holds them.
        covered: the time ranges whose tasks were all read, merged and sorted.
        rejected: created_at of rejected records by hash; None where it cannot be read.
        gone_rejects: hashes of rejected records that are no longer listed.
        is_count_usable: whether the API's total_count counts tasks; None if not learned.
        is_running_listed: whether windows list tasks without an end; None if not learned.
        is_sweep_whole: False if the query for running tasks once left one out.
        last_full_read_at: when the full horizon was last read.
        last_observed_at: the clock of the last load.
        last_load_number: how many loads there were so far, of all projects.
        excess_count: how many more rows than tasks the API counts, as the last load found.
        name: the name of the project as it was last known; None if it never was.
    """

    known_from: Micros
    tasks: Mapping[str, KnownTask] = field(default_factory=dict)
    earlier_hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    covered: tuple[TimeRange, ...] = ()
    rejected: Mapping[str, Micros | None] = field(default_factory=dict)
    gone_rejects: frozenset[str] = frozenset()
    is_count_usable: bool | None = None
    is_running_listed: bool | None = None
    is_sweep_whole: bool | None = None
    last_full_read_at: Micros | None = None
    last_observed_at: Micros | None = None
    last_load_number: int = 0
    excess_count: int = 0
    name: str | None = None
