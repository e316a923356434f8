"""``gaussdb-tasks rebuild``: the database again, from the archive alone."""

import os
import sys
from dataclasses import astuple, fields
from pathlib import Path

import click

from gaussdb_tasks.archive.amendments import renormalisation
from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.mirror.mirror import fetch_entries
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.rebuild import Rebuilt, rebuild
from gaussdb_tasks.cli import amendment_output, console, output
from gaussdb_tasks.cli.options import (
    data_dir_option,
    dry_run_option,
    format_option,
    now_option,
    option,
    signing_key_option,
    umask_option,
)
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.model.times import Micros


@click.command("rebuild")
@data_dir_option
@option("--replace", "is_replacing", is_flag=True, help="Replace the database that is there.")
@option(
    "--output",
    "output_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file instead of the database of the data directory.",
)
@option(
    "--from",
    "source_url",
    metavar="URL",
    help="First bring back from there the entries that the archive lacks.",
)
@option(
    "--skip-damaged",
    is_flag=True,
    help="Leave out what is damaged in the archive, and name it; exit code 3.",
)
@option(
    "--renormalise",
    is_flag=True,
    help="Read every record again with today's parser, and list what it reads otherwise.",
)
@option("--reason", metavar="TEXT", help="Why records are read again, for the record.")
@dry_run_option
@now_option
@signing_key_option
@umask_option
@format_option(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    is_replacing: bool,
    output_file: Path | None,
    source_url: str | None,
    skip_damaged: bool,
    renormalise: bool,
    reason: str | None,
    dry_run: bool,
    now: Micros | None,
    signing_key: Path | None,
    umask: int,
    output_format: str,
) -> None:
    """Make the database again from the archive.

    Checks every byte of the archive, writes a new file and puts it in place whole: readers keep the
    old one meanwhile. The next load goes on from there. With --renormalise the raw records are read
    again by today's parser; what it reads otherwise is listed, kept as an act of the archive, and
    in the database from then on.

    \b
    Examples:
      gaussdb-tasks rebuild
      gaussdb-tasks rebuild --replace
      gaussdb-tasks rebuild --from s3://audit/gaussdb-tasks
      gaussdb-tasks rebuild --output /tmp/proof.duckdb
      gaussdb-tasks rebuild --renormalise --dry-run
    """
    os.umask(umask)
    if source_url is not None:
        place = Remote(source_url)
        count = fetch_entries(DataDir(data_dir), place)
        console.info(f"{count:,} entries brought back from {place.name}")
    if renormalise:
        if output_file is not None or skip_damaged:
            message = "--renormalise works on the data directory's own; leave out the other option"
            raise ConfigurationError(message)
        act = amendment_output.act_of("renormalisation", now, reason, signing_key)
        _renormalise(DataDir(data_dir), act, output_format, is_dry_run=dry_run)
        return
    for name, value in (("--dry-run", dry_run), ("--reason", reason)):
        if value:
            message = f"{name} belongs to --renormalise"
            raise ConfigurationError(message)
    rebuilt = rebuild(
        DataDir(data_dir),
        output=output_file,
        is_replacing=is_replacing,
        is_damage_left_out=skip_damaged,
    )
    _tell(rebuilt)
    sys.exit(ExitCode.NEEDS_ATTENTION if rebuilt.left_out else ExitCode.DONE)


def _tell(rebuilt: Rebuilt) -> None:
    for finding in rebuilt.left_out:
        console.info(f"left out: {finding.where}: {finding.detail}")
    for name in rebuilt.lost_views:
        console.info(f"note: the view {name} does not work on the new database; it was left out")
    console.info(
        f"{rebuilt.entry_count:,} entries, {rebuilt.version_count:,} versions of tasks in "
        f"{rebuilt.seconds:.1f} s; {rebuilt.path}; head {rebuilt.head_digest}"
    )


def _renormalise(
    data_dir: DataDir, act: Amendment, output_format: str, *, is_dry_run: bool
) -> None:
    effects, differences = renormalisation.renormalise(data_dir, act, is_dry_run=is_dry_run)
    names = [field.name for field in fields(renormalisation.Difference)]
    output.write_rows(names, map(astuple, differences), output.Target(output_format))
    amendment_output.say(effects, is_dry_run=is_dry_run)
