"""The invented instances of a project: some that stay for years, some that come and go.

Which instances there are on a day follows from that day alone, so any day can be asked for. Days
are whole UTC days, counted from 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Final

from gaussdb_tasks.emulator.dice import Dice
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros

_SERVICES: Final = (
    "orders",
    "billing",
    "catalog",
    "payments",
    "stock",
    "shipping",
    "customers",
    "pricing",
    "loyalty",
    "ledger",
    "returns",
    "suppliers",
    "invoices",
    "sessions",
)
_STAGES: Final = ("prod", "test")
_STANDING_PER_GUEST: Final = 3
_SHORTEST_CYCLE_DAYS: Final = 8
_LONGEST_CYCLE_DAYS: Final = 24
_LAST_BIRTH_DAY: Final = 2
_CLONED_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class Instance:
    """A database instance, and when its nightly backup begins, since midnight."""

    instance_id: str
    name: str
    backup_time: Micros


@dataclass(frozen=True, slots=True)
class Guest:
    """An instance that comes and goes, and whether it began as a copy of another."""

    instance: Instance
    born_at: Micros
    gone_at: Micros
    is_clone: bool


@dataclass(frozen=True)
class Fleet:
    """A project's instances: `size` that stay, and about a third as many guests at a time."""

    seed: int
    project_id: str
    size: int

    def alive_on(self, day: int) -> list[Instance]:
        """List the instances that are there all day."""
        guests = (
            guest.instance
            for guest in self._guests_about(day)
            if guest.born_at // DAY < day < guest.gone_at // DAY
        )
        return [*self._standing, *guests]

    def born_on(self, day: int) -> list[Guest]:
        """List the guests that are made on a day."""
        return [guest for guest in self._guests_about(day) if guest.born_at // DAY == day]

    def gone_on(self, day: int) -> list[Guest]:
        """List the guests that are deleted on a day."""
        return [guest for guest in self._guests_about(day) if guest.gone_at // DAY == day]

    @cached_property
    def _standing(self) -> tuple[Instance, ...]:
        names = islice(_names(self._services), self.size)
        return tuple(self._instance(name, self._dice("standing", name)) for name in names)

    @cached_property
    def _services(self) -> list[str]:
        return self._dice("services").sample(_SERVICES, len(_SERVICES))

    def _dice(self, *purpose: object) -> Dice:
        return Dice(self.seed, self.project_id, *purpose)

    def _instance(self, name: str, dice: Dice) -> Instance:
        return Instance(f"{dice.hex_id()}in14", name, dice.span(30 * MINUTE, 4 * HOUR))

    def _guests_about(self, day: int) -> Iterator[Guest]:
        """Give for each slot the one guest whose cycle the day falls into."""
        for slot in range(-(-self.size // _STANDING_PER_GUEST)):
            dice = self._dice("slot", slot)
            cycle_days = dice.randint(_SHORTEST_CYCLE_DAYS, _LONGEST_CYCLE_DAYS)
            yield self._guest(
                slot, day - (day + dice.randrange(cycle_days)) % cycle_days, cycle_days
            )

    def _guest(self, slot: int, first_day: int, cycle_days: int) -> Guest:
        dice = self._dice("guest", slot, first_day)
        born_day = first_day + dice.randint(0, _LAST_BIRTH_DAY)
        gone_day = first_day + dice.randint(_LAST_BIRTH_DAY + 2, cycle_days - 1)
        is_clone = dice.happens(_CLONED_SHARE)
        kind = "clone" if is_clone else "dev"
        date = times.to_datetime(born_day * DAY).strftime("%m%d")
        service = self._services[slot % len(self._services)]
        return Guest(
            self._instance(f"{service}-{kind}-{date}", dice),
            born_at=born_day * DAY + dice.span(7 * HOUR, 16 * HOUR),
            gone_at=gone_day * DAY + dice.span(8 * HOUR, 17 * HOUR),
            is_clone=is_clone,
        )


def _names(services: list[str]) -> Iterator[str]:
    """Name instances without end: orders-prod, orders-test, ..., orders-prod-02, ..."""
    for round_number in count(1):
        suffix = "" if round_number == 1 else f"-{round_number:02d}"
        for service in services:
            for stage in _STAGES:
                yield f"{service}-{stage}{suffix}"
