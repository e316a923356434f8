"""``gaussdb-tasks rebuild``: create the database again from the archive."""

import sys
from dataclasses import astuple, fields
from pathlib import Path

import click

from gaussdb_tasks.archive.amendments.renormalisation import renormalise
from gaussdb_tasks.archive.amendments.rereading import Difference
from gaussdb_tasks.archive.mirror.fetch import NoArchiveError, fetch_entries
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.rebuild import Rebuilt, rebuild
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.amendment_output import AmendmentOptions, amendment_options, write_totals
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import (
    FILE,
    option,
    refuse_without,
)
from gaussdb_tasks.cli.url_options import COPY
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, ExitCode


@click.command("rebuild")
@data_dir_option
@option("--replace", "is_replacing", is_flag=True, help="Replace an existing database.")
@option(
    "--output",
    "database_file",
    type=FILE,
    help="Write this file instead of the database of the data directory.",
)
@option(
    "--from",
    "source_url",
    type=COPY,
    help="First copy the entries that the archive lacks from this mirror.",
)
@option(
    "--allow-empty",
    is_flag=True,
    help="With --from: do nothing if the mirror has no archive yet; exit code 0.",
)
@option(
    "--skip-damaged",
    is_flag=True,
    help="Skip damaged files of the archive, and list them; exit code 3.",
)
@option(
    "--renormalise",
    is_flag=True,
    help="Parse every record again with this version, and list each difference.",
)
@option("--reason", metavar="TEXT", help="Reason of the renormalisation, stored in the archive.")
@amendment_options
def command(  # noqa: PLR0913 - one parameter per option
    *,
    data_dir: Path,
    is_replacing: bool,
    database_file: Path | None,
    source_url: str | None,
    allow_empty: bool,
    skip_damaged: bool,
    renormalise: bool,
    options: AmendmentOptions,
) -> None:
    """Rebuild the database from the archive.

    Checks every byte of the archive, writes a new file, and then replaces the database by it.
    Readers can use the old file meanwhile. The next load continues with the new one. With
    --renormalise this version parses the raw records again. Differences are listed, and stored in
    the archive as an amendment and in the database.

    \b
    Examples:
      gaussdb-tasks rebuild
      gaussdb-tasks rebuild --replace
      gaussdb-tasks rebuild --from s3://audit/gaussdb-tasks
      gaussdb-tasks rebuild --output /tmp/proof.duckdb
      gaussdb-tasks rebuild --renormalise --dry-run
    """
    refuse_without("--from", source_url, {"--allow-empty": allow_empty})
    refuse_without(
        "--renormalise", renormalise, {"--dry-run": options.dry_run, "--reason": options.reason}
    )
    if renormalise and (database_file is not None or skip_damaged):
        message = "--renormalise cannot be combined with --output or --skip-damaged"
        raise ConfigurationError(message)
    if database_file is not None and not database_file.exists():  # an existing one is refused below
        output.refuse_unwritable(database_file, "--output")
    if source_url is not None:
        remote = Remote(source_url, option="--from")
        if not _fetch(DataDir(data_dir), remote, allows_empty=allow_empty):
            return
    if renormalise:
        _renormalise(DataDir(data_dir), options)
        return
    rebuilt = rebuild(
        DataDir(data_dir),
        output=database_file,
        is_replacing=is_replacing,
        is_skipping_damage=skip_damaged,
    )
    _report(rebuilt)
    sys.exit(ExitCode.NEEDS_ATTENTION if rebuilt.skipped else ExitCode.DONE)


def _fetch(data_dir: DataDir, remote: Remote, *, allows_empty: bool) -> bool:
    """Copy missing entries from a mirror; return False if there are none at all.

    Raises:
        MirrorError: the mirror cannot be read.
    """
    try:
        count = fetch_entries(data_dir, remote)
    except NoArchiveError:
        if not allows_empty or data_dir.archive.exists():
            raise
        console.info(f"{remote.name} has no archive yet; nothing was done")
        return False
    console.info(f"{count:,} entries copied from {remote.name}")
    return True


def _report(rebuilt: Rebuilt) -> None:
    for finding in rebuilt.skipped:
        console.info(f"skipped: {finding.where}: {finding.detail}")
    console.info(
        f"{rebuilt.entry_count:,} entries, {rebuilt.version_count:,} task versions in "
        f"{rebuilt.seconds:.1f} s; {rebuilt.path}; head {rebuilt.head_digest}"
    )


def _renormalise(data_dir: DataDir, options: AmendmentOptions) -> None:
    effects, differences = renormalise(
        data_dir, options.amendment("renormalisation"), is_dry_run=options.dry_run
    )
    names = [field.name for field in fields(Difference)]
    output.write_rows(names, map(astuple, differences), options.target)
    write_totals(effects, is_dry_run=options.dry_run)
