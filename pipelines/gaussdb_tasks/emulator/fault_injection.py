"""Faults of single calls, and plans that decide which calls fail.

A plan receives the number of each call, from 1, and the emulator's time. If several plans have a
fault for a call, the first plan decides.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gaussdb_tasks.emulator.http import Damage, Delivery, Headers, Response, gateway_error
from gaussdb_tasks.emulator.random_source import RandomSource
from gaussdb_tasks.model.times import SECOND, Micros


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one call: another response, a delay, or damage to the correct response."""

    response: Response | None = None
    delay_seconds: float = 0.0
    damage: Damage = "none"

    def deliver(self, answer: Callable[[], Response]) -> Delivery:
        """Deliver the call's response with this fault; `answer` runs only if it is needed."""
        if self.damage == "dropped":
            return Delivery(_NO_RESPONSE, self.damage)
        return Delivery(self.response or answer(), self.damage)


_NO_RESPONSE: Final = Response(0)
_NO_FAULT: Final = Fault()


def answers(response: Response) -> Fault:
    """Answer with this response, whatever the request."""
    return Fault(response)


def server_error(status: int = 500, *, retry_after: int | str | None = None) -> Fault:
    """Answer 500, 502, 503 or 504, with or without Retry-After."""
    headers = _retry_after(retry_after)
    return Fault(gateway_error(status, "APIGW.0201", "Backend unavailable", headers))


def too_many_requests(*, retry_after: int | str | None = None) -> Fault:
    """Answer 429 as the gateway does at its rate limit."""
    message = "The throttling threshold has been reached: policy user over ratelimit"
    return Fault(gateway_error(429, "APIGW.0308", message, _retry_after(retry_after)))


def proxy_page(status: int = 502) -> Fault:
    """Answer with the HTML error page of a proxy."""
    page = b"<html><head><title>Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
    return Fault(Response(status, page, (("Content-Type", "text/html"),)))


def not_json() -> Fault:
    """Answer 200 with a body that is not JSON."""
    return Fault(Response(200, b"service is starting", (("Content-Type", "application/json"),)))


def redirect(location: str, status: int = 302) -> Fault:
    """Redirect the client, for example to a host that must not receive its token."""
    return Fault(Response(status, b"", (("Location", location),)))


def truncated() -> Fault:
    """Answer 200 with the first half of the JSON text and a matching Content-Length."""
    return Fault(damage="truncated")


def broken_off() -> Fault:
    """Close the connection halfway through the body."""
    return Fault(damage="broken_off")


def dropped() -> Fault:
    """Close the connection without an answer."""
    return Fault(damage="dropped")


def slow(seconds: float) -> Fault:
    """Send the correct answer after a delay."""
    return Fault(delay_seconds=seconds)


def _retry_after(value: int | str | None) -> Headers:
    return () if value is None else (("Retry-After", str(value)),)


TRANSIENT_FAULTS: Final = (
    too_many_requests(),
    too_many_requests(retry_after=1),
    server_error(500),
    server_error(502),
    server_error(503),
    server_error(503, retry_after=1),
    server_error(504),
    proxy_page(),
    not_json(),
    truncated(),
    broken_off(),
    dropped(),
)
"""Transient faults: a client should retry after each of them."""


class FaultPlan(Protocol):
    """Decides which calls fail."""

    def fault_for(self, call: int, now: Micros, /) -> Fault | None:
        """Return the fault of a call by its number, from 1; None if the call does not fail."""
        ...


def first_fault(plans: Iterable[FaultPlan], call: int, now: Micros) -> Fault:
    """Return the first fault that a plan has for a call; without one, a fault without effect."""
    found = (plan.fault_for(call, now) for plan in plans)
    return next((fault for fault in found if fault is not None), _NO_FAULT)


@dataclass(frozen=True, slots=True)
class Script:
    """Faults by the number of the call."""

    faults: Mapping[int, Fault]

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Return the fault listed for this call."""
        return self.faults.get(call)


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """Random faults at a rate; seed and call number decide, so the order of calls is irrelevant."""

    rate: float
    seed: int = 0
    faults: Sequence[Fault] = TRANSIENT_FAULTS

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Draw a fault for this call."""
        source = RandomSource(self.seed, call)
        return source.choice(self.faults) if source.happens(self.rate) else None


@dataclass(frozen=True, slots=True)
class FailsAfter:
    """Answer the first `calls` calls, and every later call with 503."""

    calls: int

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Return a 503 for every call after the last good one."""
        return server_error(503) if call > self.calls else None


@dataclass(slots=True)
class RateLimit:
    """Allow `calls` calls in a period; answer the others with 429.

    A period begins with a call and is measured by the emulator's clock. With `sends_retry_after`,
    Retry-After contains the seconds until the period ends.
    """

    calls: int
    period: Micros
    sends_retry_after: bool = True
    _period_start: Micros | None = field(default=None, init=False)
    _used: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def fault_for(self, _call: int, now: Micros, /) -> Fault | None:
        """Count this call; return a 429 if it exceeds the limit."""
        with self._lock:
            if self._period_start is None or now - self._period_start >= self.period:
                self._period_start, self._used = now, 0
            self._used += 1
            if self._used <= self.calls:
                return None
            seconds_left = math.ceil((self._period_start + self.period - now) / SECOND)
            return too_many_requests(retry_after=seconds_left if self.sends_retry_after else None)
