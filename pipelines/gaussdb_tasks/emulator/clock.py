"""Clocks of the emulator, and the HTTP path by which other processes read and set them.

`GET /_emulator/clock` answers `{"now": "2026-01-31T02:00:00Z"}`. `PUT` with the same document sets
a `SettableClock`; any other clock answers 409.
"""

import json
import threading
import time
from typing import Final, Protocol

from gaussdb_tasks.emulator.http import Request, Response, json_response
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

CLOCK_PATH: Final = "/_emulator/clock"
_NANOS_PER_MICRO: Final = 1_000


class Clock(Protocol):
    """A source of the current time, in microseconds since 1970-01-01 UTC; thread-safe."""

    def now(self) -> Micros:
        """Return the current time."""
        ...


class RealClock:
    """The machine's clock, optionally shifted and at another speed.

    It starts at the machine's time plus `offset`. With `speed` 60 an hour passes in a minute.
    """

    def __init__(self, *, offset: Micros = 0, speed: float = 1.0) -> None:
        self._start = times.now() + offset
        self._started_at = time.monotonic_ns()
        self._speed = speed

    def now(self) -> Micros:
        """Return the current time."""
        elapsed = (time.monotonic_ns() - self._started_at) // _NANOS_PER_MICRO
        return self._start + int(elapsed * self._speed)


class SettableClock:
    """A clock that stands still until it is set or advanced."""

    def __init__(self, start: Micros) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> Micros:
        """Return the time that was set last."""
        return self._now

    def set(self, now: Micros) -> None:
        """Set the clock, forward or back."""
        with self._lock:
            self._now = now

    def advance(self, duration: Micros) -> None:
        """Move the clock forward."""
        with self._lock:
            self._now += duration


def answer_clock_call(request: Request, clock: Clock) -> Response | None:
    """Answer a call to the clock path; None for any other call."""
    if request.path != CLOCK_PATH or request.method not in {"GET", "PUT"}:
        return None
    if request.method == "PUT":
        if not isinstance(clock, SettableClock):
            return json_response(409, {"error": "this clock runs by itself"})
        try:
            text = str(json.loads(request.body)["now"])
            clock.set(times.parse_time(text, option="now"))
        except (ValueError, KeyError, TypeError, ConfigurationError):
            return json_response(400, {"error": 'send {"now": "2026-01-31T02:00:00Z"}'})
    return json_response(200, {"now": times.iso(clock.now())})
