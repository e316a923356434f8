"""``gaussdb-tasks check``: find problems that would make a load fail."""

import os
import sys
from pathlib import Path

import click

from gaussdb_tasks.api.deadline import Deadline
from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.access_options import access_request
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.cli.settings_file import settings_file_in_use
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.foreign_text import shortened
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.preflight import CheckResult, CheckState, run_preflight
from gaussdb_tasks.settings import AccessRequest, LoadSettings


@click.command("check")
@data_dir_option
@access_request
@option(
    "--max-minutes",
    type=click.IntRange(1, 24 * 60),
    default=30,
    help="Time for the whole check; projects that are not checked by then are reported.",
)
@now_option
@output.target_options(*output.ROW_FORMATS, default="table")
def command(
    *,
    data_dir: Path,
    access: AccessRequest,
    max_minutes: int,
    now: Micros | None,
    target: output.Target,
) -> None:
    """Check sign-in, API, clock and data directory for a load.

    Signs in, reads one page of each project, compares the clocks and tests the data directory.
    Shows each problem and how to fix it. Changes nothing.

    \b
    Examples:
      gaussdb-tasks check --os-cloud otc-prod
      gaussdb-tasks check --all-projects --format json

    \b
    Exit codes: 0 a load can succeed; 1 a service or the database failed; 2 a setting is wrong.
    """
    settings = LoadSettings(now=machine_clock() if now is None else now)
    deadline = Deadline(60 * max_minutes)
    preflight = run_preflight(DataDir(data_dir), access, os.environ, settings, deadline)
    results = [_settings_file_result(), *preflight]
    rows = ((each.part, each.state.value, shortened(each.detail)) for each in results)
    output.write_rows(["part", "state", "detail"], rows, target)
    sys.exit(max((each.exit_code for each in results), default=0))


def _settings_file_result() -> CheckResult:
    path = settings_file_in_use(click.get_current_context())
    detail = f"{path or 'no file'}; gaussdb-tasks config check shows each value and its source"
    return CheckResult("configuration", CheckState.OK, detail)
