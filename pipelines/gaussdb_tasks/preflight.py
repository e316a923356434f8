"""Finding out what would keep a load from working, before the night does."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT, STATUS_RUNNING
from gaussdb_tasks.database import files
from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.file_systems import NETWORK_REMEDY, network_file_system
from gaussdb_tasks.database.state import has_tables, read_state
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError, LockedError, RequestRefusedError
from gaussdb_tasks.model.normalise import created_at_of
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.times import MINUTE, SECOND, Micros, iso, now
from gaussdb_tasks.settings import AccessRequest, LoadSettings, RetrySettings

_LAST_NIGHT: Final = """
    select
        strftime(max(observed_at), '%Y-%m-%dT%H:%M:%SZ'),
        count(*),
        string_agg(project_id || ' ' || outcome || ': ' || coalesce(error, ''), '; ')
            filter (where outcome <> 'complete')
    from task_center.load_runs
    where load_number = (select max(load_number) from task_center.load_runs)
    having count(*) > 0
"""
_TOLERATED_SKEW: Final[Micros] = 5 * MINUTE
_FEWEST_TO_PROBE: Final = 7
_PROBED: Final = 5
_CLONES_TO_FIT: Final = 3
"""The clone, what the load adds to it, and dlt's files."""


class CheckState(StrEnum):
    """How a part of the set-up is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Inspected:
    """One part of the set-up: how it is, and how to mend it where it is wrong."""

    part: str
    state: CheckState
    detail: str
    exit_code: ExitCode = ExitCode.DONE


def inspect(
    data_dir: DataDir, request: AccessRequest, environ: Mapping[str, str], settings: LoadSettings
) -> Iterator[Inspected]:
    """Look at the data directory, the sign-in, and a page of each project; change nothing."""
    yield from _inspect_data_dir(data_dir)
    try:
        signed_in = sign_in(request, environ)
    except GaussdbTasksError as error:
        yield _wrong("sign-in", error)
        return
    for failure in signed_in.failures:
        yield _wrong(f"sign-in of {failure.name}", failure.error)
    found = f"credentials found; projects: {len(signed_in.accesses)}"
    yield Inspected("sign-in", CheckState.OK, found)
    for access in signed_in.accesses:
        yield from _inspect_project(access, data_dir, settings)


def _inspect_data_dir(data_dir: DataDir) -> Iterator[Inspected]:
    part = "data directory"
    existing = _nearest_existing(data_dir.path.absolute())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        detail = f"{existing} cannot be written; choose another --data-dir, or mend owner and mode"
        yield Inspected(part, CheckState.WRONG, detail, ExitCode.USAGE)
        return
    network = network_file_system(existing)
    if network is None:
        yield Inspected(part, CheckState.OK, f"{data_dir.path} can be written")
    else:
        detail = f"{data_dir.path} is on a network file system ({network}), {NETWORK_REMEDY}"
        yield Inspected(part, CheckState.WARNING, detail)
    yield _inspect_file_system(existing)
    yield from _inspect_database(data_dir)
    yield _inspect_space(data_dir, existing)


def _inspect_database(data_dir: DataDir) -> Iterator[Inspected]:
    part = "database"
    if not data_dir.database.exists():
        yield Inspected(part, CheckState.OK, f"{data_dir.database} will be made by the first load")
        return
    try:
        with read_published(data_dir.database) as connection:
            yield Inspected(part, CheckState.OK, f"{data_dir.database} opens")
            yield _inspect_last_night(connection)
        with data_dir.locked():
            yield Inspected("lock", CheckState.OK, "no load is working")
    except LockedError:
        yield Inspected("lock", CheckState.WARNING, "a load is working at this moment")
    except GaussdbTasksError as error:
        yield _wrong(part, error)


def _inspect_last_night(connection: duckdb.DuckDBPyConnection) -> Inspected:
    part = "last night"
    row = connection.execute(_LAST_NIGHT).fetchone() if has_tables(connection) else None
    if row is None:
        return Inspected(part, CheckState.OK, "there was none yet")
    at, count, troubles = row
    detail = f"the last load was at {at}, of {count} projects"
    if troubles is None:
        return Inspected(part, CheckState.OK, f"{detail}, all of them complete")
    mend = "; the next load reads again what was not proved"
    return Inspected(part, CheckState.WARNING, f"{detail}: {troubles}{mend}")


def _inspect_file_system(folder: Path) -> Inspected:
    """Try what a publication needs: a rename over a file that is open; and how it clones."""
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
        detail = (
            f"files cannot be made and renamed in {folder} ({error.strerror}); mend owner, mode"
        )
        return Inspected(part, CheckState.WRONG, detail, ExitCode.USAGE)
    if not is_atomic:
        detail = f"a file renamed in {folder} disturbs who has the old one open; use a local disk"
        return Inspected(part, CheckState.WRONG, detail, ExitCode.USAGE)
    how = "shares blocks (reflink): a clone costs nothing" if shares else "copies to clone"
    return Inspected(part, CheckState.OK, f"renames as it should, and {how}")


def _inspect_space(data_dir: DataDir, existing: Path) -> Inspected:
    free = shutil.disk_usage(existing).free
    size = data_dir.database.stat().st_size if data_dir.database.exists() else 0
    detail = f"{free / 2**30:,.1f} GiB free, the database takes {size / 2**30:,.1f} GiB"
    if free < _CLONES_TO_FIT * size:
        mend = f"; a load may need {_CLONES_TO_FIT} times the database: make room"
        return Inspected("disk space", CheckState.WARNING, detail + mend)
    return Inspected("disk space", CheckState.OK, detail)


def _inspect_project(
    access: ProjectAccess, data_dir: DataDir, settings: LoadSettings
) -> Iterator[Inspected]:
    part = f"project {access.project_id}"
    client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
    window = settings.horizon_window
    try:
        page = client.fetch_page(TaskQuery(window.start, window.end), offset=0)
        if data_dir.database.exists():
            with read_published(data_dir.database) as connection:
                read_state(connection, ProjectKey(access.region, access.project_id), settings.now)
    except GaussdbTasksError as error:
        yield _wrong(part, error)
        return
    count = "an unknown number of" if page.total_count is None else f"{page.total_count:,}"
    since = iso(window.start)
    yield Inspected(part, CheckState.OK, f"{access.endpoint} lists {count} tasks since {since}")
    yield _inspect_clock(client.server_date)
    try:
        yield _probe(client, window.start, window.end, page)
    except GaussdbTasksError as error:
        yield _wrong(part, error)


def _probe(client: TaskCenterClient, start: Micros, end: Micros, page: Page) -> Inspected:
    """Find out what the API means where its documentation leaves it open, with two calls more."""
    part = "what the API means"
    if len(page.records) < _FEWEST_TO_PROBE:
        return Inspected(part, CheckState.OK, "too few tasks to tell; loads depend on none of it")
    second = client.fetch_page(TaskQuery(start, end), offset=1, limit=_PROBED)
    told = [
        f"offset counts {_offset_unit(page, second)}",
        f"total_count is {_kind_of_count(page)}",
        f"the list is {_order(page)}",
        f"a list of what is running, without times, is {_answer_without_times(client)}",
    ]
    return Inspected(part, CheckState.OK, f"{'; '.join(told)}; loads depend on none of it")


def _answer_without_times(client: TaskCenterClient) -> str:
    try:
        running = client.fetch_page(TaskQuery(status=STATUS_RUNNING), offset=0, limit=_PROBED)
    except RequestRefusedError:
        return "refused"
    statuses = {_status(record) for record in running.records}
    return "given" if statuses <= {STATUS_RUNNING} else "given, but not heeding the status"


def _status(record: Record) -> object:
    return record.fields.get("status") if isinstance(record.fields, Mapping) else None


def _offset_unit(page: Page, second: Page) -> str:
    first_known = [record.identity for record in page.records]
    begins = second.records[0].identity if second.records else None
    if begins == first_known[1]:
        return "records from 0"
    if begins == first_known[0]:
        return "records or pages from 1"
    if len(first_known) > _PROBED and begins == first_known[_PROBED]:
        return "pages from 0"
    return "what two calls do not tell"


def _kind_of_count(page: Page) -> str:
    if page.total_count is None:
        return "not given: a page that is short ends a list"
    if page.total_count == len(page.records) == PAGE_LIMIT:
        return "perhaps only the length of a page"
    return f"a number ({page.total_count:,})"


def _order(page: Page) -> str:
    instants = [at for at in map(created_at_of, page.records) if at is not None]
    if instants == sorted(instants, reverse=True):
        return "newest first"
    return "oldest first" if instants == sorted(instants) else "in no order of time"


def _inspect_clock(server_date: Micros | None) -> Inspected:
    part = "clock"
    if server_date is None:
        return Inspected(part, CheckState.OK, "the service does not tell its time")
    seconds = (server_date - now()) / SECOND
    detail = f"the service's clock differs by {seconds:+.0f} s"
    if abs(seconds) * SECOND > _TOLERATED_SKEW:
        mend = "; set this machine's clock (NTP), or tasks are taken for covered that are not"
        return Inspected(part, CheckState.WARNING, detail + mend)
    return Inspected(part, CheckState.OK, detail)


def _wrong(part: str, error: GaussdbTasksError) -> Inspected:
    return Inspected(part, CheckState.WRONG, str(error), error.exit_code)


def _nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
