"""``gaussdb-tasks demo``: invented data in the main views."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.commands.report import command as report_command
from gaussdb_tasks.cli.data_dir_options import data_dir_option_with_default
from gaussdb_tasks.cli.options import invented_data_options, option
from gaussdb_tasks.cli.summary import summary_line
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.demo_loads import load_nights, nights_before
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.model.times import now as machine_clock

_QUERIES: Final = {
    "How long tasks take": """
        select task_label, finished_count, p50_seconds, p95_seconds
        from task_durations_by_name
        order by finished_count desc, task_label
    """,
    "How often they fail, with 95 % bounds": """
        select
            task_label,
            failed_count,
            round(failure_rate, 3) as failure_rate,
            round(failure_rate_low, 3) as low,
            round(failure_rate_high, 3) as high
        from failure_rates_by_name
        order by failed_count desc, task_label
    """,
    "Running tasks, and whether they take too long": """
        select task_label, instance_name, age_seconds, is_overdue
        from running_tasks
        where not is_lost_from_sight
        order by age_seconds desc, job_id
    """,
}

_TRY_NEXT: Final = (
    "",
    "Try next: open the report, ask a question, list all questions",
    "  {opener} {page}",
    "  {program} query which_instances_fail_most --data-dir {where}",
    "  {program} query --list --data-dir {where}",
    "Watch a task center that lives, until Ctrl-C",
    "  {program} emulator --port 0 --tasks-per-day 100 -- {program} {watch} --data-dir {where}",
)

_WATCH: Final = "list --status Running --limit 10 --watch 5"
_OPENER: Final = "open" if sys.platform == "darwin" else "xdg-open"


@click.command("demo")
@data_dir_option_with_default(Path("data/demo"))
@now_option
@option("--nights", type=click.IntRange(1, 30), default=7, help="Number of nights to load.")
@invented_data_options
def command(
    *, data_dir: Path, now: Micros | None, nights: int, seed: int, tasks_per_day: int
) -> None:
    """Load invented data and show the main views, without an account.

    Starts the emulator on this machine, runs the loads of the last nights, shows durations, failure
    rates and running tasks, and writes the report. Its last lines are commands to try next. Each
    run replaces the database of the previous demo.

    \b
    Examples:
      gaussdb-tasks demo
      gaussdb-tasks demo --nights 2 --tasks-per-day 5 --data-dir data/small-demo

    \b
    Exit codes: 0 done; 1 failed; 2 usage or configuration error.
    """
    clocks = nights_before(machine_clock() if now is None else now, nights)
    reports = load_nights(data_dir, clocks, seed=seed, tasks_per_day=tasks_per_day)
    for clock, report in zip(clocks, reports, strict=True):
        console.plain(f"night of {iso(clock)}: {summary_line(report)}")
    with open_for_queries(DataDir(data_dir).database) as connection:
        for title, question in _QUERIES.items():
            console.write_lines(("", title, ""))
            output.write(run_query(connection, question), output.Target("table"))
    page, shown_at = data_dir / "report.html", iso(clocks[-1] if now is None else now)
    report_command.main(
        [str(page), "--data-dir", str(data_dir), "--now", shown_at], standalone_mode=False
    )
    names = {
        "program": _program(),
        "where": shlex.quote(str(data_dir)),
        "opener": _OPENER,
        "page": shlex.quote(str(page)),
        "watch": _WATCH,
    }
    console.write_lines(line.format(**names) for line in _TRY_NEXT)


def _program() -> str:
    """Return the name that starts this program in the user's shell."""
    if shutil.which("gaussdb-tasks"):
        return "gaussdb-tasks"
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "gaussdb-tasks" else "gaussdb-tasks"
