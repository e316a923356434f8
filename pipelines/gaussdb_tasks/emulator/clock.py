"""Clocks for the emulator: the machine's, one that runs ahead or fast, one that is set by hand."""

import threading
import time
from typing import Protocol

from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

_NANOS_PER_MICRO = 1_000


class Clock(Protocol):
    """Whatever tells the time, in microseconds since 1970-01-01 UTC; safe to share by threads."""

    def now(self) -> Micros:
        """Tell the present instant."""
        ...


class RealClock:
    """The machine's clock, on request shifted by a span and run at another speed.

    It starts at the machine's time plus `offset`; with `speed` 60 an hour passes in a minute,
    so one can watch tasks start, progress and end.
    """

    def __init__(self, *, offset: Micros = 0, speed: float = 1.0) -> None:
        self._start = times.now() + offset
        self._started_at = time.monotonic_ns()
        self._speed = speed

    def now(self) -> Micros:
        """Tell the present instant."""
        passed = (time.monotonic_ns() - self._started_at) // _NANOS_PER_MICRO
        return self._start + int(passed * self._speed)


class SettableClock:
    """A clock that stands still until it is set or advanced."""

    def __init__(self, start: Micros) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> Micros:
        """Tell the instant that was set last."""
        return self._now

    def set(self, instant: Micros) -> None:
        """Set the clock, forward or back."""
        with self._lock:
            self._now = instant

    def advance(self, span: Micros) -> None:
        """Let a span pass."""
        with self._lock:
            self._now += span
