"""Check, before a load, whether the set-up lets a load succeed."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.identity import KeystoneIdentity
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.deadline import Deadline, ends_by
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT, STATUS_RUNNING
from gaussdb_tasks.database import files
from gaussdb_tasks.database.catalog import refuse_foreign_objects
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.file_systems import NETWORK_REMEDY, network_file_system
from gaussdb_tasks.database.shards import refuse_other_shards
from gaussdb_tasks.database.state import has_tables, read_state
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import (
    ExitCode,
    GaussdbTasksError,
    LimitReachedError,
    RequestRefusedError,
    SignInRefusedError,
    worst_of,
)
from gaussdb_tasks.model.normalise import created_at_of
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.shard import Shard
from gaussdb_tasks.model.times import MINUTE, SECOND, Micros, iso, now
from gaussdb_tasks.os_errors import explain
from gaussdb_tasks.settings import AccessRequest, LoadSettings, RetrySettings

_LAST_LOAD: Final = """
    select
        strftime(max(observed_at), '%Y-%m-%dT%H:%M:%SZ'),
        count(*),
        string_agg(project_id || ' ' || outcome || ': ' || coalesce(error, ''), '; ')
            filter (where outcome <> 'complete')
    from task_center.load_runs
    where load_number = (select max(load_number) from task_center.load_runs)
    having count(*) > 0
"""
_MAX_CLOCK_DIFFERENCE: Final[Micros] = 5 * MINUTE
_RETRY_SETTINGS: Final = RetrySettings(attempts=2, throttled_attempts=4)
_MIN_TASKS_TO_PROBE: Final = 7
_PROBE_LIMIT: Final = 5
_MAX_REFUSALS: Final = 3
"""Refused sign-ins before no other project is tried: IAM locks a user who is refused often."""
_REQUIRED_DATABASE_SIZES: Final = 3
"""Free space that a load may need: the clone, the rows it adds, and the files of dlt."""


class CheckState(StrEnum):
    """The result of a check; the values are part of the output."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result for one part of the set-up; the detail has the remedy if one is needed."""

    part: str
    state: CheckState
    detail: str
    exit_code: ExitCode = ExitCode.DONE


def run_preflight(
    data_dir: DataDir,
    request: AccessRequest,
    environ: Mapping[str, str],
    settings: LoadSettings,
    deadline: Deadline,
) -> Iterator[CheckResult]:
    """Check the data directory, the sign-in and one page of each project; change nothing.

    All calls end by the deadline, however many projects there are.
    """
    try:
        yield from _check_data_dir(data_dir, request.shard)
    except OSError as error:
        yield _wrong("data directory", explain(error, path=error.filename or data_dir.path))
    try:
        with ends_by(deadline):
            signed_in = sign_in(request, environ)
    except GaussdbTasksError as error:
        yield _wrong("sign-in", error)
        return
    for failure in signed_in.failures:
        yield _wrong(f"sign-in of {failure.name}", failure.error)
    if not signed_in.accesses:
        detail = f"shard {request.shard} has no projects; a load reads nothing"
        yield CheckResult("projects", CheckState.OK, detail)
        return
    yield from _check_projects(signed_in.accesses, data_dir, settings, deadline)


def _check_projects(
    accesses: Sequence[ProjectAccess],
    data_dir: DataDir,
    settings: LoadSettings,
    deadline: Deadline,
) -> Iterator[CheckResult]:
    """Check all projects; the sign-in is ok if a server accepted it, not if it could be tried."""
    results: list[CheckResult] = []
    refusals: list[GaussdbTasksError] = []
    accepted_count = 0
    limiters = RateLimiters(connections=1, deadline=deadline)
    for access in accesses:
        try:
            deadline.check()
            with ends_by(deadline):
                access.identity.credential()  # signs in, except with a ready token or a key
            is_accepted = isinstance(access.identity, KeystoneIdentity)
            limiter = limiters.limiter_for(access.identity.account, access.endpoint)
            client = TaskCenterClient.for_project(access, limiter, _RETRY_SETTINGS)
            checked = list(_check_project(access, client, data_dir, settings))
            results += checked
            accepted_count += is_accepted or checked[0].state is CheckState.OK
        except LimitReachedError as error:
            results.append(_wrong("time limit", error))
            break
        except GaussdbTasksError as error:
            refusals.append(error)
            if not accepted_count and len(refusals) == _MAX_REFUSALS:
                break
    yield _sign_in_result(accepted_count, len(accesses), refusals)
    yield from results


def _sign_in_result(
    accepted_count: int, count: int, refusals: Sequence[GaussdbTasksError]
) -> CheckResult:
    part = "sign-in"
    if refusals:
        return _wrong(part, worst_of(refusals))
    if accepted_count:
        return CheckResult(part, CheckState.OK, f"accepted; projects: {accepted_count} of {count}")
    detail = f"not confirmed, since no project could be read; projects: {count}"
    return CheckResult(part, CheckState.WARNING, detail)


def _check_data_dir(data_dir: DataDir, shard: Shard | None) -> Iterator[CheckResult]:
    part = "data directory"
    try:
        data_dir.refuse_unusable_path()
    except GaussdbTasksError as error:
        yield _wrong(part, error)
        return
    existing = _nearest_existing(data_dir.path.absolute())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        detail = f"{existing} is not writable; choose another --data-dir, or fix owner and mode"
        yield CheckResult(part, CheckState.WRONG, detail, ExitCode.USAGE)
        return
    network = network_file_system(existing)
    if network is None:
        yield CheckResult(part, CheckState.OK, f"{data_dir.path} is writable")
    else:
        detail = f"{data_dir.path} is on a network file system ({network}), {NETWORK_REMEDY}"
        yield CheckResult(part, CheckState.WARNING, detail)
    mixture = data_dir.mixture()
    if mixture is not None:
        yield CheckResult("owner", CheckState.WRONG, mixture, ExitCode.USAGE)
    yield _check_file_system(existing)
    yield from _check_database(data_dir, shard)
    yield _check_space(data_dir, existing)


def _check_database(data_dir: DataDir, shard: Shard | None) -> Iterator[CheckResult]:
    part = "database"
    if not data_dir.database.exists():
        yield CheckResult(part, CheckState.OK, f"the first load will create {data_dir.database}")
        return
    try:
        with read_untrusted(data_dir.database) as connection:
            refuse_foreign_objects(connection, data_dir.database)
            yield CheckResult(part, CheckState.OK, f"{data_dir.database} can be opened")
            yield _check_last_load(connection)
        if shard is not None:
            refuse_other_shards(data_dir, shard)
        if data_dir.is_locked():
            yield CheckResult("lock", CheckState.WARNING, "a load is running now")
        else:
            yield CheckResult("lock", CheckState.OK, "no load is running")
    except GaussdbTasksError as error:
        yield _wrong(part, error)


def _check_last_load(connection: duckdb.DuckDBPyConnection) -> CheckResult:
    part = "last night"
    row = connection.execute(_LAST_LOAD).fetchone() if has_tables(connection) else None
    if row is None:
        return CheckResult(part, CheckState.OK, "there was no load yet")
    at, count, failures = row
    detail = f"the last load was at {at}, projects: {count}"
    if failures is None:
        return CheckResult(part, CheckState.OK, f"{detail}, all complete")
    remedy = "the next load reads the incomplete time again"
    return CheckResult(part, CheckState.WARNING, f"{detail}: {failures}; {remedy}")


def _check_file_system(folder: Path) -> CheckResult:
    """Try to rename over an open file, as a publication does, and to clone a file."""
    part = "file system"
    try:
        with TemporaryDirectory(dir=folder, prefix=".check-") as scratch:
            old, new = Path(scratch, "old"), Path(scratch, "new")
            old.write_bytes(b"old")
            new.write_bytes(b"new")
            with old.open("rb") as reader:
                new.replace(old)
                is_atomic = (reader.read(), old.read_bytes()) == (b"old", b"new")
            shares = files.shares_blocks(old, new)
    except OSError as error:
        return _wrong(part, explain(error, path=folder))
    if not is_atomic:
        detail = (
            f"a rename in {folder} breaks programs that have the old file open; use a local disk"
        )
        return CheckResult(part, CheckState.WRONG, detail, ExitCode.USAGE)
    clones = "a clone shares its blocks (reflink)" if shares else "a clone is a full copy"
    return CheckResult(part, CheckState.OK, f"a rename is atomic; {clones}")


def _check_space(data_dir: DataDir, existing: Path) -> CheckResult:
    free = shutil.disk_usage(existing).free
    size = data_dir.database.stat().st_size if data_dir.database.exists() else 0
    detail = f"{free / 2**30:,.1f} GiB free, the database has {size / 2**30:,.1f} GiB"
    if free < _REQUIRED_DATABASE_SIZES * size:
        remedy = f"a load may need {_REQUIRED_DATABASE_SIZES} times the database; free some space"
        return CheckResult("disk space", CheckState.WARNING, f"{detail}; {remedy}")
    return CheckResult("disk space", CheckState.OK, detail)


def _check_project(
    access: ProjectAccess, client: TaskCenterClient, data_dir: DataDir, settings: LoadSettings
) -> Iterator[CheckResult]:
    part = f"project {access.project_id}"
    window = settings.horizon_window
    try:
        page = client.fetch_page(TaskQuery(window.start, window.end), offset=0)
        if data_dir.database.exists():
            with read_untrusted(data_dir.database) as connection:
                read_state(connection, access.key, settings.now)
    except SignInRefusedError:
        raise
    except GaussdbTasksError as error:
        yield _wrong(part, error)
        return
    count = "an unknown number of" if page.total_count is None else f"{page.total_count:,}"
    since = iso(window.start)
    yield CheckResult(part, CheckState.OK, f"{access.endpoint} lists {count} tasks since {since}")
    yield _check_clock(client.server_date)
    try:
        yield _probe(client, window.start, window.end, page)
    except GaussdbTasksError as error:
        yield _wrong(part, error)


def _probe(client: TaskCenterClient, start: Micros, end: Micros, page: Page) -> CheckResult:
    """Find out with two more calls how the API behaves where its documentation is open."""
    part = "what the API means"
    if len(page.records) < _MIN_TASKS_TO_PROBE:
        return CheckResult(part, CheckState.OK, "too few tasks to find out; no load depends on it")
    second = client.fetch_page(TaskQuery(start, end), offset=1, limit=_PROBE_LIMIT)
    findings = [
        f"offset counts {_offset_unit(page, second)}",
        f"total_count is {_meaning_of_count(page)}",
        f"the list is {_sort_order(page)}",
        f"a list of running tasks without times is {_answer_without_times(client)}",
    ]
    return CheckResult(part, CheckState.OK, f"{'; '.join(findings)}; no load depends on it")


def _answer_without_times(client: TaskCenterClient) -> str:
    try:
        running = client.fetch_page(TaskQuery(status=STATUS_RUNNING), offset=0, limit=_PROBE_LIMIT)
    except RequestRefusedError:
        return "refused"
    statuses = {_status(record) for record in running.records}
    return "accepted" if statuses <= {STATUS_RUNNING} else "accepted, but the status is ignored"


def _status(record: Record) -> object:
    return record.fields.get("status") if isinstance(record.fields, Mapping) else None


def _offset_unit(page: Page, second: Page) -> str:
    identities = [record.identity for record in page.records]
    first = second.records[0].identity if second.records else None
    if first == identities[1]:
        return "records from 0"
    if first == identities[0]:
        return "records or pages from 1"
    if len(identities) > _PROBE_LIMIT and first == identities[_PROBE_LIMIT]:
        return "pages from 0"
    return "something that two calls cannot show"


def _meaning_of_count(page: Page) -> str:
    if page.total_count is None:
        return "missing: a short page ends the list"
    if page.total_count == len(page.records) == PAGE_LIMIT:
        return "perhaps only the length of a page"
    return f"a number ({page.total_count:,})"


def _sort_order(page: Page) -> str:
    created = [at for at in map(created_at_of, page.records) if at is not None]
    if created == sorted(created, reverse=True):
        return "newest first"
    return "oldest first" if created == sorted(created) else "not sorted by time"


def _check_clock(server_date: Micros | None) -> CheckResult:
    part = "clock"
    if server_date is None:
        return CheckResult(part, CheckState.OK, "the service sends no Date header")
    difference = server_date - now()
    detail = f"the service's clock differs by {round(difference / SECOND):+d} s"
    if abs(difference) > _MAX_CLOCK_DIFFERENCE:
        remedy = "set this machine's clock (NTP), or uncovered time may be counted as covered"
        return CheckResult(part, CheckState.WARNING, f"{detail}; {remedy}")
    return CheckResult(part, CheckState.OK, detail)


def _wrong(part: str, error: GaussdbTasksError) -> CheckResult:
    return CheckResult(part, CheckState.WRONG, "; ".join(error.lines), error.exit_code)


def _nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
