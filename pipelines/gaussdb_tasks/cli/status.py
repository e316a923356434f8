"""``gaussdb-tasks status``: freshness, coverage, gaps, nights left before loss."""

from pathlib import Path
from typing import Final

import click

from gaussdb_tasks.archive.copies import copy_state
from gaussdb_tasks.cli import output, talk
from gaussdb_tasks.cli.options import data_dir_option, format_option, now_option
from gaussdb_tasks.cli.summary import waiting_line
from gaussdb_tasks.instants import Micros
from gaussdb_tasks.warehouse.asking import ask, open_to_ask
from gaussdb_tasks.warehouse.datadir import DataDir

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
@now_option
@format_option(*output.ROW_FORMATS, default="table")
def command(*, data_dir: Path, now: Micros | None, output_format: str) -> None:
    """Show what the archive covers, and how long until something is lost.

    One row a project: the last load, the time covered, the nights left until time that was not read
    fades from the task center, tasks in flight, rejected records. Gaps follow, if there are any.
    """
    database, target = DataDir(data_dir).database, output.Target(output_format)
    with open_to_ask(database, now) as connection:
        output.write(ask(connection, _STATUS), target)
        if output_format == "table":
            gaps = ask(connection, _GAPS).fetchall()
            if gaps:
                click.echo("\nnot covered:")
                names = ["region", "project_id", "from", "to", "is_lost"]
                output.write_rows(names, iter(gaps), target)
        copies = copy_state(DataDir(data_dir))
        if copies is not None and copies.waiting:
            talk.say(waiting_line(copies))
        for project_id, loss_begins_at in ask(connection, _LOSING).fetchall():
            talk.say(
                f"project {project_id}: what was not read since fades from the task center since "
                f"{loss_begins_at:%Y-%m-%dT%H:%M:%SZ}; load now"
            )
