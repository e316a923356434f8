"""``gaussdb-tasks changes``: what the archive learned between two nights."""

from pathlib import Path

import click

from gaussdb_tasks.archive.changes import Night, changes
from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.options import data_dir_option, option
from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.data_dir import DataDir


@click.command("changes")
@data_dir_option
@option(
    "--since",
    required=True,
    metavar="NIGHT",
    help="From this night on: a day, an instant, or an entry of the archive.",
)
@option("--until", metavar="NIGHT", help="Up to this night, itself included. Default: the last.")
@option(
    "--output",
    "output_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, whole or not at all; its suffix says how.",
)
@option(
    "--format",
    "output_format",
    type=click.Choice(output.FORMATS),
    help="How to write the data. Default: as the file's suffix says, else table.",
)
def command(
    *,
    data_dir: Path,
    since: str,
    until: str | None,
    output_file: Path | None,
    output_format: str | None,
) -> None:
    """Show what the loads of some nights brought, a row a task's state.

    New tasks, changed ones with the state before, tasks found deleted from the task center or back
    in it, and records that could not be read. Both nights are included, days are those of UTC.

    \b
    Examples:
      gaussdb-tasks changes --since 2026-03-12 --until 2026-03-18
      gaussdb-tasks changes --since 17 --format csv
    """
    first = Night.of(since, option="--since")
    last = None if until is None else Night.of(until, option="--until")
    target = output.Target.of(output_format, output_file)
    with read_published(DataDir(data_dir).database) as connection:
        connection.execute("set TimeZone = 'UTC'")
        output.write(changes(connection, first, last), target)
