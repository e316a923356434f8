"""Run a load as one transaction: lock, clone, plan, extract, load, check, publish.

An error before the rename leaves the published database unchanged. All work is done in a scratch
folder that is removed when the load ends.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import FailedSignIn
from gaussdb_tasks.api.client import TaskCenterClient
from gaussdb_tasks.api.deadline import Deadline
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.archive.loaded_files import LoadedFiles, loaded_files
from gaussdb_tasks.archive.mirror.mirror import mirror_entries, refuse_remote
from gaussdb_tasks.archive.mirror.mirror_state import MirrorState
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.recover import RecoveryPlan, plan_recovery, recover
from gaussdb_tasks.archive.signer_check import check_signer
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.timestamp_authority import StampResult, TimestampAuthority
from gaussdb_tasks.archive.write import WrittenEntry, write_load_entry
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.catalog import refuse_foreign_objects
from gaussdb_tasks.database.checks import refuse_failed_checks
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.dlt_pipeline import load_into, start_import
from gaussdb_tasks.database.state import (
    has_tables,
    newly_lost,
    read_states,
)
from gaussdb_tasks.database.task_finders import hash_finder, task_finder
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.database.upgrades import upgrade
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import (
    ConfigurationError,
    DatabaseError,
    GaussdbTasksError,
)
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.plan import Plan, plan_load
from gaussdb_tasks.extract.project_tables import (
    ProjectSource,
    ProjectSummary,
    Run,
    new_run_id,
    next_load_number,
)
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState
from gaussdb_tasks.os_errors import errno_in, explain, explain_memory
from gaussdb_tasks.publication.publish import Published, publish_after_load
from gaussdb_tasks.publication.target import Target
from gaussdb_tasks.settings import LoadSettings, RetrySettings
from gaussdb_tasks.version import VERSION


@dataclass(frozen=True)
class LoadRequest:
    """The projects to load, where to, and with which settings."""

    data_dir: DataDir
    accesses: Sequence[ProjectAccess]
    settings: LoadSettings
    retry_settings: RetrySettings = field(default_factory=RetrySettings)
    connections: int = 8
    failed_sign_ins: Sequence[FailedSignIn] = ()
    """Sign-ins that failed; their projects are not among the accesses."""
    on_pause: Callable[[float], None] = lambda _seconds: None
    """Called with the seconds to wait when the gateway asks to retry later."""
    signer: KeySigner | None = None
    """Signs the manifest of the load's archive entry, if there is a key."""
    timestamp_authority: TimestampAuthority | None = None
    """Confirms when the entry existed; None for no time stamp."""
    remote: Remote | None = None
    """Mirror of the archive, updated after publication; None for no mirror."""
    publish_to: Target | None = None
    """Catalogue that gets the archive's entries after the load; None for none."""
    is_clock_real: bool = False
    """Whether the clock of the settings is this machine's, to compare it with the service's."""
    on_progress: Callable[[ProjectKey, int, int], None] = lambda _project, _seen, _announced: None
    on_read: Callable[[ProjectSummary], None] = lambda _summary: None
    """Called with the summary of each project that has been read, before publication."""
    run_id: str | None = None
    """The load's identifier; None to make one."""
    deadline: Deadline = field(default_factory=Deadline)
    """The time limit of all reading; the load publishes what it has read by then."""


def run_load(request: LoadRequest) -> LoadReport:
    """Load all projects of a request as one transaction.

    Raises:
        LockedError: another load works in the data directory.
        GaussdbTasksError: nothing was published; the message has the reason.
    """
    started = time.monotonic()
    run_id = request.run_id or new_run_id(request.settings.now)
    request.data_dir.prepare()
    with (
        request.data_dir.locked(run_id),
        _disk_errors_reported(request.data_dir),
        request.data_dir.scratch(run_id) as scratch,
    ):
        return _load_in(scratch, request, run_id, started)


def plan_projects(request: LoadRequest) -> Iterator[tuple[ProjectKey, str | None, Plan]]:
    """Plan each project's load from the published database, without a call of the API.

    Yields the project's key and its name, if it is known, with the plan.
    """
    since = request.settings.visible.start
    keys = [access.key for access in request.accesses]
    states: Mapping[ProjectKey, ProjectState | ConfigurationError] = dict.fromkeys(
        keys, ProjectState(known_from=since)
    )
    if request.data_dir.database.exists():
        with read_untrusted(request.data_dir.database) as connection:
            refuse_foreign_objects(connection, request.data_dir.database)
            states = read_states(connection, keys, since)
    for key, access in zip(keys, request.accesses, strict=True):
        state = states[key]
        if isinstance(state, ConfigurationError):
            raise state
        yield key, access.learned_name() or state.name, plan_load(request.settings, state)


def _load_in(scratch: Path, request: LoadRequest, run_id: str, started: float) -> LoadReport:
    importing = start_import()
    limiters = RateLimiters(
        request.connections, on_pause=request.on_pause, deadline=request.deadline
    )
    database = request.data_dir.database
    clone = scratch / database.name
    archive = Archive(request.data_dir.archive)
    recovery = _plan_recovery(request, archive)
    former = None if recovery.is_rebuild else database
    with (
        connect.writable_clone(former, clone) as connection,
        loaded_files(scratch / "entry") as loaded,
    ):
        upgraded_from = upgrade(connection)
        recovered = recover(connection, recovery)
        sources = list(_sources(connection, request, limiters))
        load_number = next_load_number(sources)
        extraction = _extraction(connection, request, run_id, load_number, sources)
        importing.join()
        _read_into(connection, extraction, scratch / "dlt", loaded, limiters)
        apply_views(connection, unless_current=upgraded_from is None)
        warnings = refuse_failed_checks(connection)
        lost = newly_lost(connection, {each.key: each.state.last_observed_at for each in sources})
        with connect.bounded_memory(connection):
            entry = write_load_entry(
                connection,
                load_number,
                recovered.head,
                scratch / "entry",
                request.signer,
                of_files=loaded.digests,
            )
    timestamp = _put_in_place(request, clone, archive, entry)
    mirror, published = _hand_on(request, scratch)
    return LoadReport(
        run_id=run_id,
        database=database,
        projects=tuple(extraction.summaries),
        failed_sign_ins=tuple(request.failed_sign_ins),
        warnings=warnings,
        lost=lost,
        upgraded_from=upgraded_from,
        adopted=recovered.adopted,
        archive_problems=recovered.problems,
        entry_name=entry.name,
        head_digest=entry.sha256,
        timestamp=timestamp,
        mirror=mirror,
        published=published,
        seconds=time.monotonic() - started,
        seconds_waited=limiters.seconds_waited,
    )


def _extraction(
    connection: duckdb.DuckDBPyConnection,
    request: LoadRequest,
    run_id: str,
    load_number: int,
    sources: Sequence[ProjectSource],
) -> Extraction:
    run = Run(
        run_id,
        load_number,
        VERSION,
        request.settings,
        request.connections,
        request.on_progress,
        request.on_read,
    )
    return Extraction(
        run,
        sources,
        on_taken=Extraction.forget_states,  # the next load reads them from the database
        creates_tables=not has_tables(connection),
    )


def _read_into(
    connection: duckdb.DuckDBPyConnection,
    extraction: Extraction,
    working_dir: Path,
    loaded: LoadedFiles,
    limiters: RateLimiters,
) -> None:
    """Read all projects into the clone; a load that is stopped makes no further call."""
    try:
        with _garbage_collection_off():
            load_into(connection, extraction, working_dir, loaded.take)
    finally:
        limiters.cancel()


def _put_in_place(
    request: LoadRequest, clone: Path, archive: Archive, entry: WrittenEntry
) -> StampResult | None:
    """Stamp the entry, add it to the archive, then publish the database."""
    connect.refuse_unfinished_writes(request.data_dir.database)
    authority = request.timestamp_authority
    timestamp = None if authority is None else authority.stamp_entry(entry.folder)
    archive.add(entry.folder, entry.name)
    files.publish(clone, request.data_dir.database)
    return timestamp


def _hand_on(request: LoadRequest, scratch: Path) -> tuple[MirrorState | None, Published | None]:
    """Copy and publish the archive, if that is asked for; an error is a part of the result."""
    data_dir, remote, target = request.data_dir, request.remote, request.publish_to
    return (
        None if remote is None else mirror_entries(data_dir, remote),
        None if target is None else publish_after_load(data_dir, target, scratch),
    )


def _plan_recovery(request: LoadRequest, archive: Archive) -> RecoveryPlan:
    """Plan the recovery; refuse a database, a key or a remote with which no chain can go on."""
    recovery = plan_recovery(archive, request.data_dir.database)
    check_signer(archive, recovery.recorded, request.signer)
    if request.remote is not None:
        refuse_remote(request.data_dir, request.remote)
    return recovery


def _sources(
    connection: duckdb.DuckDBPyConnection, request: LoadRequest, limiters: RateLimiters
) -> Iterator[ProjectSource]:
    keys = [access.key for access in request.accesses]
    states = read_states(connection, keys, request.settings.visible.start)
    for key, access in zip(keys, request.accesses, strict=True):
        state = states[key]
        if isinstance(state, ConfigurationError):  # a wrong region stops this project only
            yield ProjectSource.unreadable(key, state, access.learned_name())
        else:
            yield _source(connection, state, access, request, limiters)


def _source(
    connection: duckdb.DuckDBPyConnection,
    state: ProjectState,
    access: ProjectAccess,
    request: LoadRequest,
    limiters: RateLimiters,
) -> ProjectSource:
    key = access.key
    limiter = limiters.limiter_for(access.identity.account, access.endpoint)
    client = TaskCenterClient.for_project(access, limiter, request.retry_settings)
    return ProjectSource(
        key=key,
        fetch_page=client.fetch_page,
        calls_made=lambda: client.calls_made,
        state=state,
        find=task_finder(connection, key),
        find_hashes=hash_finder(connection, key),
        clock_ahead=lambda: client.clock_ahead if request.is_clock_real else None,
        learned_name=access.learned_name,
    )


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Switch off Python's cyclic garbage collector.

    A load makes millions of small tuples and hardly any cycle; the collector would take a quarter
    of the time of a large load.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _disk_errors_reported(data_dir: DataDir) -> Iterator[None]:
    """Report errors of the file system, of memory and of DuckDB in one sentence, by their cause."""
    try:
        yield
    except GaussdbTasksError:
        raise
    except OSError as error:
        raise explain(error, path=error.filename or data_dir.path) from error
    except Exception as error:
        of_memory = explain_memory(error)
        if of_memory is not None:
            raise of_memory from error
        if not isinstance(error, duckdb.Error):
            raise
        reason = str(error).partition("\n")[0]
        number = errno_in(reason)
        if number is not None:
            raise explain(OSError(number, reason), path=data_dir.path) from error
        message = (
            f"the load could not be written to {data_dir.path} ({reason}); if it repeats, run the "
            "load with --debug and report what it shows"
        )
        raise DatabaseError(message) from error
