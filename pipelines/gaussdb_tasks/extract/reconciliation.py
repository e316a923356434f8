"""Holding what is known against what the API shows. Pure.

After the windows are read, the count of the whole horizon tells whether something was hidden by
what the time filter really filters, and whether a user deleted records. For that the known tasks
must be counted as the API would count them: a filter that looks at the end of tasks leaves out
those that have none.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gaussdb_tasks.extract.observations import Observations
from gaussdb_tasks.model.project_state import KnownTask
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import MINUTE, SECOND, Micros

EDGE: Final[Micros] = 2 * SECOND
"""How close to its bounds a window proves nothing: the API may round them or leave them out."""

FADING: Final[Micros] = 10 * MINUTE
"""How close to the horizon tasks may be gone already, by the service's own clock."""


class Expectation(NamedTuple):
    """How many tasks the API should count.

    Attributes:
        certain: tasks that it must list.
        running: tasks whose status is open and that no window could have shown or hidden.
        unplaced: rejected records without a time that no window has listed: they may or may not be
            counted.
    """

    certain: int
    running: int
    unplaced: int

    def allows(self, total_count: int) -> bool:
        """Tell whether a count agrees, if all the running tasks are listed."""
        known = self.certain + self.running
        return known <= total_count <= known + self.unplaced


@dataclass(frozen=True)
class Proved:
    """The stretches that were proved to be read whole, without their edges.

    Attributes:
        any_end: all of them.
        to_now: those that reach up to the load's clock, so that no end of a task lies behind them.
    """

    any_end: tuple[TimeRange, ...]
    to_now: tuple[TimeRange, ...]

    @classmethod
    def from_complete(cls, time_ranges: Iterable[TimeRange], now: Micros) -> "Proved":
        """Trim stretches that were read whole by what they cannot prove."""
        trimmed = [TimeRange(start + EDGE, end - EDGE) for start, end in time_ranges]
        return cls(tuple(trimmed), tuple(s for s in trimmed if s.end >= now))

    def shows(self, created_at: Micros) -> bool:
        """Tell whether a window that reaches up to now would list a task created then."""
        return any(start <= created_at < end for start, end in self.to_now)

    def covers(self, created_at: Micros) -> bool:
        """Tell whether any window would list a task created then, if it looks at starts only."""
        return any(start <= created_at < end for start, end in self.any_end)


def quiet_start(created: Sequence[Micros], earliest: Micros) -> Micros:
    """Return the first instant from ``earliest`` on that no task's start is close to.

    Args:
        created: sorted starts of known tasks.
        earliest: where to begin looking.
    """
    at = earliest
    for start in created[bisect_left(created, earliest - EDGE) :]:
        if start - at > EDGE:
            break
        at = max(at, start + EDGE + 1)
    return at


def expect(sightings: Observations, proved: Proved, start: Micros) -> Expectation:
    """Count the known tasks from an instant on as the API should count them."""
    certain = running = 0
    for job_id, known in sightings.history.tasks():
        if known.created_at < start:
            continue
        if known.is_final or job_id in sightings.open_listed:
            certain += 1
        elif not proved.shows(known.created_at):
            running += 1
    placed = unplaced = 0
    for record_hash, at in sightings.history.rejected().items():
        if record_hash in sightings.history.gone_rejects:
            continue
        if at is None and record_hash not in sightings.listed_rejects:
            unplaced += 1
        else:
            placed += at is None or at >= start
    return Expectation(certain + placed, running, unplaced)


def hidden_tasks(
    sightings: Observations, proved: Proved, visible: TimeRange
) -> Iterator[KnownTask]:
    """Yield tasks in flight that nothing has shown and that no window up to now has looked for."""
    for job_id, known in sightings.history.tasks():
        if (
            not known.is_final
            and known.created_at >= visible.start
            and not sightings.history.has_seen(job_id)
            and not proved.shows(known.created_at)
        ):
            yield known


def missing_tasks(
    sightings: Observations, proved: Proved, *, surely_visible_from: Micros, is_running_listed: bool
) -> list[str]:
    """Return the job_ids whose records must be deleted: they would have been listed, and were not.

    Only finished tasks can be deleted. One that was last seen in flight counts as finished and
    deleted only if windows are known to list tasks in flight.
    """
    oldest = sightings.oldest_listed
    listed_from = surely_visible_from if oldest is None else min(oldest, surely_visible_from)
    return [
        job_id
        for job_id, known in sightings.history.tasks()
        if not sightings.history.has_seen(job_id)
        and known.created_at >= listed_from
        and (
            proved.covers(known.created_at)
            if is_running_listed
            else known.is_final and proved.shows(known.created_at)
        )
    ]


def missing_rejects(sightings: Observations, proved: Proved, *, is_all_read: bool) -> Iterator[str]:
    """Yield the rejected records that are no longer listed, by hash."""
    for record_hash, at in sightings.history.rejected().items():
        if record_hash not in sightings.listed_rejects and (
            is_all_read if at is None else proved.covers(at)
        ):
            yield record_hash
