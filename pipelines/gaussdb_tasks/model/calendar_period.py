"""Periods as people write them: 90d, 18m, 10y."""

import re
from dataclasses import dataclass
from typing import Final

import pendulum

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, from_datetime, to_datetime

_PERIOD: Final = re.compile(r"(?P<number>[1-9]\d{0,3})(?P<unit>[dmy])", re.ASCII)


@dataclass(frozen=True, slots=True)
class CalendarPeriod:
    """A period of the calendar."""

    days: int = 0
    months: int = 0
    years: int = 0

    def before(self, instant: Micros) -> Micros:
        """Return the instant that lies the period before another, by the calendar."""
        at = pendulum.instance(to_datetime(instant))
        return from_datetime(at.subtract(days=self.days, months=self.months, years=self.years))

    def after(self, instant: Micros) -> Micros:
        """Return the instant that lies the period after another, by the calendar."""
        at = pendulum.instance(to_datetime(instant))
        return from_datetime(at.add(days=self.days, months=self.months, years=self.years))


def parse_period(text: str, *, option: str) -> CalendarPeriod:
    """Read a period.

    Raises:
        ConfigurationError: it is none; the message names the option and shows one.
    """
    match = _PERIOD.fullmatch(text.strip().lower())
    if match is None:
        message = f"{option}: {text!r} is no period; write days, months or years as 90d, 18m, 10y"
        raise ConfigurationError(message)
    number = int(match["number"])
    match match["unit"]:
        case "d":
            return CalendarPeriod(days=number)
        case "m":
            return CalendarPeriod(months=number)
        case _:
            return CalendarPeriod(years=number)
