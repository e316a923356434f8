"""``gaussdb-tasks redact``: what must not be kept goes, on the record."""

import os
from pathlib import Path

import click

from gaussdb_tasks.archive.amendments.redaction import COLUMNS, redact
from gaussdb_tasks.cli import amendment_output, output
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
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros


@click.command("redact")
@data_dir_option
@option(
    "--job-id",
    "job_ids",
    multiple=True,
    metavar="ID",
    help="Of this task; repeatable. Default: of every task.",
)
@option(
    "--column",
    "columns",
    multiple=True,
    type=click.Choice(COLUMNS),
    help="What this column holds; repeatable. Default: what all of them hold.",
)
@option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@dry_run_option
@now_option
@signing_key_option
@umask_option
@format_option(*output.ROW_FORMATS, default="table")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    job_ids: tuple[str, ...],
    columns: tuple[str, ...],
    reason: str,
    dry_run: bool,
    now: Micros | None,
    signing_key: Path | None,
    umask: int,
    output_format: str,
) -> None:
    """Remove what must not be kept, on the record.

    Such as a name in a failure reason: of a column, of a task, or of a column of a task, in the
    archive, the raw records and the database. Which task it was, when it ran and how it ended
    stays. `verify` proves the rest, and says that this was done on purpose.

    \b
    Examples:
      gaussdb-tasks redact --job-id 2a4bd738-... --reason "ticket 4711" --dry-run
      gaussdb-tasks redact --column fail_reason --reason "names of people in it"
    """
    if not job_ids and not columns:
        message = "say what to remove: --job-id ID, --column NAME, or both"
        raise ConfigurationError(message)
    os.umask(umask)
    act = amendment_output.act_of("redaction", now, reason, signing_key)
    effects = redact(DataDir(data_dir), columns, job_ids, act, is_dry_run=dry_run)
    amendment_output.tell(effects, output_format, is_dry_run=dry_run)
