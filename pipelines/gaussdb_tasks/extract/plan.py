"""Plan the windows of time that a load reads. Pure: from the project state and a clock.

A load needs three things: time that no load has covered yet, with an overlap for records that
appear late; tasks last seen in flight; and the count of the full horizon, or all of its tasks. API
calls are rate-limited, so the plan cuts these needs into the windows that take the fewest calls.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.traits import WINDOW_MARGIN
from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.time_range import TimeRange, subtract
from gaussdb_tasks.model.times import DAY, Micros
from gaussdb_tasks.settings import LoadSettings

_FULL_READ_EVERY: Final[Micros] = 7 * DAY
"""How often the full horizon is read if the API's counts cannot be used to check it."""

_MAX_NEEDS_UNJOINED: Final = 300
"""With more needs than this, neighbours that fit one page are joined first."""

_MAX_NEEDS_COMPARED: Final = 1_000
"""With more needs than this, one window is read over all of them."""


class Purpose(StrEnum):
    """Why a window is read."""

    NEW = "new"
    IN_FLIGHT = "in_flight"
    HORIZON = "horizon"
    TIME_RANGE = "stretch"
    """The time range that the user named; the value is a published name."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time range to read, and the reason."""

    time_range: TimeRange
    purpose: Purpose
    expected_calls: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of a load, oldest first, and whether the horizon is counted after them.

    Attributes:
        is_guess: whether no earlier load helps to estimate the calls.
        reread_calls: calls that follow if the count of the horizon shows that a task is missing.
    """

    windows: tuple[Window, ...]
    is_horizon_counted: bool
    is_guess: bool = False
    reread_calls: int = 0

    @property
    def expected_calls(self) -> int:
        """Number of calls of the plan, the one for running tasks included."""
        for_running = 1
        return (
            for_running + sum(w.expected_calls for w in self.windows) + int(self.is_horizon_counted)
        )


def calls_for(task_count: float) -> int:
    """Return how many calls it takes to read the tasks: pages overlap by one record."""
    return int(max(task_count - 1, 0) // (PAGE_LIMIT - 1)) + 1


def plan_load(settings: LoadSettings, state: ProjectState, seen: Iterable[str] = ()) -> Plan:
    """Plan the windows of a load.

    Args:
        settings: the clock, the horizon, and the user's choices.
        state: the project as earlier loads recorded it.
        seen: job_ids of tasks in flight that this load has seen, in the list of running tasks.
    """
    demand = _Demand(settings, state)
    if settings.time_range is not None:
        # The service keeps no tasks from before the horizon.
        time_range = settings.time_range.clip(settings.horizon_window)
        return Plan((demand.window(time_range, Purpose.TIME_RANGE),), is_horizon_counted=False)
    horizon = demand.window(settings.horizon_window, Purpose.HORIZON)
    if settings.full or not state.covered or _is_full_read_due(settings, state):
        return Plan((horizon,), is_horizon_counted=False, is_guess=not state.covered)
    needs = sorted([*_new_time(settings, state), *_in_flight(settings, state, set(seen))])
    windows = demand.cheapest_windows(needs)
    is_counted = state.is_count_usable is not False
    reread_calls = horizon.expected_calls if is_counted else 0
    apart = Plan(windows, is_horizon_counted=is_counted, reread_calls=reread_calls)
    together = Plan((horizon,), is_horizon_counted=False)
    # For the same number of calls the full horizon is better evidence than its count.
    return together if together.expected_calls <= apart.expected_calls else apart


def _is_full_read_due(settings: LoadSettings, state: ProjectState) -> bool:
    if state.is_count_usable is not False:
        return False
    last = state.last_full_read_at
    # A clock that was ahead may have left a date in the future.
    return last is None or not 0 <= settings.now - last < _FULL_READ_EVERY


@dataclass(frozen=True, slots=True, order=True)
class _Need:
    time_range: TimeRange
    purpose: Purpose


def _new_time(settings: LoadSettings, state: ProjectState) -> list[_Need]:
    """Return the time that no load has covered, widened by the overlap and the margin."""
    earliest = settings.visible.start
    uncovered = subtract(settings.visible, state.covered)
    inner = [time_range for time_range in uncovered if time_range.end < settings.now]
    tail_start = uncovered[-1].start if uncovered[len(inner) :] else settings.now
    tail = TimeRange(max(earliest, tail_start - settings.overlap), settings.horizon_window.end)
    widened = [
        TimeRange(max(earliest, start - settings.overlap), end + settings.overlap)
        for start, end in inner
    ]
    return [_Need(time_range, Purpose.NEW) for time_range in (*widened, tail)]


def _in_flight(settings: LoadSettings, state: ProjectState, seen: set[str]) -> list[_Need]:
    """Return the time around the start of each task that may have ended since it was seen.

    Likewise of each task that had ended and is listed as running: only a window shows whether the
    service lists its end as well.
    """
    in_flight = known_tasks.in_flight(state.tasks)
    open_or_seen = in_flight | known_tasks.among(state.tasks, seen)
    created = [
        known.created_at
        for job_id, known in open_or_seen.items()
        if known.created_at >= settings.visible.start and known.is_in_flight != (job_id in seen)
    ]
    return [
        _Need(TimeRange(at - WINDOW_MARGIN, at + WINDOW_MARGIN), Purpose.IN_FLIGHT)
        for at in created
    ]


class _Demand:
    """Estimates the calls of windows by the tasks that are expected in them."""

    def __init__(self, settings: LoadSettings, state: ProjectState) -> None:
        self._settings = settings
        self._state = state
        self._created = known_tasks.sorted_starts(state.tasks)
        covered_span = sum(time_range.end - time_range.start for time_range in state.covered)
        covered_count = sum(self._known_count(time_range) for time_range in state.covered)
        self._rate = covered_count / covered_span if covered_span else 0.0

    def window(self, time_range: TimeRange, purpose: Purpose) -> Window:
        """Make a window with its expected calls."""
        return Window(time_range, purpose, self._calls(time_range))

    def cheapest_windows(self, needs: Sequence[_Need]) -> tuple[Window, ...]:
        """Cut sorted needs into the windows that together take the fewest calls."""
        if self._state.is_running_listed is False:
            # A window that ends in the past would hide tasks that ended after it.
            return (self._window_over(needs),)
        if len(needs) > _MAX_NEEDS_UNJOINED:
            needs = self._joined_where_one_page(needs)
        if len(needs) > _MAX_NEEDS_COMPARED:
            return (self._window_over(needs),)
        # best[i]: calls for the first i needs, and where the last of their windows begins
        # (partition of a sequence by dynamic programming).
        best: list[tuple[int, int]] = [(0, 0)]
        for end in range(1, len(needs) + 1):
            best.append(self._cheapest_last_window(needs[:end], best))
        return tuple(self._read_back(needs, best))

    def _cheapest_last_window(
        self, needs: Sequence[_Need], best: Sequence[tuple[int, int]]
    ) -> tuple[int, int]:
        cheapest = (best[-1][0] + self._window_over(needs[-1:]).expected_calls, len(needs) - 1)
        window_end = needs[-1].time_range.end
        for start in range(len(needs) - 2, -1, -1):
            window_end = max(window_end, needs[start].time_range.end)
            calls = self._calls(TimeRange(needs[start].time_range.start, window_end))
            if calls > cheapest[0]:
                break  # a window that reaches back further does not take fewer calls
            cheapest = min(cheapest, (best[start][0] + calls, start))
        return cheapest

    def _read_back(
        self, needs: Sequence[_Need], best: Sequence[tuple[int, int]]
    ) -> Iterable[Window]:
        windows = []
        end = len(needs)
        while end:
            start = best[end][1]
            windows.append(self._window_over(needs[start:end]))
            end = start
        return reversed(windows)

    def _joined_where_one_page(self, needs: Sequence[_Need]) -> list[_Need]:
        """Join neighbours that fit one page together."""
        joined: list[_Need] = []
        for need in needs:
            if joined:
                both = self._window_over([joined[-1], need])
                if both.expected_calls == 1:
                    joined[-1] = _Need(both.time_range, both.purpose)
                    continue
            joined.append(need)
        return joined

    def _window_over(self, needs: Sequence[_Need]) -> Window:
        time_range = TimeRange(
            needs[0].time_range.start, max(need.time_range.end for need in needs)
        )
        is_new = any(need.purpose is Purpose.NEW for need in needs)
        return self.window(time_range, Purpose.NEW if is_new else Purpose.IN_FLIGHT)

    def _calls(self, time_range: TimeRange) -> int:
        return calls_for(self._expected_count(time_range))

    def _expected_count(self, time_range: TimeRange) -> float:
        uncovered = subtract(time_range.clip(self._settings.visible), self._state.covered)
        uncovered_span = sum(part.end - part.start for part in uncovered)
        return self._known_count(time_range) + self._rate * uncovered_span

    def _known_count(self, time_range: TimeRange) -> int:
        return bisect_left(self._created, time_range.end) - bisect_left(
            self._created, time_range.start
        )
