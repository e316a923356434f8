"""``gaussdb-tasks retention``: remove tasks older than a period, and record it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.cli.amendment_output import AmendmentOptions, amendment_options
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.cli.time_options import time_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros, parse_period

_PRESETS: Final[Mapping[str, str]] = {"pci-dss": "1y", "sox": "7y", "gobd": "10y"}
_FIRST: Final[Micros] = -(2**55)
_LAST: Final[Micros] = 2**55


@click.command("retention")
@data_dir_option
@option(
    "--keep",
    required=True,
    metavar="PERIOD",
    help="Keep tasks for this period: 90d, 18m, 10y, or pci-dss (1y), sox (7y), gobd (10y).",
)
@option(
    "--hold-instance",
    "held_instances",
    multiple=True,
    metavar="ID",
    help="Keep all tasks of this instance, by id or name; repeatable.",
)
@time_option("--hold-from", "hold_from", "Keep all tasks started at or after this time.")
@time_option("--hold-to", "hold_to", "Keep all tasks started before this time.")
@option("--reason", metavar="TEXT", help="Reason, kept in the archive. Default: the period.")
@amendment_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    keep: str,
    held_instances: tuple[str, ...],
    hold_from: Micros | None,
    hold_to: Micros | None,
    options: AmendmentOptions,
) -> None:
    """Remove tasks that no load has seen for a period, and record the removal.

    No other command removes tasks. They are removed from the archive and the database. Digests,
    loads and coverage stay: `verify` still proves the rest, and reports the removal. A mirror
    follows with the next load that has --archive-url.

    \b
    Examples:
      gaussdb-tasks retention --keep 10y --dry-run
      gaussdb-tasks retention --keep sox --hold-from 2025-01-01 --reason "policy 7"
    """
    period = parse_period(_PRESETS.get(keep.lower(), keep), option="--keep")
    holds = Holds(held_instances, _time_ranges(hold_from, hold_to))
    amendment = options.amendment("retention", f"kept for {keep}")
    before = period.before(amendment.at)
    report = retain(DataDir(data_dir), before, holds, amendment, is_dry_run=options.dry_run)
    options.write_report(report)


def _time_ranges(start: Micros | None, end: Micros | None) -> tuple[TimeRange, ...]:
    if start is None and end is None:
        return ()
    time_range = TimeRange(_FIRST if start is None else start, _LAST if end is None else end)
    if time_range.is_empty:
        message = "--hold-from must be before --hold-to; swap them"
        raise ConfigurationError(message)
    return (time_range,)
