"""``gaussdb-tasks status``: freshness, coverage, gaps, nights left before data loss."""

import sys
from collections.abc import Sequence
from typing import Any, Final

import click
import duckdb

from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.data_dir_options import data_dirs_option
from gaussdb_tasks.cli.options import combine, option
from gaussdb_tasks.cli.status_lines import MAX_PROJECTS, StatusPart, part_of, status_lines
from gaussdb_tasks.cli.table import make_table
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import query_errors, run_query
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.errors import ConfigurationError, ExitCode, GaussdbTasksError
from gaussdb_tasks.foreign_text import shortened, visible
from gaussdb_tasks.model.project_state import (
    MAX_CRITICAL_NIGHTS,
    MAX_LOAD_AGE_HOURS,
    project_label,
)
from gaussdb_tasks.model.times import Micros, to_datetime
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.monitoring.freshness import Alarm, Thresholds, judge, read_freshness

_READ_STATUS: Final = f"""
    create temporary table statuses as
    from {with_project_name("main.archive_status")}
"""
_STATUS: Final = "from temp.statuses order by region, project_id"
_ORDERED_GAPS: Final = "order by region, project_id, gap_from"
_GAP_ROWS: Final = f"""
    select region, project_id, project_name, gap_from, gap_to, is_lost
    from {with_project_name("main.coverage_gaps")}
"""  # noqa: S608 - constants
_GAPS: Final = f"{_GAP_ROWS} {_ORDERED_GAPS}"
_OPEN_GAPS_OF: Final = (
    f"{_GAP_ROWS} where not is_lost and list_contains(?, project_id) {_ORDERED_GAPS}"
)

_PROJECTS_LOSING_DATA: Final = """
    select project_id, project_name, loss_begins_at
    from temp.statuses
    where nights_left = 0
    order by loss_begins_at, region, project_id
"""


@click.command("status")
@data_dirs_option
@combine("thresholds", Thresholds)
@option("--check", is_flag=True, help="Print one line for monitoring and set the exit code.")
@option(
    "--warning-hours",
    type=click.FloatRange(min=0),
    default=MAX_LOAD_AGE_HOURS,
    help="Warn if the last complete load is older than this.",
)
@option(
    "--critical-hours",
    type=click.FloatRange(min=0),
    default=78,
    help="Critical if the last complete load is older than this.",
)
@option(
    "--warning-nights",
    type=click.IntRange(min=0),
    default=20,
    help="Warn if at most this many nights are left before data loss.",
)
@option(
    "--critical-nights",
    type=click.IntRange(min=0),
    default=MAX_CRITICAL_NIGHTS,
    help="Critical if at most this many nights are left before data loss.",
)
@option(
    "--exit-codes",
    type=click.Choice(("own", "monitoring")),
    default="own",
    help="Exit codes of --check. own: 0 ok, 3 needs attention. monitoring: 0 ok, 1 warning, "
    "2 critical, 3 unknown.",
)
@option(
    "--all",
    "is_all",
    is_flag=True,
    help=f"Show all projects. Without it, of more than {MAX_PROJECTS} only those that need "
    "attention.",
)
@now_option
@output.target_options(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter per option or group of options
    *,
    data_dirs: Sequence[DataDir],
    check: bool,
    thresholds: Thresholds,
    exit_codes: str,
    is_all: bool,
    now: Micros | None,
    target: output.Target,
) -> None:
    """Show what is covered, and the nights left before data loss.

    A few lines per project: the last load, the covered time, the nights left before time that is
    not covered expires in the task center, and its tasks: in flight, lost from sight, deleted,
    rejected. Gaps follow, if there are any. Of many projects, only those that need attention by
    the thresholds of --check are shown, and one line about the others. Other formats and --raw have
    one row per project. With --check, prints one line for monitoring systems instead.

    \b
    Examples:
      gaussdb-tasks status
      gaussdb-tasks status --check --exit-codes monitoring --critical-hours 50

    \b
    Exit codes: 0 done; 1 the database cannot be read; 2 usage or configuration error; with --check
    also those of --exit-codes.
    """
    _refuse_contradiction(thresholds)
    if check:
        sys.exit(_check(data_dirs, thresholds, now, is_own=exit_codes == "own"))
    with open_together([each.database for each in data_dirs], now) as connection:
        with query_errors("archive_status"):
            connection.execute(_READ_STATUS)
        if target.output_format == "table" and not target.is_raw:
            output.show_lines(_lines(connection, now, None if is_all else thresholds), target)
        else:
            output.write(run_query(connection, _STATUS), target)
        for mixture in _mixtures(data_dirs):
            console.warn(mixture)
        for data_dir in data_dirs:
            _report_waiting_copies(data_dir)
        _report_losses(connection)


def _refuse_contradiction(thresholds: Thresholds) -> None:
    if thresholds.critical_hours < thresholds.warning_hours:
        message = "--critical-hours is less than --warning-hours; make it at least as large"
        raise ConfigurationError(message)
    if thresholds.critical_nights > thresholds.warning_nights:
        message = "--critical-nights is more than --warning-nights; make it at most as large"
        raise ConfigurationError(message)


def _report_losses(connection: duckdb.DuckDBPyConnection) -> None:
    losing = run_query(connection, _PROJECTS_LOSING_DATA).fetchall()
    for project_id, name, loss_begins_at in losing[:MAX_PROJECTS]:
        console.info(
            f"project {project_label(project_id, name)}: data loss begins at "
            f"{loss_begins_at:%Y-%m-%dT%H:%M:%SZ}; run a load now"
        )
    if len(losing) > MAX_PROJECTS:
        console.info(f"data loss begins in {len(losing) - MAX_PROJECTS:,} more projects")


def _report_waiting_copies(data_dir: DataDir) -> None:
    if not data_dir.copies_state.exists():
        return
    from gaussdb_tasks.archive.mirror.mirror_state import (  # noqa: PLC0415 - only with a mirror
        read_mirror_state,
    )

    copies = read_mirror_state(data_dir)
    if copies is not None and copies.is_behind:
        console.info(copies.waiting_line)


def _lines(
    connection: duckdb.DuckDBPyConnection, now: Micros | None, thresholds: Thresholds | None
) -> list[str]:
    """Return a few lines for each project, and a table of the gaps if there are any.

    Args:
        connection: it has the rows of ``archive_status``.
        now: the present; None for the machine's clock.
        thresholds: which of many projects are shown; None shows all.
    """
    present = to_datetime(machine_clock() if now is None else now).replace(tzinfo=None)
    cursor = run_query(connection, _STATUS)
    names = [column[0] for column in cursor.description or ()]
    projects = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    part = StatusPart(projects) if thresholds is None else part_of(projects, present, thresholds)
    lines = list(map(visible, status_lines(part, present)))
    gaps = _gaps(connection, part)
    if gaps:
        names = ["region", "project_id", "project_name", "from", "to", "is_lost"]
        table = make_table(names, gaps, output.terminal_width())
        title = "not covered:" if part.is_whole else "not covered, and can still be read:"
        lines += ["", title, *table.lines]
    return lines


def _gaps(connection: duckdb.DuckDBPyConnection, part: StatusPart) -> list[tuple[Any, ...]]:
    """Return the gaps of all projects, or those of a part that can still be read."""
    if part.is_whole:
        return run_query(connection, _GAPS).fetchall()
    keys = {(project["region"], project["project_id"]) for project in part.shown}
    with query_errors("coverage_gaps"):
        # A join would compute the gaps of all projects.
        rows = connection.execute(_OPEN_GAPS_OF, [[project_id for _, project_id in keys]])
        return [row for row in rows.fetchall() if row[:2] in keys]


def _mixtures(data_dirs: Sequence[DataDir]) -> list[str]:
    return list(filter(None, (data_dir.mixture() for data_dir in data_dirs)))


def _check(
    data_dirs: Sequence[DataDir], thresholds: Thresholds, now: Micros | None, *, is_own: bool
) -> int:
    """Print one line in the format of monitoring plugins; return the exit code."""
    try:
        freshness = read_freshness([each.database for each in data_dirs], now)
    except GaussdbTasksError as error:
        _write_check("UNKNOWN", "; ".join(error.lines))
        return error.exit_code if is_own else Alarm.UNKNOWN
    judgements = judge(freshness, thresholds)
    worst = max((each.alarm for each in judgements), default=Alarm.UNKNOWN)
    mixtures = _mixtures(data_dirs)
    if mixtures:
        worst = max(worst, Alarm.WARNING)
    reasons = [
        f"project {project_label(each.project.key.project_id, each.project.name)}: {reason}"
        for each in sorted(judgements, key=lambda each: -each.alarm)
        for reason in each.reasons
    ]
    reasons += mixtures
    nights = [each.nights_left for each in freshness.projects if each.nights_left is not None]
    text = "; ".join(reasons) or f"{len(judgements)} projects, all up to date"
    figures = f"projects={len(judgements)} nights_left={min(nights, default=0)}"
    _write_check(worst.name, text, f" | {figures}")
    if is_own:
        return ExitCode.DONE if worst is Alarm.OK else ExitCode.NEEDS_ATTENTION
    return worst


def _write_check(state: str, text: str, figures: str = "") -> None:
    """Write the line of a monitoring plugin, in which ``|`` begins the figures."""
    cut = shortened(text).replace("|", "/")
    console.write_lines([f"GAUSSDB_TASKS {state}: {cut}{figures}"])
