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

import pendulum

from gaussdb_tasks.contract import HORIZON, PAGE_LIMIT
from gaussdb_tasks.instants import DAY, MINUTE, SECOND, Micros, from_datetime, to_datetime
from gaussdb_tasks.knowledge import Knowledge
from gaussdb_tasks.stretches import Stretch, subtract

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
class Policy:
    """The clock of a load and what was asked of it."""

    now: Micros
    horizon: Micros = HORIZON
    overlap: Micros = 15 * MINUTE
    margin: Micros = 5 * MINUTE
    """How far windows reach into the future, for clocks that differ."""
    full: bool = False
    stretch: Stretch | None = None
    """Read this stretch of time only."""

    @property
    def visible(self) -> Stretch:
        """The time whose tasks the task center still shows."""
        return Stretch(self.now - self.horizon, self.now)

    @property
    def surely_visible_from(self) -> Micros:
        """Start of what is visible whether a month is 30 days or a calendar month.

        "The last month" reaches back 28 days for most of March, and 30 or 31 otherwise.
        """
        month_ago = pendulum.instance(to_datetime(self.now)).subtract(months=1)
        return max(self.visible.start, from_datetime(month_ago))

    @property
    def horizon_window(self) -> Stretch:
        """The window that reads all of it."""
        return Stretch(self.now - self.horizon, self.now + self.margin)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time to read, and why."""

    stretch: Stretch
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


def plan_load(policy: Policy, knowledge: Knowledge, sighted: Iterable[str] = ()) -> Plan:
    """Plan the windows of a load.

    Args:
        policy: the clock, the horizon, and what was asked for.
        knowledge: what is known of the project.
        sighted: tasks whose present state is known already, from the sweep for running tasks.
    """
    demand = _Demand(policy, knowledge)
    if policy.stretch is not None:
        # Time from before the horizon is not even asked for: nothing is remembered of it.
        stretch = policy.stretch.clip(policy.horizon_window)
        return Plan((demand.window(stretch, Purpose.STRETCH),), is_horizon_counted=False)
    whole = demand.window(policy.horizon_window, Purpose.HORIZON)
    if policy.full or not knowledge.covered or _is_full_read_due(policy, knowledge):
        return Plan((whole,), is_horizon_counted=False, is_guess=not knowledge.covered)
    needs = sorted([*_new_time(policy, knowledge), *_in_flight(policy, knowledge, set(sighted))])
    windows = demand.cheapest_windows(needs)
    apart = Plan(windows, is_horizon_counted=knowledge.is_count_usable is not False)
    together = Plan((whole,), is_horizon_counted=False)
    # At the same price the whole horizon is better evidence than its count.
    return together if together.expected_calls <= apart.expected_calls else apart


def _is_full_read_due(policy: Policy, knowledge: Knowledge) -> bool:
    if knowledge.is_count_usable is not False:
        return False
    last = knowledge.last_full_read_at
    # A clock that was ahead may have left a date in the future.
    return last is None or not 0 <= policy.now - last < _FULL_READ_EVERY


@dataclass(frozen=True, slots=True, order=True)
class _Need:
    stretch: Stretch
    purpose: Purpose


def _new_time(policy: Policy, knowledge: Knowledge) -> list[_Need]:
    """Return the time to read because no load has covered it, today's with its margin."""
    earliest = policy.visible.start
    uncovered = subtract(policy.visible, knowledge.covered)
    inner = [stretch for stretch in uncovered if stretch.end < policy.now]
    tail_start = uncovered[-1].start if uncovered[len(inner) :] else policy.now
    tail = Stretch(max(earliest, tail_start - policy.overlap), policy.horizon_window.end)
    widened = [
        Stretch(max(earliest, start - policy.overlap), end + policy.overlap) for start, end in inner
    ]
    return [_Need(stretch, Purpose.NEW) for stretch in (*widened, tail)]


def _in_flight(policy: Policy, knowledge: Knowledge, sighted: set[str]) -> list[_Need]:
    """Return the surroundings of each task that may have ended since it was last seen."""
    created = [
        known.created_at
        for job_id, known in knowledge.tasks.items()
        if known.is_in_flight and known.created_at >= policy.visible.start and job_id not in sighted
    ]
    return [
        _Need(Stretch(at - _AROUND_A_TASK, at + _AROUND_A_TASK), Purpose.IN_FLIGHT)
        for at in created
    ]


class _Demand:
    """Prices windows by the tasks that are expected in them."""

    def __init__(self, policy: Policy, knowledge: Knowledge) -> None:
        self._policy = policy
        self._knowledge = knowledge
        self._created = sorted(known.created_at for known in knowledge.listed())
        covered_span = sum(stretch.end - stretch.start for stretch in knowledge.covered)
        covered_count = sum(self._known_count(stretch) for stretch in knowledge.covered)
        self._rate = covered_count / covered_span if covered_span else 0.0

    def window(self, stretch: Stretch, purpose: Purpose) -> Window:
        """Price a window."""
        return Window(stretch, purpose, self._price(stretch))

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
        window_end = needs[-1].stretch.end
        for start in range(len(needs) - 2, -1, -1):
            window_end = max(window_end, needs[start].stretch.end)
            price = self._price(Stretch(needs[start].stretch.start, window_end))
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
                    joined[-1] = _Need(both.stretch, both.purpose)
                    continue
            joined.append(need)
        return joined

    def _window_over(self, needs: Sequence[_Need]) -> Window:
        stretch = Stretch(needs[0].stretch.start, max(need.stretch.end for need in needs))
        is_new = any(need.purpose is Purpose.NEW for need in needs)
        return self.window(stretch, Purpose.NEW if is_new else Purpose.IN_FLIGHT)

    def _price(self, stretch: Stretch) -> int:
        return calls_for(self._expected_count(stretch))

    def _expected_count(self, stretch: Stretch) -> float:
        unknown = subtract(stretch.clip(self._policy.visible), self._knowledge.covered)
        unknown_span = sum(part.end - part.start for part in unknown)
        return self._known_count(stretch) + self._rate * unknown_span

    def _known_count(self, stretch: Stretch) -> int:
        return bisect_left(self._created, stretch.end) - bisect_left(self._created, stretch.start)
