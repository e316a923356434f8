"""The call budget: one for all threads that ask the same gateway.

Gateways of this cloud ration calls (some allow 200 in five minutes) and say so with 429. Eight
threads that each retry on their own would hammer a gateway that has just asked for rest, so a pause
is everybody's pause, and after it the calls are spaced out until the gateway is content again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Final

_FIRST_SPACING_SECONDS: Final = 0.25
_WIDEST_SPACING_SECONDS: Final = 4.0
_EASING: Final = 0.95
_NO_SPACING_BELOW_SECONDS: Final = 0.02


class RateLimiter:
    """Lets calls through one by one, no faster than the gateway likes.

    ``calls_made`` counts every call let through, repeats among them; ``seconds_waited`` is the
    time that threads spent waiting here for the gateway's sake, added up.

    Args:
        connections: how many calls may be under way at once.
    """

    def __init__(
        self,
        connections: int = 8,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        on_pause: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
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
    def turn(self) -> Iterator[None]:
        """Wait for one's turn to call, and call inside the block."""
        with self._free:
            self.acquire()
            yield

    def acquire(self) -> None:
        """Wait for one's turn to call."""
        while (seconds := self._take_turn()) > 0:
            self.sleep(seconds)
        if self._cancelled.is_set():
            raise CancelledError

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake and raise as soon as the budget is cancelled.

        Raises:
            concurrent.futures.CancelledError: nobody waits for the call any more.
        """
        if self._sleep is not None:
            self._sleep(seconds)
        elif self._cancelled.wait(seconds):
            raise CancelledError

    def cancel(self) -> None:
        """Let no further call through, so that a load that was stopped need not wait for them."""
        self._cancelled.set()

    def ease(self) -> None:
        """Note a call that went well: the spacing narrows."""
        with self._lock:
            self._spacing *= _EASING
            if self._spacing < _NO_SPACING_BELOW_SECONDS:
                self._spacing = 0.0

    def pause(self, seconds: float) -> None:
        """Let nobody call for so long, and space out the calls after that."""
        self._on_pause(seconds)
        with self._lock:
            now = self._monotonic()
            # Calls that were under way together are refused together: widen once, not eight times.
            if now >= self._paused_until:
                wider = max(_FIRST_SPACING_SECONDS, self._spacing * 2)
                self._spacing = min(wider, _WIDEST_SPACING_SECONDS)
            self._paused_until = max(self._paused_until, now + seconds)
            self._next_call_at = max(self._next_call_at, self._paused_until)

    def _take_turn(self) -> float:
        """Return how long to wait, or take the turn and return 0."""
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
    """A budget for each user and gateway: gateways ration calls by user."""

    def __init__(
        self, connections: int, on_pause: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self._connections = connections
        self._on_pause = on_pause
        self._budgets: dict[tuple[str, str], RateLimiter] = {}

    def budget_of(self, account: str, endpoint: str) -> RateLimiter:
        """Return the budget that an account shares among its projects at an endpoint."""
        key = (account, endpoint)
        if key not in self._budgets:
            self._budgets[key] = RateLimiter(self._connections, on_pause=self._on_pause)
        return self._budgets[key]

    @property
    def seconds_waited(self) -> float:
        """The time that calls were held back for the gateways' sake, over all threads."""
        return sum(budget.seconds_waited for budget in self._budgets.values())

    def cancel(self) -> None:
        """Let no further call through anywhere."""
        for budget in self._budgets.values():
            budget.cancel()
