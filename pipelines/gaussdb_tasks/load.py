"""A load from end to end: lock, clone, plan, extract, load, check, publish.

Whatever fails before the rename leaves the published database as it was, and whatever was done lies
in a scratch folder that goes with the load.
"""

import gc
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import FailedSignIn
from gaussdb_tasks.api.client import TaskCenterClient
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.archive.mirror.mirror import MirrorState, copy_entries
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.recover import plan_recovery, recover
from gaussdb_tasks.archive.signing import Signer
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.write import write_load_entry
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.dlt_pipeline import load_into
from gaussdb_tasks.database.gaps import newly_lost
from gaussdb_tasks.database.state import finder, read_state
from gaussdb_tasks.database.upgrades import upgrade
from gaussdb_tasks.database.views import CheckFinding, Severity, apply_views, run_checks
from gaussdb_tasks.errors import CheckFailedError, ConfigurationError, DatabaseError, ExitCode
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.plan import Plan, plan_load
from gaussdb_tasks.extract.project_tables import (
    Outcome,
    ProjectSource,
    ProjectSummary,
    Run,
    new_run_id,
    next_load_number,
)
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.settings import LoadSettings, RetrySettings
from gaussdb_tasks.version import VERSION


@dataclass(frozen=True)
class LoadRequest:
    """What to load, and how."""

    data_dir: DataDir
    accesses: Sequence[ProjectAccess]
    settings: LoadSettings
    retry_settings: RetrySettings = field(default_factory=RetrySettings)
    connections: int = 8
    signed_out: Sequence[FailedSignIn] = ()
    """Sign-ins that failed beside those of the accesses."""
    on_pause: Callable[[float], None] = lambda _seconds: None
    """Told when the gateway asks for rest, of how many seconds."""
    signer: Signer | None = None
    """Signs the night's digest, if there is a key."""
    copy_place: Remote | None = None
    """Where the archive is copied to after publication, if anywhere."""
    is_clock_real: bool = False
    """Whether the policy's clock is this machine's, to be compared with the service's."""
    on_progress: Callable[[ProjectKey, int, int], None] = lambda _project, _seen, _announced: None
    on_read: Callable[[ProjectSummary], None] = lambda _summary: None
    """Told of each project that has been read, before it is published."""
    run_id: str | None = None
    """The load's name; None to make one."""


@dataclass(frozen=True)
class LoadReport:
    """What a published load brought.

    Attributes:
        warnings: what the data checks found worth knowing.
        signed_out: sign-ins that failed, so that their projects could not be read.
        lost: stretches of time per project that left the horizon unread since the last load.
        upgraded_from: version of the schema that the database had, if it was upgraded.
        adopted: entries of the archive that the database had lacked.
        archive_doubts: what is wrong with the archive.
        entry_name: the load's own entry in the archive.
        head_digest: SHA-256 of that entry's digest, the head of the chain.
        copies: how far the copy elsewhere has come; None if there is none.
        seconds_waited: time that calls were held back for the gateway's sake, over all threads.
    """

    run_id: str
    database: Path
    projects: tuple[ProjectSummary, ...]
    signed_out: tuple[FailedSignIn, ...]
    warnings: tuple[CheckFinding, ...]
    lost: tuple[tuple[ProjectKey, TimeRange], ...]
    upgraded_from: int | None
    adopted: tuple[str, ...]
    archive_doubts: tuple[str, ...]
    entry_name: str
    head_digest: str
    copies: MirrorState | None
    seconds: float
    seconds_waited: float

    @property
    def exit_code(self) -> ExitCode:
        """Whether somebody must look."""
        is_waiting = self.copies is not None and self.copies.waiting
        needs_attention = (
            self.lost
            or self.signed_out
            or self.archive_doubts
            or is_waiting
            or any(
                project.outcome is not Outcome.COMPLETE or project.rejected_count
                for project in self.projects
            )
        )
        return ExitCode.NEEDS_ATTENTION if needs_attention else ExitCode.DONE

    def total(self, count: str) -> int:
        """Add up one of the counts over all projects, such as ``new_count``."""
        return sum(getattr(project, count) for project in self.projects)


def run_load(job: LoadRequest) -> LoadReport:
    """Load all projects of a job as one transaction.

    Raises:
        LockedError: another load works in the data directory.
        GaussdbTasksError: nothing was published, for the reason it gives.
    """
    started = time.monotonic()
    run_id = job.run_id or new_run_id(job.settings.now)
    job.data_dir.prepare()
    with (
        job.data_dir.locked(),
        _disk_trouble_explained(job.data_dir),
        job.data_dir.scratch(run_id) as scratch,
    ):
        return _load_in(scratch, job, run_id, started)


def plan_projects(job: LoadRequest) -> Iterator[tuple[ProjectKey, Plan]]:
    """Plan each project's load from what the published database knows; nothing is called."""
    for access in job.accesses:
        key = ProjectKey(access.region, access.project_id)
        since = job.settings.visible.start
        if job.data_dir.database.exists():
            with connect.read_published(job.data_dir.database) as connection:
                state = read_state(connection, key, since)
        else:
            state = ProjectState(known_from=since)
        yield key, plan_load(job.settings, state)


def _load_in(scratch: Path, job: LoadRequest, run_id: str, started: float) -> LoadReport:
    budgets = RateLimiters(job.connections, on_pause=job.on_pause)
    clone = scratch / job.data_dir.database.name
    archive = Archive(job.data_dir.archive)
    recovery = plan_recovery(archive, job.data_dir.database)
    origin = None if recovery.is_rebuild else job.data_dir.database
    with connect.writable_clone(origin, clone) as connection:
        upgraded_from = upgrade(connection)
        recovered = recover(connection, recovery)
        sources = [_source(connection, access, job, budgets) for access in job.accesses]
        load_number = next_load_number(sources)
        run = Run(
            run_id,
            load_number,
            VERSION,
            job.settings,
            job.connections,
            job.on_progress,
            job.on_read,
        )
        extraction = Extraction(run, sources)
        try:
            with _collector_at_rest():
                load_into(connection, extraction, scratch / "dlt")
        finally:
            budgets.cancel()  # calls still under way when a load is stopped are for nobody
        apply_views(connection)
        findings = _checked(connection)
        lost = tuple(_lost_stretches(connection, sources))
        entry = write_load_entry(
            connection, load_number, recovered.head, scratch / "entry", job.signer
        )
    connect.refuse_unfinished_writes(job.data_dir.database)
    archive.add(entry.folder, entry.name)
    files.publish(clone, job.data_dir.database)
    copies = None if job.copy_place is None else copy_entries(job.data_dir, job.copy_place)
    return LoadReport(
        run_id=run_id,
        database=job.data_dir.database,
        projects=tuple(extraction.summaries),
        signed_out=tuple(job.signed_out),
        warnings=findings,
        lost=lost,
        upgraded_from=upgraded_from,
        adopted=recovered.adopted,
        archive_doubts=recovered.problems,
        entry_name=entry.name,
        head_digest=entry.sha256,
        copies=copies,
        seconds=time.monotonic() - started,
        seconds_waited=budgets.seconds_waited,
    )


def _source(
    connection: duckdb.DuckDBPyConnection,
    access: ProjectAccess,
    job: LoadRequest,
    budgets: RateLimiters,
) -> ProjectSource:
    key = ProjectKey(access.region, access.project_id)
    try:
        state = read_state(connection, key, job.settings.visible.start)
    except ConfigurationError as error:  # its region: the other projects are not to blame
        return ProjectSource.unreadable(key, error)
    budget = budgets.budget_of(access.identity.account, access.endpoint)
    client = TaskCenterClient.for_project(access, budget, job.retry_settings)
    return ProjectSource(
        key=key,
        fetch_page=client.fetch_page,
        calls_made=lambda: client.calls_made,
        state=state,
        find=finder(connection, key),
        clock_ahead=lambda: client.clock_ahead if job.is_clock_real else None,
    )


def _checked(connection: duckdb.DuckDBPyConnection) -> tuple[CheckFinding, ...]:
    """Run the data checks; return the warnings.

    Raises:
        CheckFailedError: a check found what must not be published.
    """
    findings = run_checks(connection)
    failed = [finding for finding in findings if finding.severity is Severity.FAIL]
    if failed:
        told = "; ".join(
            f"{finding.check_name}: {finding.meaning} ({finding.row_count} rows, such as "
            f"{finding.first_rows[0]})"
            for finding in failed
        )
        message = (
            f"the data checks stopped the load: {told}; if it repeats, keep this message and "
            "report it"
        )
        raise CheckFailedError(message)
    return findings


def _lost_stretches(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[ProjectSource]
) -> Iterator[tuple[ProjectKey, TimeRange]]:
    for source in sources:
        since = source.state.last_observed_at
        if since is not None:
            for time_range in newly_lost(connection, source.key, since):
                yield source.key, time_range


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep Python's collector of cycles from walking through every task again and again.

    A load makes small tuples by the million and no cycles to speak of; without this a quarter of
    the time of a large one goes into looking for them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _disk_trouble_explained(data_dir: DataDir) -> Iterator[None]:
    """Turn what files and DuckDB raise into one sentence."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        what = str(error).partition("\n")[0]
        free = shutil.disk_usage(data_dir.path).free // 1024**2
        message = (
            f"the load could not be written to {data_dir.path} ({what}); see to its disk, which "
            f"has {free:,} MB free"
        )
        raise DatabaseError(message) from error
