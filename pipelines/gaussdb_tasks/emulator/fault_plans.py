"""When faults strike: by script, by chance, by ration, or for good from some call on.

Plans see each call by its number, from 1, and the emulator's clock. Of several plans the first
that has a fault for a call decides.
"""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gaussdb_tasks.emulator.dice import Dice
from gaussdb_tasks.emulator.faults import PASSING_FAULTS, Fault, server_error, too_many_requests
from gaussdb_tasks.model.times import SECOND, Micros

_NO_FAULT: Final = Fault()


class FaultPlan(Protocol):
    """Decides which calls meet a fault."""

    def fault_for(self, call: int, now: Micros, /) -> Fault | None:
        """Give the fault for a call by its number, from 1, at an instant; None spares it."""
        ...


def fault_among(plans: Iterable[FaultPlan], call: int, now: Micros) -> Fault:
    """Ask the plans in their order for a call's fault; the one that harms nothing if none has."""
    found = (plan.fault_for(call, now) for plan in plans)
    return next((fault for fault in found if fault is not None), _NO_FAULT)


@dataclass(frozen=True, slots=True)
class Script:
    """Faults by the number of the call."""

    faults: Mapping[int, Fault]

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Give the fault written for this call."""
        return self.faults.get(call)


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """Any of some faults with a probability; the seed decides call by call, in any order."""

    rate: float
    seed: int = 0
    faults: Sequence[Fault] = PASSING_FAULTS

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Throw the dice for this call."""
        dice = Dice(self.seed, call)
        return dice.choice(self.faults) if dice.happens(self.rate) else None


@dataclass(frozen=True, slots=True)
class DiesAfter:
    """The service answers so many calls and then only 503."""

    calls: int

    def fault_for(self, call: int, _now: Micros, /) -> Fault | None:
        """Fail from the call after the last good one."""
        return server_error(503) if call > self.calls else None


@dataclass(slots=True)
class RateLimit:
    """So many calls in a period, then 429, by default with the seconds to its end in Retry-After.

    The period begins with a call and is measured by the emulator's clock.
    """

    calls: int
    period: Micros
    says_when: bool = True
    _begun_at: Micros | None = field(default=None, init=False)
    _used: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def fault_for(self, _call: int, now: Micros, /) -> Fault | None:
        """Count this call and refuse it if it is one too many."""
        with self._lock:
            if self._begun_at is None or now - self._begun_at >= self.period:
                self._begun_at, self._used = now, 0
            self._used += 1
            if self._used <= self.calls:
                return None
            seconds_left = math.ceil((self._begun_at + self.period - now) / SECOND)
            return too_many_requests(retry_after=seconds_left if self.says_when else None)
