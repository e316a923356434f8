"""What an archive must hold, told from nothing but what the task center showed at each load."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from gaussdb_tasks.model.times import DAY, Micros

HORIZON: Final[Micros] = 30 * DAY

# The last month is 28 days after February: a task that is older may be gone by itself.
_SURELY_REMEMBERED: Final[Micros] = 27 * DAY


class Sight(NamedTuple):
    """A task as it is listed at an instant."""

    created_at: Micros
    is_final: bool
    content: str


@dataclass
class VisibleHistory:
    """Grows with each load that reads a project, and knows what must be kept of it.

    Attributes:
        states: for each task the states that were visible at loads, repeats left out.
        deleted: tasks that a load must have missed.
        perhaps_deleted: likewise, but so close to the horizon that it may not have.
        loads: the clocks of the loads, in order.
    """

    states: dict[str, list[tuple[Micros, str]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    perhaps_deleted: set[str] = field(default_factory=set)
    loads: list[Micros] = field(default_factory=list)
    _latest: dict[str, Sight] = field(default_factory=dict)

    def note(self, now: Micros, visible: Mapping[str, Sight]) -> None:
        """Note what the task center shows while a load reads it."""
        self.loads.append(now)
        for job_id, sight in visible.items():
            known = self.states.setdefault(job_id, [])
            if not known or known[-1][1] != sight.content:
                known.append((now, sight.content))
            self._latest[job_id] = sight
        for job_id, sight in self._latest.items():
            # What was created later than now is not missed: the clock has jumped back.
            if job_id not in visible and now - HORIZON <= sight.created_at <= now:
                self.perhaps_deleted.add(job_id)
                if sight.created_at >= now - _SURELY_REMEMBERED:
                    self.deleted.add(job_id)

    def ended_unseen(self) -> set[str]:
        """Return the deleted tasks that no load has seen ended.

        Where windows of time hide tasks in flight, nothing tells such a one from one that goes on.
        """
        return {job_id for job_id in self.deleted if not self._latest[job_id].is_final}

    def gaps(self) -> tuple[TimeRange, ...]:
        """Return the time that no load could read: it was forgotten before the next one."""
        read = merge(TimeRange(now - HORIZON, now) for now in self.loads)
        return subtract(TimeRange(read[0].start, read[-1].end), read) if read else ()
