"""Times as integers, in microseconds since 1970-01-01 UTC, and calendar periods.

Plans and records compare and subtract times by the million, and the API takes milliseconds. A plain
integer does both and has no time zone to get wrong. pendulum reads the times that people write and
adds calendar periods.
"""

import re
from calendar import timegm
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from gaussdb_tasks.errors import ConfigurationError

Micros: TypeAlias = int
"""Microseconds: since 1970-01-01 UTC for a time, plain for a duration."""

SECOND: Final[Micros] = 1_000_000
MINUTE: Final[Micros] = 60 * SECOND
HOUR: Final[Micros] = 60 * MINUTE
DAY: Final[Micros] = 24 * HOUR

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MICRO: Final = timedelta(microseconds=1)

# A date, or a time in the form in which this program writes it.
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?Z)?", re.ASCII
)
_PERIOD: Final = re.compile(r"(?P<number>[1-9]\d{0,3})(?P<unit>[dmy])", re.ASCII)
_PERIOD_UNITS: Final = {"d": "days", "m": "months", "y": "years"}


@dataclass(frozen=True, slots=True)
class CalendarPeriod:
    """A period of the calendar; its length depends on the date that it is added to."""

    days: int = 0
    months: int = 0
    years: int = 0

    def before(self, time: Micros) -> Micros:
        """Return the time that is this period before another one, by the calendar."""
        return CalendarPeriod(-self.days, -self.months, -self.years).after(time)

    def after(self, time: Micros) -> Micros:
        """Return the time that is this period after another one, by the calendar."""
        import pendulum  # noqa: PLC0415 - slow to import, and most commands read no time

        at = pendulum.instance(to_datetime(time))
        return from_datetime(at.add(days=self.days, months=self.months, years=self.years))


def from_datetime(value: datetime) -> Micros:
    """Convert an aware datetime of any offset, pendulum's among them."""
    return timegm(value.utctimetuple()) * SECOND + value.microsecond


def to_datetime(value: Micros) -> datetime:
    """Convert to an aware datetime in UTC."""
    return EPOCH + value * ONE_MICRO


def iso(value: Micros) -> str:
    """Write a time for people: ``2022-08-12T00:00:00Z``, to the second."""
    return to_datetime(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> Micros:
    """Read the machine's clock."""
    return from_datetime(datetime.now(UTC))


def parse_time(text: str, *, option: str) -> Micros:
    """Read a time that a user wrote; without an offset it is UTC, a date alone is its midnight.

    Raises:
        ConfigurationError: the text is not a time; the message names the option and a valid time.
    """
    if _ISO.fullmatch(text):
        with suppress(ValueError):  # pendulum, which is slow to import, decides
            return from_datetime(datetime.fromisoformat(text))
    import pendulum  # noqa: PLC0415 - slow to import, and most commands read no time

    with suppress(ValueError, OverflowError):  # the latter also for a time before year 1 in UTC
        parsed = pendulum.parse(text)
        if isinstance(parsed, datetime):
            return from_datetime(parsed)
    message = (
        f"{option}: {text!r} is not a date and time; "
        "write it as 2026-01-31T02:00:00Z or 2026-01-31 (UTC)"
    )
    raise ConfigurationError(message)


def parse_period(text: str, *, option: str) -> CalendarPeriod:
    """Read a period that a user wrote: 90d, 18m or 10y.

    Raises:
        ConfigurationError: the text is not a period; the message names the option and valid ones.
    """
    match = _PERIOD.fullmatch(text.strip().lower())
    if match is None:
        message = (
            f"{option}: {text!r} is not a period; write days, months or years as 90d, 18m, 10y"
        )
        raise ConfigurationError(message)
    return CalendarPeriod(**{_PERIOD_UNITS[match["unit"]]: int(match["number"])})
