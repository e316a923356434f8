"""The call budget: one pause for all, and room between calls after it."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from gaussdb_tasks.api.rate_limit import RateLimiter


class FakeTime:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def budget_with(time: FakeTime) -> RateLimiter:
    """Make a budget that goes by a fake clock."""
    return RateLimiter(monotonic=time.monotonic, sleep=time.sleep)


def call_times(budget: RateLimiter, time: FakeTime, count: int) -> list[float]:
    """Make some calls; return when each was let through."""
    times = []
    for _ in range(count):
        budget.acquire()
        times.append(time.now)
    return times


def test_an_easy_gateway_is_asked_without_delay() -> None:
    """Nobody waits as long as nobody is refused."""
    time = FakeTime()
    budget = budget_with(time)
    assert call_times(budget, time, 50) == [100.0] * 50
    assert (budget.calls_made, budget.seconds_waited) == (50, 0.0)


def test_a_pause_holds_for_everybody() -> None:
    """No call is let through before the rest that was asked for is over."""
    time = FakeTime()
    budget = budget_with(time)
    budget.pause(30)
    assert min(call_times(budget, time, 3)) >= 130
    assert budget.seconds_waited >= 30


def test_after_a_pause_calls_are_spaced_out_and_ease_again() -> None:
    """The first calls after a refusal keep their distance; content answers close it."""
    time = FakeTime()
    budget = budget_with(time)
    budget.pause(10)
    first, second = call_times(budget, time, 2)
    assert second - first > 0.2
    for _ in range(100):
        budget.ease()
    budget.acquire()
    assert call_times(budget, time, 5) == [time.now] * 5


def test_refusals_of_one_burst_count_once() -> None:
    """Eight calls refused together space out the next no more than one does."""
    alone, burst = FakeTime(), FakeTime()
    budget_alone, budget_burst = budget_with(alone), budget_with(burst)
    budget_alone.pause(10)
    for _ in range(8):
        budget_burst.pause(10)
    assert call_times(budget_burst, burst, 4) == call_times(budget_alone, alone, 4)


def test_a_cancelled_budget_wakes_who_waits() -> None:
    """A load that is stopped does not wait for pauses: sleepers wake and calls are refused."""
    budget = RateLimiter()
    budget.pause(3600)
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        budget.acquire()

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(wait)
        begun.wait()
        budget.cancel()
        with pytest.raises(CancelledError):
            waiting.result()
