"""``gaussdb-tasks changes``: show what a range of loads found."""

from pathlib import Path

import click

from gaussdb_tasks.archive.changes import LoadBound, changes
from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import option, output_file_option
from gaussdb_tasks.database.catalog import refuse_foreign_objects
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.untrusted import read_untrusted


@click.command("changes")
@data_dir_option
@option(
    "--since",
    required=True,
    metavar="LOAD",
    help="First load: a day, a time, or an entry of the archive.",
)
@option("--until", metavar="LOAD", help="Last load, included. Default: the newest.")
@output.target_options(*output.FORMATS, default=None)
@output_file_option
def command(*, data_dir: Path, since: str, until: str | None, target: output.Target) -> None:
    """Show what a range of loads found, one row for each state of a task.

    Shows new tasks, changed tasks with their previous state, tasks deleted from the task center or
    listed again, and rejected records. Both bounds are included. Days are UTC.

    \b
    Examples:
      gaussdb-tasks changes --since 2026-03-12 --until 2026-03-18
      gaussdb-tasks changes --since 2 --format csv
    """
    first = LoadBound.parse(since, option="--since")
    last = None if until is None else LoadBound.parse(until, option="--until")
    database = DataDir(data_dir).database
    with read_untrusted(database) as connection:
        refuse_foreign_objects(connection, database)
        output.write(changes(connection, first, last), target)
