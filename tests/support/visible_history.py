"""Compute the states that an archive must hold from the tasks that the task center listed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from gaussdb_tasks.model.times import DAY, Micros

HORIZON: Final[Micros] = 30 * DAY

# A month has at least 28 days: an older task may have expired.
_MIN_HORIZON: Final[Micros] = 27 * DAY


class TaskState(NamedTuple):
    """A task as it is listed at one time."""

    created_at: Micros
    is_final: bool
    content: str


@dataclass
class VisibleHistory:
    """The states of one project that loads could observe, and so must keep.

    Attributes:
        states: the states of each task at loads, each with its time.
        visible: the listed tasks of each load, by job_id; each with its states, oldest first.
        deleted: tasks that a load must report as deleted.
        possibly_deleted: these, and those too close to the horizon to be sure.
        loads: the times of the loads, in order.
    """

    states: dict[str, list[tuple[Micros, str]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    possibly_deleted: set[str] = field(default_factory=set)
    loads: list[Micros] = field(default_factory=list)
    visible: list[Mapping[str, Sequence[TaskState]]] = field(default_factory=list)
    _latest: dict[str, TaskState] = field(default_factory=dict)

    def add_load(self, now: Micros, visible: Mapping[str, Sequence[TaskState]]) -> None:
        """Record the tasks that the task center lists during a load."""
        self.loads.append(now)
        self.visible.append(visible)
        for job_id, shown in visible.items():
            known = self.states.setdefault(job_id, [])
            contents = [content for _, content in known]
            known += ((now, content) for content in _new_contents(contents, shown))
            self._latest[job_id] = shown[-1]
        for job_id, state in self._latest.items():
            # A task created after now is not missing: the clock has jumped back.
            if job_id not in visible and now - HORIZON <= state.created_at <= now:
                self.possibly_deleted.add(job_id)
                if state.created_at >= now - _MIN_HORIZON:
                    self.deleted.add(job_id)

    def gaps(self) -> tuple[TimeRange, ...]:
        """Return the time ranges that left the horizon before a load could read them."""
        read = merge(TimeRange(now - HORIZON, now) for now in self.loads)
        return subtract(TimeRange(read[0].start, read[-1].end), read) if read else ()


def _new_contents(known: Sequence[str], shown: Sequence[TaskState]) -> Iterator[str]:
    """Yield the contents that are new: all, or those never seen if the latest is still shown."""
    contents = [state.content for state in shown]
    is_shown_still = bool(known) and known[-1] in contents
    last = known[-1] if known else None
    for content in contents:
        if not is_shown_still or content not in known:
            last = content
            yield content
    if is_shown_still and last != contents[-1] == known[-1]:
        yield contents[-1]
