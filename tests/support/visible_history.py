"""The states that an archive must hold, computed only from what the task center showed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from gaussdb_tasks.model.times import DAY, Micros

HORIZON: Final[Micros] = 30 * DAY

# The last month is 28 days after February: a task that is older may be gone by itself.
_SURELY_REMEMBERED: Final[Micros] = 27 * DAY


class Sight(NamedTuple):
    """A task as it is listed at one time."""

    created_at: Micros
    is_final: bool
    content: str


@dataclass
class VisibleHistory:
    """The states of one project that loads could see, and so must keep.

    Attributes:
        states: for each task the distinct states that were visible at loads, with the time.
        visible: for each load what was visible, by job_id.
        deleted: tasks that a load must report as deleted.
        perhaps_deleted: these, and those too close to the horizon to be sure.
        loads: the clocks of the loads, in order.
    """

    states: dict[str, list[tuple[Micros, str]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    perhaps_deleted: set[str] = field(default_factory=set)
    loads: list[Micros] = field(default_factory=list)
    visible: list[Mapping[str, Sight]] = field(default_factory=list)
    _latest: dict[str, Sight] = field(default_factory=dict)

    def note(self, now: Micros, visible: Mapping[str, Sight]) -> None:
        """Record what the task center shows while a load reads it."""
        self.loads.append(now)
        self.visible.append(visible)
        for job_id, sight in visible.items():
            known = self.states.setdefault(job_id, [])
            if not known or known[-1][1] != sight.content:
                known.append((now, sight.content))
            self._latest[job_id] = sight
        for job_id, sight in self._latest.items():
            # A task created after now is not missing: the clock has jumped back.
            if job_id not in visible and now - HORIZON <= sight.created_at <= now:
                self.perhaps_deleted.add(job_id)
                if sight.created_at >= now - _SURELY_REMEMBERED:
                    self.deleted.add(job_id)

    def gaps(self) -> tuple[TimeRange, ...]:
        """Return the time that no load could read: it had left the horizon by then."""
        read = merge(TimeRange(now - HORIZON, now) for now in self.loads)
        return subtract(TimeRange(read[0].start, read[-1].end), read) if read else ()
