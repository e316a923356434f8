"""``gaussdb-tasks redact``: remove values that must not be kept, and record it."""

from pathlib import Path

import click

from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.archive_tables import REDACTABLE
from gaussdb_tasks.cli.amendment_output import AmendmentOptions, amendment_options
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError


@click.command("redact")
@data_dir_option
@option(
    "--job-id",
    "job_ids",
    multiple=True,
    metavar="ID",
    help="Redact only this task; repeatable. Default: every task.",
)
@option(
    "--column",
    "columns",
    multiple=True,
    type=click.Choice(REDACTABLE),
    help="Redact only this column; repeatable. Default: all of these columns.",
)
@option("--reason", required=True, metavar="TEXT", help="Reason, kept in the archive.")
@amendment_options
def command(
    *,
    data_dir: Path,
    job_ids: tuple[str, ...],
    columns: tuple[str, ...],
    options: AmendmentOptions,
) -> None:
    """Remove values that must not be kept, and record the removal.

    An example is a person's name in a failure reason. Redacts a column, a task, or a column of a
    task: in the archive, the raw records and the database. The task's identity, times and status
    stay. `verify` still proves the rest, and reports the redaction.

    \b
    Examples:
      gaussdb-tasks redact --job-id 2a4bd738-dd24-4a6f-b64f-85f3bde70df4 --reason "ticket 4711"
      gaussdb-tasks redact --column fail_reason --reason "names of people" --dry-run
    """
    if not job_ids and not columns:
        message = "no task and no column is given; give --job-id ID, --column NAME, or both"
        raise ConfigurationError(message)
    amendment = options.amendment("redaction")
    report = redact(DataDir(data_dir), columns, job_ids, amendment, is_dry_run=options.dry_run)
    options.write_report(report)
