"""``gaussdb-tasks load``: the nightly load."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.load_monitor import Watch
from gaussdb_tasks.cli.options import (
    access_options,
    archive_url_option,
    data_dir_option,
    format_option,
    instant_option,
    log_format_option,
    metrics_file_option,
    now_option,
    option,
    ping_url_option,
    signing_key_option,
    umask_option,
)
from gaussdb_tasks.cli.plan_output import plan_as_dict, plan_lines
from gaussdb_tasks.cli.summary import as_dict, remarks, summary_line, tell_read
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.file_systems import NETWORK_REMEDY, network_file_system
from gaussdb_tasks.errors import ConfigurationError, ExitCode, GaussdbTasksError, LockedError
from gaussdb_tasks.extract.project_tables import new_run_id
from gaussdb_tasks.load import LoadReport, LoadRequest, plan_projects, run_load
from gaussdb_tasks.model.calendar_period import parse_period
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, MINUTE, Micros, iso
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.settings import AccessRequest, LoadSettings


@click.command("load")
@data_dir_option
@access_options
@option("--full", is_flag=True, help="Read the whole horizon again.")
@instant_option("--from", "stretch_from", "Read only tasks started from then on.")
@instant_option("--to", "stretch_to", "Read only tasks started until then.")
@option("--dry-run", is_flag=True, help="Print the plan; do not call the task center.")
@now_option
@option(
    "--horizon-days",
    type=click.IntRange(1, 366),
    default=30,
    show_default=True,
    help="How far back the task center remembers.",
)
@option(
    "--overlap-minutes",
    type=click.IntRange(0, 7 * 24 * 60),
    default=15,
    show_default=True,
    help="How much covered time to read again, for tasks that appear late.",
)
@option(
    "--connections",
    type=click.IntRange(1, 32),
    default=8,
    show_default=True,
    help="How many calls may be under way at once.",
)
@archive_url_option
@option(
    "--archive-lock",
    metavar="PERIOD",
    help="Ask the bucket to lock what is copied, for 90d, 18m or 10y.",
)
@signing_key_option
@umask_option
@metrics_file_option
@ping_url_option
@log_format_option
@format_option("text", "json", default="text", variable="LOAD_FORMAT")
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
    full: bool,
    stretch_from: Micros | None,
    stretch_to: Micros | None,
    dry_run: bool,
    now: Micros | None,
    horizon_days: int,
    overlap_minutes: int,
    connections: int,
    archive_url: str | None,
    archive_lock: str | None,
    signing_key: Path | None,
    umask: int,
    metrics_file: Path | None,
    ping_url: str | None,
    log_format: str,
    output_format: str,
) -> None:
    """Copy new and changed tasks into the database.

    Reads what no load has covered yet, tasks that were in flight, and counts the rest; the first
    load reads the whole month. Readers of the database are not disturbed: they keep last night's
    until tonight's is whole and takes its place. Run it every night, and again whenever it failed.

    \b
    Examples:
      gaussdb-tasks load --os-cloud otc-prod
      gaussdb-tasks load --os-cloud otc-prod --os-cloud otc-test --data-dir /srv/gaussdb-tasks
      gaussdb-tasks load --from 2026-03-01 --to 2026-03-08
    """
    clock = machine_clock() if now is None else now
    run_id = new_run_id(clock)
    if log_format == "json":
        console.log_as_json(run_id)
    settings = LoadSettings(
        now=clock,
        horizon=horizon_days * DAY,
        overlap=overlap_minutes * MINUTE,
        full=full,
        time_range=_stretch(stretch_from, stretch_to, clock, horizon_days * DAY),
    )
    if full and settings.time_range is not None:
        message = "--full reads the whole horizon, --from and --to a part of it; give one of them"
        raise ConfigurationError(message)
    request = AccessRequest(
        os_clouds, project_ids, endpoint, region, connections, all_projects, include, exclude
    )
    copy_place = _copy_place(archive_url, archive_lock)
    signer = None if signing_key is None else KeySigner(signing_key)
    watch = Watch(DataDir(data_dir), None if dry_run else metrics_file, ping_url, now)
    os.umask(umask)

    def prepare() -> LoadRequest:
        signed_in = sign_in(request, os.environ)
        return LoadRequest(
            DataDir(data_dir),
            signed_in.accesses,
            settings,
            connections=connections,
            failed_sign_ins=signed_in.failures,
            signer=signer,
            remote=copy_place,
            is_clock_real=now is None,
            run_id=run_id,
        )

    if dry_run:
        _tell_plan(prepare(), output_format)
        return
    with watch as watched:
        job = prepare()
        _warn_beforehand(job, stretch_from)
        report = _run(job)
        watched(report)
    _tell(report, output_format)
    sys.exit(report.exit_code)


def _copy_place(url: str | None, lock: str | None) -> Remote | None:
    if url is None:
        if lock is not None:
            message = "--archive-lock says how --archive-url copies; give that one too"
            raise ConfigurationError(message)
        return None
    # The bucket's clock decides, which is the machine's and not that of a drill.
    until = (
        None if lock is None else parse_period(lock, option="--archive-lock").after(machine_clock())
    )
    return Remote(url, until)


def _warn_beforehand(job: LoadRequest, stretch_from: Micros | None) -> None:
    oldest = job.settings.visible.start
    if stretch_from is not None and stretch_from < oldest:
        console.say(f"--from is older than the task center remembers: {iso(oldest)}")
    network = network_file_system(job.data_dir.path)
    if network is not None:
        console.say(
            f"{job.data_dir.path} is on a network file system ({network}), {NETWORK_REMEDY}"
        )


def _tell(report: LoadReport, output_format: str) -> None:
    for line in remarks(report):
        is_calm = line.startswith(("note:", "project "))
        console.say(line, event="remark", level="info" if is_calm else "warning")
    summary = {} if not console.is_json() else as_dict(report)
    console.say(summary_line(report), event="published", **{**summary, "run_id": report.run_id})
    if output_format == "json":
        _write_json(as_dict(report))


def _stretch(
    start: Micros | None, end: Micros | None, clock: Micros, horizon: Micros
) -> TimeRange | None:
    if start is None and end is None:
        return None
    time_range = TimeRange(
        clock - horizon if start is None else start, clock if end is None else end
    )
    if time_range.start > clock:
        message = f"--from {iso(time_range.start)} is in the future; nothing has happened there yet"
        raise ConfigurationError(message)
    if time_range.end <= clock - horizon:
        message = f"--to {iso(time_range.end)} is older than what the task center remembers"
        raise ConfigurationError(message)
    if time_range.is_empty:
        message = (
            f"--from {iso(time_range.start)} is not before --to {iso(time_range.end)}; swap them"
        )
        raise ConfigurationError(message)
    return time_range


def _run(job: LoadRequest) -> LoadReport:
    try:
        with console.progress() as on_progress:
            hooked = replace(job, on_pause=console.Pauses(), on_read=tell_read)
            return run_load(replace(hooked, on_progress=on_progress))
    except LockedError:
        raise
    except GaussdbTasksError as error:
        again = "; run the same load again" if error.exit_code is ExitCode.FAILED else ""
        database = job.data_dir.database
        state = f"{database} is as it was" if database.exists() else f"there is no {database} yet"
        separator = "\n" if "\n" in str(error) else "; "  # several projects: a line each
        message = f"{error}{separator}nothing was published, {state}{again}"
        raise type(error)(message) from error


def _tell_plan(job: LoadRequest, output_format: str) -> None:
    plans = plan_projects(job)
    if output_format == "json":
        _write_json({"projects": [plan_as_dict(key, plan) for key, plan in plans]})
        return
    for key, plan in plans:
        for line in plan_lines(key, plan):
            click.echo(line)


def _write_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
