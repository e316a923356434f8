"""Limit the rate of calls: one limiter for all threads that call the same gateway.

Gateways of this cloud limit calls, some to 200 in five minutes, and answer 429 above that. If each
of eight threads retried on its own, they would overload the gateway. So a pause holds for all
threads. After a pause the calls are spaced out; each success shortens the spacing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Final

from gaussdb_tasks.api.deadline import Deadline

_FIRST_SPACING_SECONDS: Final = 0.25
_MAX_SPACING_SECONDS: Final = 4.0
_SPACING_FACTOR_ON_SUCCESS: Final = 0.95
_MIN_SPACING_SECONDS: Final = 0.02


class RateLimiter:
    """Admits calls no faster than the gateway accepts them; thread-safe.

    Attributes:
        calls_made: the number of calls admitted, repeats included.
        seconds_waited: the time that calls waited here, added up over all threads.

    Args:
        connections: the largest number of concurrent calls.
        on_pause: called with the seconds of each pause.
        deadline: when it has passed, no call is admitted.
    """

    def __init__(
        self,
        connections: int = 8,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        on_pause: Callable[[float], None] = lambda _seconds: None,
        deadline: Deadline | None = None,
    ) -> None:
        self.deadline = deadline or Deadline()
        self.calls_made = 0
        self.seconds_waited = 0.0
        self._monotonic = monotonic
        self._sleep = sleep
        self._on_pause = on_pause
        self._cancelled = threading.Event()
        self._free = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._next_call_at = 0.0
        self._paused_until = 0.0
        self._spacing = 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until a call is allowed, and hold its slot inside the block."""
        with self._free:
            self.acquire()
            yield

    def acquire(self) -> None:
        """Wait until a call is allowed.

        Raises:
            concurrent.futures.CancelledError: the limiter was cancelled.
            LimitReachedError: the deadline has passed.
        """
        while (seconds := self._try_acquire()) > 0:
            self.sleep(seconds)
        if self._cancelled.is_set():
            raise CancelledError
        self.deadline.check()

    def sleep(self, seconds: float) -> None:
        """Sleep; wake as soon as the limiter is cancelled or the deadline passes.

        Raises:
            concurrent.futures.CancelledError: the limiter was cancelled.
            LimitReachedError: the deadline has passed.
        """
        seconds = min(seconds, self.deadline.remaining())
        if self._sleep is not None:
            self._sleep(seconds)
        elif self._cancelled.wait(seconds):
            raise CancelledError
        self.deadline.check()

    def cancel(self) -> None:
        """Admit no further call, so that a stopped load ends at once."""
        self._cancelled.set()

    def record_success(self) -> None:
        """Shorten the spacing after a call that succeeded."""
        with self._lock:
            self._spacing *= _SPACING_FACTOR_ON_SUCCESS
            if self._spacing < _MIN_SPACING_SECONDS:
                self._spacing = 0.0

    def pause(self, seconds: float) -> None:
        """Admit no call for some seconds, and space out the calls after that."""
        self._on_pause(seconds)
        with self._lock:
            now = self._monotonic()
            # Concurrent calls are refused together: widen the spacing once, not once per call.
            if now >= self._paused_until:
                wider = max(_FIRST_SPACING_SECONDS, self._spacing * 2)
                self._spacing = min(wider, _MAX_SPACING_SECONDS)
            self._paused_until = max(self._paused_until, now + seconds)
            self._next_call_at = max(self._next_call_at, self._paused_until)

    def _try_acquire(self) -> float:
        """Admit a call and return 0, or return the seconds to wait."""
        with self._lock:
            now = self._monotonic()
            wait = self._next_call_at - now
            if wait > 0:
                self.seconds_waited += wait
                return wait
            self._next_call_at = now + self._spacing
            self.calls_made += 1
            return 0.0


class RateLimiters:
    """One rate limiter for each user and gateway: gateways limit calls by user."""

    def __init__(
        self,
        connections: int,
        on_pause: Callable[[float], None] = lambda _seconds: None,
        deadline: Deadline | None = None,
    ) -> None:
        self._connections = connections
        self._on_pause = on_pause
        self._deadline = deadline
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def limiter_for(self, account: str, endpoint: str) -> RateLimiter:
        """Return the limiter that all projects of an account share at an endpoint."""
        key = (account, endpoint)
        if key not in self._limiters:
            self._limiters[key] = RateLimiter(
                self._connections, on_pause=self._on_pause, deadline=self._deadline
            )
        return self._limiters[key]

    @property
    def seconds_waited(self) -> float:
        """The time that calls waited here, added up over all threads."""
        return sum(limiter.seconds_waited for limiter in self._limiters.values())

    def cancel(self) -> None:
        """Admit no further call at any gateway."""
        for limiter in self._limiters.values():
            limiter.cancel()
