"""The rate limiter: one pause for all threads, and spacing between calls after it."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from gaussdb_tasks.api.rate_limit import RateLimiter


class FakeTime:
    """A clock that advances only during a sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the seconds of the clock."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


def limiter_with(time: FakeTime) -> RateLimiter:
    """Make a limiter with a fake clock."""
    return RateLimiter(monotonic=time.monotonic, sleep=time.sleep)


def call_times(limiter: RateLimiter, time: FakeTime, count: int) -> list[float]:
    """Make some calls; return when each was admitted."""
    times = []
    for _ in range(count):
        limiter.acquire()
        times.append(time.now)
    return times


def test_no_delay() -> None:
    """Without a refusal no call waits."""
    time = FakeTime()
    limiter = limiter_with(time)
    assert call_times(limiter, time, 50) == [100.0] * 50
    assert (limiter.calls_made, limiter.seconds_waited) == (50, 0.0)


def test_pause() -> None:
    """No call is admitted before the end of a pause."""
    time = FakeTime()
    limiter = limiter_with(time)
    limiter.pause(30)
    assert min(call_times(limiter, time, 3)) >= 130
    assert limiter.seconds_waited >= 30


def test_spacing_after_a_pause() -> None:
    """Calls after a pause are spaced out; successes remove the spacing."""
    time = FakeTime()
    limiter = limiter_with(time)
    limiter.pause(10)
    first, second = call_times(limiter, time, 2)
    assert second - first > 0.2
    for _ in range(100):
        limiter.record_success()
    limiter.acquire()
    assert call_times(limiter, time, 5) == [time.now] * 5


def test_concurrent_refusals() -> None:
    """Eight calls refused together widen the spacing as much as one."""
    alone, burst = FakeTime(), FakeTime()
    limiter_alone, limiter_burst = limiter_with(alone), limiter_with(burst)
    limiter_alone.pause(10)
    for _ in range(8):
        limiter_burst.pause(10)
    assert call_times(limiter_burst, burst, 4) == call_times(limiter_alone, alone, 4)


def test_cancel() -> None:
    """Cancelling wakes waiting threads and refuses further calls."""
    limiter = RateLimiter()
    limiter.pause(3600)
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        limiter.acquire()

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(wait)
        begun.wait()
        limiter.cancel()
        with pytest.raises(CancelledError):
            waiting.result()
