"""``gaussdb-tasks publish``: bring the archive to a catalogue that many can read."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click

from gaussdb_tasks.archive.store import Archive, archive_id_of
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import combine, format_option, option
from gaussdb_tasks.cli.publish_options import PublishOptions, data_path_option
from gaussdb_tasks.cli.url_options import PUBLICATION
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.publication.publish import Published, publish_entries, read_lanes
from gaussdb_tasks.publication.readers import check_reader, grant_reading
from gaussdb_tasks.publication.target import DuckLakeTarget, Target

_STATUS_NAMES: Final = (
    *("archive_id", "archive_sequence", "head_digest", "published_at", "tool_version"),
    *("is_cleanup_due", "entries_waiting"),
)


@click.command("publish")
@data_dir_option
@combine("publishing", PublishOptions)
@option(
    "--to",
    "--publish-to",
    "publish_to",
    type=PUBLICATION,
    help="postgresql://HOST/DATABASE, ducklake:postgresql://HOST/DATABASE, ducklake:FILE, or a "
    "folder or s3://BUCKET/PREFIX for Delta.",
)
@data_path_option("--data-path", "--publish-data-path")
@option(
    "--grant",
    metavar="ROLE",
    help="Let a role of PostgreSQL read what is published, and nothing more. A missing role is "
    "created, without a login.",
)
@option("--status", "is_status", is_flag=True, help="Show which entries are there; write nothing.")
@option(
    "--replace",
    "is_replacing",
    is_flag=True,
    help="Replace all rows of the archive there, such as those that were edited there.",
)
@format_option("table", "json", default="table", variable="PUBLISH_FORMAT")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    data_dir: Path,
    publishing: PublishOptions,
    grant: str | None,
    is_status: bool,
    is_replacing: bool,
    output_format: str,
) -> None:
    """Publish the archive to PostgreSQL, DuckLake or Delta, with the same views.

    Brings the entries that are not there yet, in order and in one transaction. Several data
    directories can publish to one place, if no project is in two of them. Amendments replace the
    archive's rows there, and remove older snapshots and files. The password of PostgreSQL is in
    GAUSSDB_TASKS_PUBLISH_PASSWORD, or in a file (..._FILE), or printed by a command (..._COMMAND).

    \b
    Examples:
      gaussdb-tasks publish --to postgresql://loader@db.example/tasks --grant bi
      gaussdb-tasks publish --to ducklake:postgresql://db.example/lake --data-path /srv/lake
      gaussdb-tasks publish --to ducklake:/srv/lake.ducklake --status

    \b
    Exit codes: 0 done; 1 failed, nothing published, run it again; 2 usage or configuration error;
    4 a load or another publication is running.
    """
    target = publishing.target(option="--to")
    if target is None:
        message = "--to: the target is missing: postgresql://HOST/DATABASE"
        raise ConfigurationError(message)
    if is_status:
        _show_status(DataDir(data_dir), target, output_format)
        return
    if grant is not None:
        check_reader(target, grant)
    folder = DataDir(data_dir)
    with folder.locked_with_archive(), folder.scratch("publish") as scratch:
        done = publish_entries(folder, target, scratch, is_replacing=is_replacing)
        console.info(_describe(done))
        if grant is not None:
            grant_reading(target, grant, scratch)
            files = (
                "; the files of the lake need a right to read, too"
                if isinstance(target, DuckLakeTarget)
                else ""
            )
            console.info(
                f"role {visible(grant)} can read it, now and after later publications{files}"
            )
    if output_format == "json":
        output.write_json(asdict(done))


def _describe(done: Published) -> str:
    published = f"published {done.entries:,} entries" if done.entries else "nothing to publish"
    if done.is_replaced:
        published += "; all rows were replaced"
    removed = ""
    if done.is_cleaned:
        removed = (
            "; what amendments removed is gone there, also from older snapshots and files; logs "
            "and backups of the server and of the store keep it as long as they do"
        )
    return f"{published}; {done.target} ends with entry {done.sequence}{removed}"


def _show_status(data_dir: DataDir, target: Target, output_format: str) -> None:
    entries = Archive(data_dir.archive).entries()
    archive_id = _archive_id(data_dir)
    with TemporaryDirectory(prefix="gaussdb-tasks-") as folder:
        lanes = read_lanes(target, Path(folder))
    rows: list[dict[str, Any]] = [
        {
            **asdict(lane),
            "archive_sequence": lane.sequence,
            "entries_waiting": sum(entry.sequence > lane.sequence for entry in entries)
            if lane.archive_id == archive_id
            else None,
        }
        for lane in lanes
    ]
    shown = [{name: row[name] for name in _STATUS_NAMES} for row in rows]
    if output_format == "json":
        output.write_json({"target": target.name, "archives": shown})
    else:
        output.write_rows(
            _STATUS_NAMES, (tuple(row.values()) for row in shown), output.Target(output_format)
        )
    if archive_id is not None and archive_id not in {lane.archive_id for lane in lanes}:
        count = len(entries)
        console.info(f"the archive in {data_dir.path} is not there; {count:,} entries wait")


def _archive_id(data_dir: DataDir) -> str | None:
    """Return the identity of the local archive, if there is one."""
    first = next(iter(Archive(data_dir.archive).entries()), None)
    return None if first is None else archive_id_of([first.read()])
