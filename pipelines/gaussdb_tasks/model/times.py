"""Instants as integers: microseconds since 1970-01-01 UTC.

Plans, proofs and records compare and subtract instants by the million, and the API speaks in
milliseconds. A plain integer does both without a time zone to get wrong; pendulum stands at the
rim, where people write times.
"""

from calendar import timegm
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import pendulum

from gaussdb_tasks.errors import ConfigurationError

Micros: TypeAlias = int
"""Microseconds: since 1970-01-01 UTC for an instant, plain for a span."""

SECOND: Final[Micros] = 1_000_000
MINUTE: Final[Micros] = 60 * SECOND
HOUR: Final[Micros] = 60 * MINUTE
DAY: Final[Micros] = 24 * HOUR

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MICRO: Final = timedelta(microseconds=1)


def from_datetime(value: datetime) -> Micros:
    """Convert an aware datetime of any offset, pendulum's among them."""
    return timegm(value.utctimetuple()) * SECOND + value.microsecond


def to_datetime(value: Micros) -> datetime:
    """Convert to an aware datetime in UTC."""
    return EPOCH + value * ONE_MICRO


def iso(value: Micros) -> str:
    """Write an instant as people read it: ``2022-08-12T00:00:00Z``, to the second."""
    return to_datetime(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> Micros:
    """Read the machine's clock."""
    return from_datetime(datetime.now(UTC))


def parse_instant(text: str, *, option: str) -> Micros:
    """Read an instant that a user wrote; without an offset it is UTC, a bare date its midnight.

    Raises:
        ConfigurationError: the text is no date; the message names the option and shows one.
    """
    try:
        parsed = pendulum.parse(text)
    except (ValueError, OverflowError):
        parsed = None
    if not isinstance(parsed, datetime):
        message = (
            f"{option}: {text!r} is not a date and time; "
            "write it as 2026-01-31T02:00:00Z or 2026-01-31 (UTC)"
        )
        raise ConfigurationError(message)
    return from_datetime(parsed)
