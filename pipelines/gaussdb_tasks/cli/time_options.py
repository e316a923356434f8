"""Options whose value is a date or a time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gaussdb_tasks.cli.options import option
from gaussdb_tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from gaussdb_tasks.model.time_range import TimeRange
    from gaussdb_tasks.model.times import Micros

# A time outside of these years is a typing error, and the archive would keep it.
_YEARS: Final = range(2000, 2200)

_F = TypeVar("_F", bound=Callable[..., Any])


def time_option(name: str, parameter: str, description: str) -> Callable[[_F], _F]:
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


def refuse_impossible(bounds: "TimeRange", listed: "TimeRange") -> None:
    """Refuse values of ``--from`` and ``--to`` that select nothing of the time that is listed.

    Raises:
        ConfigurationError: they select nothing.
    """
    from gaussdb_tasks.model.times import iso  # noqa: PLC0415 - help does not need it

    start, end = bounds
    is_both_given = start != listed.start and end != listed.end
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


now_option = time_option("--now", "now", "Current time, for tests. Default: the machine's clock.")
