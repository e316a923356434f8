"""``gaussdb-tasks list``: the tasks of the task center itself, now."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.access_options import access_request
from gaussdb_tasks.cli.completion import Documented
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.list_table import LONG_TEXTS, task_rows
from gaussdb_tasks.cli.options import combine, option, output_file_option
from gaussdb_tasks.cli.time_options import chosen_time, now_option, time_option
from gaussdb_tasks.cli.watch import Watch, screen_lines
from gaussdb_tasks.contract import (
    PAGE_LIMIT,
    STATUS_COMPLETED,
    STATUS_FAILED,
    STATUS_RUNNING,
    TASK_TYPES,
)
from gaussdb_tasks.database.connect import open_empty, registered
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import open_for_queries, query_errors
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError
from gaussdb_tasks.extract.listing import Listing, ProjectListing, Projects
from gaussdb_tasks.extract.part import LISTED_TASKS, PartRequest
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.settings import AccessRequest, LoadSettings

_TYPICAL: Final = "select task_name, p95_seconds from main.task_durations_by_name"
_STATUSES: Final = (STATUS_RUNNING, STATUS_COMPLETED, STATUS_FAILED)
_MAX_OFFSET: Final = 2_147_483_647


@click.command("list")
@data_dir_option
@access_request
@combine("request", PartRequest)
@option(
    "--status",
    type=Documented(lambda: dict.fromkeys(_STATUSES, "")),
    metavar="STATUS",
    help="Only tasks in this status: Running, Completed or Failed.",
)
@option(
    "--name",
    type=Documented(lambda: {kind.name: kind.label for kind in TASK_TYPES}),
    metavar="NAME",
    help="Only tasks of this kind, as the API names it, such as CreateGaussDBV5Instance.",
)
@time_option("--from", "start", "Start of the time to list. Default: 30 days ago.")
@time_option("--to", "end", "End of the time to list. Default: now.")
@option(
    "--offset",
    type=click.IntRange(0, _MAX_OFFSET),
    help="Request one page, which begins after this number of tasks.",
)
@option(
    "--limit",
    type=click.IntRange(1, PAGE_LIMIT),
    help="Request one page of at most this number of tasks.",
)
@option(
    "--watch",
    "seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    help="Keep a table on the terminal up to date, with this time between two looks.",
)
@now_option
@output.target_options(*output.FORMATS, default=None)
@output_file_option
def command(  # noqa: PLR0913 - one parameter per option or group of options
    *,
    data_dir: Path,
    access: AccessRequest,
    request: PartRequest,
    seconds: float | None,
    now: Micros | None,
    target: output.Target,
) -> None:
    """List the tasks of the task center itself, as it shows them now.

    Reads all pages of the last 30 days, or with --offset or --limit one page. Keeps nothing: only a
    load records and proves. The service decides what --from and --to apply to. A table shows the
    columns that fit, with the age of a running task as its duration; the other formats have all
    columns. With --watch the table shows what changed since
    the last look, and how long a task usually takes (p95), if the database in --data-dir has it.

    \b
    Examples:
      gaussdb-tasks list --status Running --name CreateGaussDBV5Instance --offset 1 --limit 10
      gaussdb-tasks list --status Completed --name CreateGaussDBV5Instance --offset 1 --limit 10
      gaussdb-tasks list --status Failed --name CreateGaussDBV5Instance --offset 1 --limit 10
      gaussdb-tasks list --status Running --watch 30
      gaussdb-tasks list --from 2026-03-12 --format csv

    \b
    Exit codes: 0 done, also if Ctrl-C ends a watch; 1 the service failed; 2 an option, the sign-in
    or a permission is wrong; 3 listed, but a project could not be read, a record is not a task, or
    the list changed while it was read.
    """
    started = machine_clock()
    present = started if now is None else now
    chosen_time(request.start, request.end, LoadSettings(now=present).horizon_window)
    _suggest("--status", request.status, _STATUSES)
    _suggest("--name", request.name, [kind.name for kind in TASK_TYPES])
    if seconds is None:
        projects = _projects(access, console.RateLimitMessages())
        listing = projects.listing(request, lambda: present)
        _write(listing, target)
        sys.exit(_report(listing, request))
    if not sys.stdout.isatty() or target.output_format != "table" or target.path is not None:
        message = "--watch shows a table on a terminal; omit --format, --output and the pipe."
        raise click.UsageError(message)
    with suppress(KeyboardInterrupt):
        _watch(access, request, lambda: present + machine_clock() - started, seconds, data_dir)


def _suggest(option_name: str, value: str | None, documented: Sequence[str]) -> None:
    """Name the documented value that a similar one may mean; the service may know others."""
    if value is not None and value not in documented:
        for similar in get_close_matches(value, documented, n=1):
            console.info(f"{option_name} {value!r} is not documented; did you mean {similar!r}?")


def _projects(access: AccessRequest, on_pause: Callable[[float], None]) -> Projects:
    signed_in = sign_in(access, os.environ)
    limiters = RateLimiters(access.connections, on_pause)
    return Projects(signed_in.accesses, signed_in.failures, access.connections, limiters)


def _write(listing: Listing, target: output.Target) -> None:
    rows = list(listing.rows())
    if target.output_format == "table":
        names, values = task_rows(rows)
        output.write_rows(names, iter(values), target, cut=LONG_TEXTS)
        return
    with (
        open_empty(None) as connection,
        registered(connection, "listed", LISTED_TASKS.arrow_from_rows(rows)),
    ):
        output.write(connection.execute("select * from listed"), target)


def _report(listing: Listing, request: PartRequest) -> ExitCode:
    """Report what is not listed as it should be, and return the exit code."""
    for error in listing.failures:
        console.error(*error.lines)
    remarks = [row["remark"] for row in listing.rows() if row["remark"] is not None]
    if remarks:
        console.warn(f"records that are not tasks: {len(remarks):,}; the first: {remarks[0]}")
    changed = [each for each in listing.projects if not each.part.is_whole]
    for each in changed:
        console.warn(
            f"{_name(each)}: the list changed while it was read, or is too long; it may not be "
            "complete; run it again, or choose a shorter time with --from and --to"
        )
    if request.is_page:
        for each in listing.projects:
            _report_page(each, request.offset or 0)
    needs_attention = listing.failures or remarks or changed
    return ExitCode.NEEDS_ATTENTION if needs_attention else ExitCode.DONE


def _report_page(listed: ProjectListing, offset: int) -> None:
    count, total = len(listed.part.records), listed.part.total_count
    if total is not None and offset + count < total:
        console.plain(
            f"{_name(listed)}: {count:,} of {total:,} tasks; for the next page: "
            f"--offset {offset + count}"
        )


def _name(listed: ProjectListing) -> str:
    return f"project {listed.name or listed.project.project_id}"


def _watch(
    access: AccessRequest,
    request: PartRequest,
    clock: Callable[[], Micros],
    seconds: float,
    data_dir: Path,
) -> None:
    typical_seconds = _typical_seconds(DataDir(data_dir))
    with console.screen() as screen:
        projects = _projects(access, console.RateLimitMessages(screen.note))
        watch = Watch(lambda: projects.listing(request, clock), seconds, time.sleep)
        for look in watch.looks():
            for line in look.errors:
                screen.note(line)
            width = output.terminal_width()
            screen.show(screen_lines(look, typical_seconds, width, screen.height))


def _typical_seconds(data_dir: DataDir) -> Mapping[str | None, float]:
    """Read the 95th percentiles of durations, if there is a database that has them."""
    if not data_dir.database.exists():
        return {}
    try:
        with open_for_queries(data_dir.database) as connection, query_errors(_TYPICAL):
            return dict(connection.execute(_TYPICAL).fetchall())
    except GaussdbTasksError as error:
        console.warn(f"typical durations are not shown: {error}")
        return {}
