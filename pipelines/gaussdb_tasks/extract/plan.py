"""Which windows of time a load reads. Pure: from what is known and a clock, nothing else.

Three needs: time that no load has covered yet, with an overlap for records that appear late; tasks
last seen in flight; and once a load the count of the whole horizon, or its reading. Calls are
rationed, so of all ways to cut the needs into windows the one with the fewest calls is taken.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.time_range import TimeRange, subtract
from gaussdb_tasks.model.times import DAY, SECOND, Micros
from gaussdb_tasks.settings import LoadSettings

_FULL_READ_EVERY: Final[Micros] = 7 * DAY
"""How often the whole horizon is read where the API's counts cannot be used to check it."""

_AROUND_A_TASK: Final[Micros] = 2 * SECOND
"""How far a window reaches to both sides of a task, since the API may round its bounds."""

_MANY_NEEDS: Final = 300
_MOST_NEEDS_WEIGHED: Final = 1_000


class Purpose(StrEnum):
    """Why a window is read."""

    NEW = "new"
    IN_FLIGHT = "in_flight"
    HORIZON = "horizon"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time to read, and why."""

    time_range: TimeRange
    purpose: Purpose
    expected_calls: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of a load, oldest first, and whether the horizon is counted after them."""

    windows: tuple[Window, ...]
    is_horizon_counted: bool
    is_guess: bool = False
    """Whether nothing is known yet that the calls could be told from."""

    @property
    def expected_calls(self) -> int:
        """How many calls the plan takes, the sweep for running tasks among them."""
        sweep = 1
        return sweep + sum(w.expected_calls for w in self.windows) + int(self.is_horizon_counted)


def calls_for(task_count: float) -> int:
    """Return the calls that reading so many tasks takes: pages overlap by one record."""
    return int(max(task_count - 1, 0) // (PAGE_LIMIT - 1)) + 1


def plan_load(settings: LoadSettings, state: ProjectState, sighted: Iterable[str] = ()) -> Plan:
    """Plan the windows of a load.

    Args:
        settings: the clock, the horizon, and what was asked for.
        state: what earlier loads recorded of the project.
        sighted: tasks whose present state is known already, from the sweep for running tasks.
    """
    demand = _Demand(settings, state)
    if settings.time_range is not None:
        # Time from before the horizon is not even asked for: nothing is remembered of it.
        time_range = settings.time_range.clip(settings.horizon_window)
        return Plan((demand.window(time_range, Purpose.STRETCH),), is_horizon_counted=False)
    whole = demand.window(settings.horizon_window, Purpose.HORIZON)
    if settings.full or not state.covered or _is_full_read_due(settings, state):
        return Plan((whole,), is_horizon_counted=False, is_guess=not state.covered)
    needs = sorted([*_new_time(settings, state), *_in_flight(settings, state, set(sighted))])
    windows = demand.cheapest_windows(needs)
    apart = Plan(windows, is_horizon_counted=state.is_count_usable is not False)
    together = Plan((whole,), is_horizon_counted=False)
    # At the same price the whole horizon is better evidence than its count.
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
    """Return the time to read because no load has covered it, today's with its margin."""
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


def _in_flight(settings: LoadSettings, state: ProjectState, sighted: set[str]) -> list[_Need]:
    """Return the surroundings of each task that may have ended since it was last seen."""
    created = [
        known.created_at
        for job_id, known in state.tasks.items()
        if known.is_in_flight
        and known.created_at >= settings.visible.start
        and job_id not in sighted
    ]
    return [
        _Need(TimeRange(at - _AROUND_A_TASK, at + _AROUND_A_TASK), Purpose.IN_FLIGHT)
        for at in created
    ]


class _Demand:
    """Prices windows by the tasks that are expected in them."""

    def __init__(self, settings: LoadSettings, state: ProjectState) -> None:
        self._policy = settings
        self._knowledge = state
        self._created = sorted(known.created_at for known in state.listed())
        covered_span = sum(time_range.end - time_range.start for time_range in state.covered)
        covered_count = sum(self._known_count(time_range) for time_range in state.covered)
        self._rate = covered_count / covered_span if covered_span else 0.0

    def window(self, time_range: TimeRange, purpose: Purpose) -> Window:
        """Price a window."""
        return Window(time_range, purpose, self._price(time_range))

    def cheapest_windows(self, needs: Sequence[_Need]) -> tuple[Window, ...]:
        """Cut sorted needs into the windows that take the fewest calls together."""
        if self._knowledge.is_running_listed is False:
            # A window that ends in the past would hide what ended after it.
            return (self._window_over(needs),)
        if len(needs) > _MANY_NEEDS:
            needs = self._joined_where_free(needs)
        if len(needs) > _MOST_NEEDS_WEIGHED:
            return (self._window_over(needs),)
        # best[i]: price of the first i needs, and where the last of their windows begins; the
        # classic partition of a sequence.
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
            price = self._price(TimeRange(needs[start].time_range.start, window_end))
            if price > cheapest[0]:
                break  # and a window that reaches back further costs no less
            cheapest = min(cheapest, (best[start][0] + price, start))
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

    def _joined_where_free(self, needs: Sequence[_Need]) -> list[_Need]:
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

    def _price(self, time_range: TimeRange) -> int:
        return calls_for(self._expected_count(time_range))

    def _expected_count(self, time_range: TimeRange) -> float:
        unknown = subtract(time_range.clip(self._policy.visible), self._knowledge.covered)
        unknown_span = sum(part.end - part.start for part in unknown)
        return self._known_count(time_range) + self._rate * unknown_span

    def _known_count(self, time_range: TimeRange) -> int:
        return bisect_left(self._created, time_range.end) - bisect_left(
            self._created, time_range.start
        )
