"""``gaussdb-tasks check``: what would keep a load from working."""

import os
import sys
from pathlib import Path

import click

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.options import (
    access_options,
    data_dir_option,
    format_option,
    now_option,
)
from gaussdb_tasks.cli.settings_file import file_in_force
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.preflight import CheckResult, CheckState, run_preflight
from gaussdb_tasks.settings import AccessRequest, LoadSettings


@click.command("check")
@data_dir_option
@access_options
@now_option
@format_option(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    os_clouds: tuple[str, ...],
    region: str | None,
    project_ids: tuple[str, ...],
    all_projects: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    endpoint: str | None,
    now: Micros | None,
    output_format: str,
) -> None:
    """Find out what would keep a load from working.

    Signs in, reads one page of each project, compares clocks, looks at the data directory, and says
    what is wrong and how to mend it. Changes nothing. Exit code 0: a load can work.
    """
    request = AccessRequest(
        os_clouds,
        project_ids,
        endpoint,
        region,
        all_projects=all_projects,
        include=include,
        exclude=exclude,
    )
    settings = LoadSettings(now=machine_clock() if now is None else now)
    found = list(run_preflight(DataDir(data_dir), request, os.environ, settings))
    file = file_in_force(click.get_current_context())
    told = f"{file or 'no file'}; gaussdb-tasks config check shows each value and its source"
    found.insert(0, CheckResult("configuration", CheckState.OK, told))
    names = ["part", "state", "detail"]
    rows = [(each.part, each.state.value, each.detail) for each in found]
    output.write_rows(names, iter(rows), output.Target(output_format))
    sys.exit(max((each.exit_code for each in found), default=0))
