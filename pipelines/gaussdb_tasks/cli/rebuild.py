"""``gaussdb-tasks rebuild``: the database again, from the archive alone."""

import os
import sys
from pathlib import Path

import click

from gaussdb_tasks.archive.rebuilding import rebuild
from gaussdb_tasks.cli import talk
from gaussdb_tasks.cli.options import data_dir_option, option, umask_option
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.warehouse.datadir import DataDir


@click.command("rebuild")
@data_dir_option
@option("--replace", "is_replacing", is_flag=True, help="Replace the database that is there.")
@option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead of the database of the data directory.",
)
@option(
    "--skip-damaged",
    is_flag=True,
    help="Leave out what is damaged in the archive, and name it; exit code 3.",
)
@umask_option
def command(
    *, data_dir: Path, is_replacing: bool, output: Path | None, skip_damaged: bool, umask: int
) -> None:
    """Make the database again from the archive.

    Checks every byte of the archive, writes a new file and puts it in place whole: readers keep the
    old one meanwhile. The next load goes on from there.

    \b
    Examples:
      gaussdb-tasks rebuild
      gaussdb-tasks rebuild --replace
      gaussdb-tasks rebuild --output /tmp/proof.duckdb
    """
    os.umask(umask)
    rebuilt = rebuild(
        DataDir(data_dir),
        output=output,
        is_replacing=is_replacing,
        is_damage_left_out=skip_damaged,
    )
    for finding in rebuilt.left_out:
        talk.say(f"left out: {finding.where}: {finding.detail}")
    for name in rebuilt.lost_views:
        talk.say(f"note: the view {name} does not work on the new database; it was left out")
    talk.say(
        f"{rebuilt.entry_count:,} entries, {rebuilt.version_count:,} versions of tasks in "
        f"{rebuilt.seconds:.1f} s; {rebuilt.path}; head {rebuilt.head_digest}"
    )
    sys.exit(ExitCode.NEEDS_ATTENTION if rebuilt.left_out else ExitCode.DONE)
