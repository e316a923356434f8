"""``gaussdb-tasks retention``: what is older than a period goes, on the record."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.cli import amendment_output, output
from gaussdb_tasks.cli.options import (
    data_dir_option,
    dry_run_option,
    format_option,
    now_option,
    option,
    signing_key_option,
    time_option,
    umask_option,
)
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros, parse_period
from gaussdb_tasks.model.times import now as machine_clock

_PRESETS: Final[Mapping[str, str]] = MappingProxyType({"pci-dss": "1y", "sox": "7y", "gobd": "10y"})
_FIRST: Final[Micros] = -(2**55)
_LAST: Final[Micros] = 2**55


@click.command("retention")
@data_dir_option
@option(
    "--keep",
    required=True,
    metavar="PERIOD",
    help="How long to keep: 90d, 18m, 10y, or pci-dss (1y), sox (7y), gobd (10y).",
)
@option(
    "--hold-instance",
    "held_instances",
    multiple=True,
    metavar="ID",
    help="Keep all tasks of this instance, by id or name; repeatable.",
)
@time_option("--hold-from", "hold_from", "Keep all tasks started from then on.")
@time_option("--hold-to", "hold_to", "Keep all tasks started before then.")
@option("--reason", metavar="TEXT", help="Why, for the record. Default: the period.")
@dry_run_option
@now_option
@signing_key_option
@umask_option
@format_option(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    keep: str,
    held_instances: tuple[str, ...],
    hold_from: Micros | None,
    hold_to: Micros | None,
    reason: str | None,
    dry_run: bool,
    now: Micros | None,
    signing_key: Path | None,
    umask: int,
    output_format: str,
) -> None:
    """Remove tasks that no load has seen for longer than a period, on the record.

    Nothing is ever removed but by this command. What goes is in the archive and in the database no
    more; digests, loads and coverage stay, so that `verify` can still prove the rest, and says what
    was removed on purpose. Copies elsewhere follow with the next load that copies.

    \b
    Examples:
      gaussdb-tasks retention --keep 10y --dry-run
      gaussdb-tasks retention --keep sox --hold-instance 1f1e...in14 --reason "policy 7"
    """
    clock = machine_clock() if now is None else now
    period = parse_period(_PRESETS.get(keep.lower(), keep), option="--keep")
    holds = Holds(held_instances, _stretches(hold_from, hold_to))
    os.umask(umask)
    act = amendment_output.act_of("retention", clock, reason or f"kept for {keep}", signing_key)
    before = period.before(clock)
    effects = retain(DataDir(data_dir), before, holds, act, is_dry_run=dry_run)
    amendment_output.tell(effects, output_format, is_dry_run=dry_run)


def _stretches(start: Micros | None, end: Micros | None) -> tuple[TimeRange, ...]:
    if start is None and end is None:
        return ()
    time_range = TimeRange(_FIRST if start is None else start, _LAST if end is None else end)
    if time_range.is_empty:
        message = "--hold-from is not before --hold-to; swap them"
        raise ConfigurationError(message)
    return (time_range,)
