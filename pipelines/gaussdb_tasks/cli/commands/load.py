"""``gaussdb-tasks load``: the nightly load."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.deadline import Deadline, ends_by
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.timestamp_authority import TimestampAuthority
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.access_options import access_request
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.load_monitor import LoadMonitor
from gaussdb_tasks.cli.options import (
    FILE,
    combine,
    format_option,
    option,
    refuse_without,
    signing_key_option,
    umask_option,
)
from gaussdb_tasks.cli.plan_output import plan_as_dict, plan_lines
from gaussdb_tasks.cli.publish_options import PublishOptions, data_path_option
from gaussdb_tasks.cli.summary import log_project, remarks, report_as_dict, summary_line
from gaussdb_tasks.cli.time_options import chosen_time, now_option, time_option
from gaussdb_tasks.cli.url_options import COPY, PING, PUBLICATION, TIMESTAMP_AUTHORITY
from gaussdb_tasks.database.data_dir import DataDir, refuse_own_path
from gaussdb_tasks.database.file_systems import NETWORK_REMEDY, network_file_system
from gaussdb_tasks.database.shards import refuse_other_shards
from gaussdb_tasks.errors import ConfigurationError, ExitCode, GaussdbTasksError, LockedError
from gaussdb_tasks.extract.project_tables import new_run_id
from gaussdb_tasks.load import LoadRequest, plan_projects, run_load
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.shard import Shard
from gaussdb_tasks.model.times import DAY, MINUTE, Micros, iso, parse_period
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.settings import AccessRequest, LoadSettings


@dataclass(frozen=True, slots=True)
class _TimeOptions:
    """The clock of a load, and the options that choose the time to read."""

    now: Micros | None
    horizon_days: int
    overlap_minutes: int
    full: bool
    read_from: Micros | None
    read_to: Micros | None

    def load_settings(self, clock: Micros) -> LoadSettings:
        """Return the settings of a load at a clock.

        Raises:
            ConfigurationError: the options contradict each other, or choose no visible time.
        """
        settings = LoadSettings(
            now=clock,
            horizon=self.horizon_days * DAY,
            overlap=self.overlap_minutes * MINUTE,
            full=self.full,
        )
        time_range = chosen_time(self.read_from, self.read_to, settings.visible)
        if self.full and time_range is not None:
            message = "--full and --from or --to contradict each other; use only one of them"
            raise ConfigurationError(message)
        return replace(settings, time_range=time_range)


@dataclass(frozen=True, slots=True)
class _MirrorOptions:
    """The options of the copy of the archive."""

    archive_url: str | None
    archive_lock: str | None
    archive_overwrite: bool

    def remote(self) -> Remote | None:
        """Return the remote that gets the copy.

        Raises:
            ConfigurationError: the options are incomplete or wrong.
        """
        needing = {
            "--archive-lock": self.archive_lock,
            "--archive-overwrite": self.archive_overwrite,
        }
        refuse_without("--archive-url", self.archive_url, needing)
        if self.archive_url is None:
            return None
        retain_until = None
        if self.archive_lock is not None:
            period = parse_period(self.archive_lock, option="--archive-lock")
            # From the machine's clock, also with --now: the bucket uses its own clock.
            retain_until = period.after(machine_clock())
        remote = Remote(self.archive_url, retain_until, is_overwriting=self.archive_overwrite)
        if remote.path is not None:
            refuse_own_path(remote.path, "--archive-url")
        return remote


@click.command("load")
@data_dir_option
@access_request
@combine("times", _TimeOptions)
@combine("mirror", _MirrorOptions)
@combine("publishing", PublishOptions)
@option("--full", is_flag=True, help="Read the full horizon again, also the time that is covered.")
@time_option("--from", "read_from", "Read only tasks created at this time or later.")
@time_option("--to", "read_to", "Read only tasks created before this time.")
@option("--dry-run", is_flag=True, help="Print the plan; do not call the task center.")
@now_option
@option(
    "--horizon-days",
    type=click.IntRange(1, 366),
    default=30,
    help="Number of days that the task center keeps tasks.",
)
@option(
    "--overlap-minutes",
    type=click.IntRange(0, 7 * 24 * 60),
    default=15,
    help="Minutes of covered time to read again, for tasks that are listed late.",
)
@option(
    "--connections",
    type=click.IntRange(1, 32),
    default=8,
    help="Maximum number of concurrent calls.",
)
@option(
    "--max-minutes",
    type=click.IntRange(1, 7 * 24 * 60),
    default=180,
    help="Time to sign in and to read; time that is not read by then is recorded as incomplete.",
)
@option(
    "--archive-url",
    type=COPY,
    help="Copy the archive after the load to this directory or s3://bucket/prefix.",
)
@option(
    "--archive-lock",
    metavar="PERIOD",
    help="Set object-lock retention on each copied file, such as 90d, 18m or 10y; the bucket needs "
    "object lock and no default rule.",
)
@option(
    "--archive-overwrite",
    is_flag=True,
    help="The store of --archive-url can only overwrite: send no conditions. Existing files are "
    "still compared, not written.",
)
@option(
    "--publish-to",
    type=PUBLICATION,
    help="Publish the archive after the load, as `publish --to` does.",
)
@data_path_option("--publish-data-path")
@signing_key_option
@option(
    "--timestamp-url",
    type=TIMESTAMP_AUTHORITY,
    help="Get a time stamp (RFC 3161) of the new archive entry from this authority.",
)
@umask_option
@option(
    "--metrics-file",
    type=FILE,
    help="Write metrics to this file in Prometheus text format, also if the load fails.",
)
@option(
    "--ping-url",
    type=PING,
    help="Dead-man switch to ping at start (URL/start), success (URL) and failure (URL/fail).",
)
@option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    help="Format of the messages on stderr; json writes one object per line.",
)
@format_option("text", "json", default="text", variable="LOAD_FORMAT")
def command(  # noqa: PLR0913 - one parameter per option or group of options
    *,
    data_dir: Path,
    access: AccessRequest,
    times: _TimeOptions,
    mirror: _MirrorOptions,
    publishing: PublishOptions,
    dry_run: bool,
    max_minutes: int,
    signing_key: Path | None,
    timestamp_url: str | None,
    metrics_file: Path | None,
    ping_url: str | None,
    log_format: str,
    output_format: str,
) -> None:
    """Copy new and changed tasks into the database.

    Reads the time that is not covered yet and the tasks that were running, then compares the task
    count of the full horizon. The first load reads the last 30 days. Readers are not disturbed:
    they see the previous database until the new one is complete and replaces it. Run it every
    night. If it failed, run it again.

    \b
    Examples:
      gaussdb-tasks load --os-cloud otc-prod
      gaussdb-tasks load --os-cloud otc-prod --os-cloud otc-test --data-dir /srv/gaussdb-tasks
      gaussdb-tasks load --from 2026-03-01 --to 2026-03-08

    \b
    Exit codes: 0 done; 1 failed, nothing published, run it again; 2 usage or configuration error;
    3 published, but needs attention; 4 another load holds the lock.
    """
    clock = machine_clock() if times.now is None else times.now
    run_id = new_run_id(clock)
    if log_format == "json":
        console.log_as_json(run_id)
    request = LoadRequest(
        DataDir(data_dir),
        accesses=(),
        settings=times.load_settings(clock),
        connections=access.connections,
        remote=mirror.remote(),
        publish_to=publishing.target(),
        signer=None if signing_key is None else KeySigner(signing_key),
        timestamp_authority=None if timestamp_url is None else TimestampAuthority(timestamp_url),
        is_clock_real=times.now is None,
        run_id=run_id,
        deadline=Deadline(60 * max_minutes),
    )
    monitor = LoadMonitor(request.data_dir, None if dry_run else metrics_file, ping_url, times.now)
    if dry_run:
        request = _signed_in(request, access)
        if request.accesses:
            _print_plan(request, output_format)
        else:
            _report_no_projects(request, access.shard, output_format)
        return
    with monitor as take_report:
        request = _signed_in(request, access)
        if not request.accesses:
            _report_no_projects(request, access.shard, output_format)
            return
        _warn_before_load(request, times.read_from)
        report = _run(request)
        take_report(report)
    _print_report(report, output_format)
    sys.exit(report.exit_code)


def _signed_in(request: LoadRequest, access: AccessRequest) -> LoadRequest:
    if access.shard is not None:
        refuse_other_shards(request.data_dir, access.shard)
    with ends_by(request.deadline):
        signed_in = sign_in(access, os.environ)
    return replace(request, accesses=signed_in.accesses, failed_sign_ins=signed_in.failures)


def _report_no_projects(request: LoadRequest, shard: Shard | None, output_format: str) -> None:
    """Report that a shard has nothing to load; a load of all projects has at least one."""
    kept = (
        "" if request.data_dir.database.exists() else f", and makes no {request.data_dir.database}"
    )
    console.info(f"shard {shard} has no projects; this load reads nothing{kept}", event="empty")
    if output_format == "json":
        empty: dict[str, Any] = {
            "run_id": request.run_id,
            "exit_code": int(ExitCode.DONE),
            "projects": [],
        }
        output.write_json(empty)


def _warn_before_load(request: LoadRequest, read_from: Micros | None) -> None:
    oldest = request.settings.visible.start
    if read_from is not None and read_from < oldest:
        console.info(f"--from is older than the task center's oldest task: {iso(oldest)}")
    data_dir = request.data_dir.path
    network = network_file_system(data_dir)
    if network is not None:
        console.info(f"{data_dir} is on a network file system ({network}), {NETWORK_REMEDY}")


def _run(request: LoadRequest) -> LoadReport:
    try:
        with console.progress() as on_progress:
            return run_load(
                replace(
                    request,
                    on_pause=console.RateLimitMessages(),
                    on_read=log_project,
                    on_progress=on_progress,
                )
            )
    except LockedError:
        raise
    except GaussdbTasksError as error:
        raise error.with_lines(*_failure_lines(error, request.data_dir.database)) from error


def _failure_lines(error: GaussdbTasksError, database: Path) -> tuple[str, ...]:
    state = f"{database} is unchanged" if database.exists() else f"there is no {database} yet"
    remedy = "; run the same load again" if error.exit_code is ExitCode.FAILED else ""
    effect = f"nothing was published, {state}{remedy}"
    # Errors of several projects have a line each.
    return (f"{error}; {effect}",) if len(error.lines) == 1 else (*error.lines, effect)


def _print_plan(request: LoadRequest, output_format: str) -> None:
    plans = plan_projects(request)
    if output_format == "json":
        output.write_json({"projects": [plan_as_dict(*plan) for plan in plans]})
        return
    for plan in plans:
        console.write_lines(plan_lines(*plan))


def _print_report(report: LoadReport, output_format: str) -> None:
    for remark in remarks(report):
        write = console.warn if remark.is_warning else console.info
        write(remark.text, event="remark")
    fields = report_as_dict(report) if console.is_json() else {}
    console.info(summary_line(report), event="published", **{**fields, "run_id": report.run_id})
    if output_format == "json":
        output.write_json(report_as_dict(report))
