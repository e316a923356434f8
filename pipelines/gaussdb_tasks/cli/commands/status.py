"""``gaussdb-tasks status``: freshness, coverage, gaps, nights left before loss."""

import sys
from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.archive.mirror.mirror import copy_state
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.options import data_dir_option, format_option, now_option, option
from gaussdb_tasks.cli.summary import waiting_line
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.monitoring.freshness import Alarm, Thresholds, judge, read_freshness

_STATUS: Final = "select * from main.archive_status order by region, project_id"
_GAPS: Final = """
    select region, project_id, gap_from, gap_to, is_lost
    from main.coverage_gaps
    order by region, project_id, gap_from
"""

_LOSING: Final = """
    select project_id, loss_begins_at
    from main.archive_status
    where nights_left = 0
    order by region, project_id
"""


@click.command("status")
@data_dir_option
@option("--check", is_flag=True, help="Say in one line, and by the exit code, how it is.")
@option(
    "--warning-hours",
    type=click.FloatRange(min=0),
    default=30,
    show_default=True,
    help="A last complete load that is so old is a warning.",
)
@option(
    "--critical-hours",
    type=click.FloatRange(min=0),
    default=78,
    show_default=True,
    help="One that is so old is critical.",
)
@option(
    "--warning-nights",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="So few nights left until something is lost are a warning.",
)
@option(
    "--critical-nights",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="So few are critical.",
)
@option(
    "--exit-codes",
    type=click.Choice(("own", "monitoring")),
    default="own",
    show_default=True,
    help="Of --check: own are 0 and 3; monitoring are 0 ok, 1 warning, 2 critical, 3 unknown.",
)
@now_option
@format_option(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    check: bool,
    warning_hours: float,
    critical_hours: float,
    warning_nights: int,
    critical_nights: int,
    exit_codes: str,
    now: Micros | None,
    output_format: str,
) -> None:
    """Show what the archive covers, and how long until something is lost.

    One row a project: the last load, the time covered, the nights left until time that was not read
    fades from the task center, tasks in flight, rejected records. Gaps follow, if there are any.
    For monitoring systems, --check says it in one line.

    \b
    Example:
      gaussdb-tasks status --check --exit-codes monitoring --critical-hours 50
    """
    if check:
        thresholds = Thresholds(warning_hours, critical_hours, warning_nights, critical_nights)
        sys.exit(_check(DataDir(data_dir), thresholds, now, is_own=exit_codes == "own"))
    database, target = DataDir(data_dir).database, output.Target(output_format)
    with open_for_queries(database, now) as connection:
        output.write(run_query(connection, _STATUS), target)
        if output_format == "table":
            gaps = run_query(connection, _GAPS).fetchall()
            if gaps:
                click.echo("\nnot covered:")
                names = ["region", "project_id", "from", "to", "is_lost"]
                output.write_rows(names, iter(gaps), target)
        copies = copy_state(DataDir(data_dir))
        if copies is not None and copies.waiting:
            console.say(waiting_line(copies))
        for project_id, loss_begins_at in run_query(connection, _LOSING).fetchall():
            console.say(
                f"project {project_id}: what was not read since fades from the task center since "
                f"{loss_begins_at:%Y-%m-%dT%H:%M:%SZ}; load now"
            )


def _check(data_dir: DataDir, thresholds: Thresholds, now: Micros | None, *, is_own: bool) -> int:
    """Say in one line how it is, as monitoring systems read it; return the exit code."""
    try:
        freshness = read_freshness(data_dir.database, now)
    except GaussdbTasksError as error:
        click.echo(f"GAUSSDB_TASKS UNKNOWN: {error}")
        return error.exit_code if is_own else Alarm.UNKNOWN
    judgements = judge(freshness, thresholds)
    worst = max((each.alarm for each in judgements), default=Alarm.UNKNOWN)
    reasons = [
        f"project {each.project.key.project_id}: {reason}"
        for each in sorted(judgements, key=lambda each: -each.alarm)
        for reason in each.reasons
    ]
    nights = [each.nights_left for each in freshness.projects if each.nights_left is not None]
    told = "; ".join(reasons) or f"{len(judgements)} projects, all of them fresh"
    figures = f"projects={len(judgements)} nights_left={min(nights, default=0)}"
    click.echo(f"GAUSSDB_TASKS {worst.name}: {told} | {figures}")
    if is_own:
        return ExitCode.DONE if worst is Alarm.OK else ExitCode.NEEDS_ATTENTION
    return worst
