"""Compare the known tasks with the tasks that the API lists and counts. Pure.

After the windows are read, the count of the full horizon shows whether the time filter hid a task,
and whether a user deleted records. For that the known tasks must be counted as the API counts them:
a filter that looks at the end of tasks leaves out those that have no end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from gaussdb_tasks.extract.known_states import KnownStates
from gaussdb_tasks.extract.observations import Observations
from gaussdb_tasks.extract.traits import WINDOW_MARGIN
from gaussdb_tasks.model.known_tasks import KnownStart
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import MINUTE, Micros

HORIZON_MARGIN: Final[Micros] = 10 * MINUTE
"""Tasks this close to the horizon may have expired already by the service's clock."""


class Expectation(NamedTuple):
    """How many tasks the API should count.

    Attributes:
        certain: tasks that it must list.
        running: tasks in flight that no window could have listed or hidden.
        unplaced: rejected records without a time that no window has listed; the API may count them
            or not.
    """

    certain: int
    running: int
    unplaced: int

    def allows(self, total_count: int) -> bool:
        """Check whether a count agrees, if all the running tasks are listed."""
        known = self.certain + self.running
        return known <= total_count <= known + self.unplaced


@dataclass(frozen=True)
class ProvedTime:
    """The time ranges that were proved complete, without their margins.

    Attributes:
        any_end: all of them.
        to_now: those that reach up to the load's clock, so that every task in them ended inside.
    """

    any_end: tuple[TimeRange, ...]
    to_now: tuple[TimeRange, ...]

    @classmethod
    def from_complete(cls, time_ranges: Iterable[TimeRange], now: Micros) -> "ProvedTime":
        """Cut the margins off complete time ranges."""
        trimmed = [
            TimeRange(start + WINDOW_MARGIN, end - WINDOW_MARGIN) for start, end in time_ranges
        ]
        return cls(tuple(trimmed), tuple(s for s in trimmed if s.end >= now))

    def shows(self, created_at: Micros) -> bool:
        """Check whether a window up to now would list a task created at this time."""
        return any(start <= created_at < end for start, end in self.to_now)

    def covers(self, created_at: Micros) -> bool:
        """Check whether any window would list a task created then, if it looks at starts only."""
        return any(start <= created_at < end for start, end in self.any_end)


def quiet_start(states: KnownStates, earliest: Micros) -> Micros:
    """Return the first time from ``earliest`` on that is not close to the start of a task."""
    at = earliest
    for start in states.created_from(earliest - WINDOW_MARGIN):
        if start - at > WINDOW_MARGIN:
            break
        at = max(at, start + WINDOW_MARGIN + 1)
    return at


def expect(observations: Observations, proved: ProvedTime, start: Micros) -> Expectation:
    """Count the known tasks from a time on as the API should count them."""
    changes = observations.changes
    certain, running = changes.states.count_finals(start), 0
    for known in changes.states.in_flight():
        if known.created_at < start:
            continue
        if known.job_id in observations.open_listed:
            certain += 1
        elif not proved.shows(known.created_at):
            running += 1
    placed = unplaced = 0
    for record_hash, at in changes.rejected().items():
        if record_hash in changes.gone_rejects:
            continue
        if at is None and record_hash not in observations.listed_rejects:
            unplaced += 1
        else:
            placed += at is None or at >= start
    return Expectation(certain + placed, running, unplaced)


def hidden_tasks(
    observations: Observations, proved: ProvedTime, visible: TimeRange
) -> Iterator[KnownStart]:
    """Yield tasks in flight that were not seen and are in no proved window up to now."""
    states = observations.changes.states
    for known in states.in_flight():
        if (
            known.created_at >= visible.start
            and not states.has_seen(known.job_id)
            and not proved.shows(known.created_at)
        ):
            yield known


def missing_tasks(
    observations: Observations,
    proved: ProvedTime,
    *,
    surely_visible_from: Micros,
    is_running_listed: bool,
) -> list[str]:
    """Return the job_ids of deleted tasks: a proved window would have listed them, and did not.

    Only finished tasks can be deleted. A task that was last seen in flight counts as finished and
    deleted only if windows are known to list tasks in flight.
    """
    if not proved.any_end:
        return []
    oldest = observations.oldest_listed
    listed_from = surely_visible_from if oldest is None else min(oldest, surely_visible_from)
    return [
        known.job_id
        for known in observations.changes.states.unseen(max(listed_from, min(proved.any_end).start))
        if proved.covers(known.created_at)
        and (is_running_listed or (known.is_final and proved.shows(known.created_at)))
    ]


def missing_rejects(
    observations: Observations, proved: ProvedTime, *, is_all_read: bool
) -> Iterator[str]:
    """Yield the rejected records that are no longer listed, by hash."""
    for record_hash, at in observations.changes.rejected().items():
        if record_hash not in observations.listed_rejects and (
            is_all_read if at is None else proved.covers(at)
        ):
            yield record_hash
