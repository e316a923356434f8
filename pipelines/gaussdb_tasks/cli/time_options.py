"""Options whose value is a date or a time."""

from typing import TYPE_CHECKING, Final

import click

from gaussdb_tasks.cli.options import Decorator, option
from gaussdb_tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from gaussdb_tasks.model.time_range import TimeRange
    from gaussdb_tasks.model.times import Micros

# A time outside of these years is a typing error, and the archive would keep it.
_YEARS: Final = range(2000, 2200)


def time_option(name: str, parameter: str, description: str) -> Decorator:
    """Declare an option whose value is a date or a time."""
    return option(name, parameter, metavar="ISO", callback=_read_time, help=description)


def _read_time(_ctx: click.Context, param: click.Parameter, value: str | None) -> "Micros | None":
    from gaussdb_tasks.model.times import parse_time, to_datetime  # noqa: PLC0415 - help does not need it

    if value is None:
        return None
    option_name = param.opts[0]
    time = parse_time(value, option=option_name)
    if to_datetime(time).year not in _YEARS:
        message = (
            f"{option_name}: {value!r}: the year must be between {_YEARS.start} and {_YEARS[-1]}"
        )
        raise ConfigurationError(message)
    return time


def chosen_time(
    start: "Micros | None", end: "Micros | None", listed: "TimeRange"
) -> "TimeRange | None":
    """Return the time that ``--from`` and ``--to`` choose of the time that is listed, if given.

    Raises:
        ConfigurationError: they choose nothing of it.
    """
    from gaussdb_tasks.model.time_range import TimeRange  # noqa: PLC0415 - help does not need it
    from gaussdb_tasks.model.times import iso  # noqa: PLC0415 - likewise

    if start is None and end is None:
        return None
    is_both_given = start is not None and end is not None
    start = listed.start if start is None else start
    end = listed.end if end is None else end
    if start >= end and is_both_given:
        remedy = "swap them" if start > end else "use a later --to"
        message = f"--from {iso(start)} is not before --to {iso(end)}; {remedy}"
        raise ConfigurationError(message)
    if start > listed.end:
        message = f"--from {iso(start)} is in the future; use a time in the past"
        raise ConfigurationError(message)
    if end <= listed.start:
        oldest = iso(listed.start)
        message = f"--to {iso(end)} is older than the task center's oldest task: {oldest}"
        raise ConfigurationError(message)
    if start >= end:
        message = f"--from {iso(start)} is not before --to {iso(end)}; use an earlier --from"
        raise ConfigurationError(message)
    return TimeRange(start, end)


now_option = time_option("--now", "now", "Current time, for tests. Default: the machine's clock.")
