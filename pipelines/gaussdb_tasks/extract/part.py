"""Read a part of one project's list, as the service shows it now.

A part proves nothing: a task that is missing from it may exist. So it has no coverage, and marks no
task as vanished. Only a load proves what it read.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.contract import PAGE_LIMIT, STATUS_RUNNING, TASK_TYPES
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract.paged_read import PagedRead
from gaussdb_tasks.extract.paging import FetchPage, Pager
from gaussdb_tasks.extract.traits import ApiTraits
from gaussdb_tasks.model.normalise import created_at_of, normalise
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.tables import Column, Table
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import LoadSettings

_LABELS: Final[Mapping[str | None, str]] = {kind.name: kind.label for kind in TASK_TYPES}

LISTED_TASKS: Final = Table(
    "listed_tasks",
    "One row per listed task.",
    (
        Column("region", "text", "Region of the cloud, such as eu-de.", nullable=False),
        Column("project_id", "text", "Project in which the task ran.", nullable=False),
        Column("project_name", "text", "Name of the project, if the sign-in knows it."),
        Column("job_id", "text", "Identifier of the task within its project."),
        Column("task_name", "text", "Kind of the task, as the API names it."),
        Column("task_label", "text", "The kind in words; the task_name if it is not documented."),
        Column("status", "text", "Status from the API: Running, Completed, Failed, ..."),
        Column("progress_percent", "double", "Progress in per cent."),
        Column("fail_reason", "text", "Reason of the failure, as the service reported it."),
        Column("created_at", "timestamp", "When the task started, UTC."),
        Column("ended_at", "timestamp", "When the task ended, UTC; an estimate while it runs."),
        Column("age_seconds", "double", "Seconds since its start; null if it has ended."),
        Column("duration_seconds", "double", "Seconds from start to end; null if it runs."),
        Column("instance_id", "text", "Instance that the task works on."),
        Column("instance_name", "text", "Name of the instance."),
        Column("instance_status", "text", "Status of the instance."),
        Column("extra", "text", "Fields of the record that have no column, as JSON."),
        Column("remark", "text", "Why a load would reject the record; null for a task."),
        Column("listed_at", "timestamp", "Clock of the reader, UTC.", nullable=False),
    ),
    primary_key=(),
)

_OF_TASK: Final = tuple(
    column.name
    for column in LISTED_TASKS.columns
    if column.name not in {"region", "project_id", "project_name", "remark", "listed_at"}
)

Row = Mapping[str, Any]
"""A row of ``listed_tasks``; times are in microseconds."""


@dataclass(frozen=True, slots=True)
class PartRequest:
    """The part to read: the parameters of the API, each None if it is not set.

    Attributes:
        offset: with it or with ``limit`` one page is read, else all pages.
    """

    status: str | None = None
    name: str | None = None
    start: Micros | None = None
    end: Micros | None = None
    offset: int | None = None
    limit: int | None = None

    @property
    def is_page(self) -> bool:
        """Whether one page is requested."""
        return self.offset is not None or self.limit is not None


class Part(NamedTuple):
    """What was read of one project.

    Attributes:
        records: in the order of the list, each once.
        total_count: the count of the service for the main query; None if it gave none.
        is_whole: whether each requested page was read, and no record slipped between two.
    """

    records: Sequence[Record]
    total_count: int | None
    is_whole: bool


def read_part(
    fetch_page: FetchPage, request: PartRequest, now: Micros, connections: int = 8
) -> Part:
    """Read one page, or all pages, of what the request selects.

    Without times the request is for the full horizon: the service's own default is not documented.
    A time filter may hide running tasks. So these are requested without times, too.

    Raises:
        AccessError: the service refuses the call; a repeat would not help.
        ServiceError: every allowed attempt failed.
    """
    executor = ThreadPoolExecutor(connections, thread_name_prefix="page")
    try:
        pager = Pager(fetch_page, executor, ApiTraits(ProjectState(known_from=now), now))
        return _page(pager, request, now) if request.is_page else _all_pages(pager, request, now)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def rows(
    project: Mapping[str, str | None], records: Sequence[Record], listed_at: Micros
) -> Iterator[Row]:
    """Yield a row for each record, also for those that a load would reject.

    Args:
        project: the columns of the project.
        records: as the service sent them.
        listed_at: the clock of the reader.
    """
    for record in records:
        yield {**project, **_columns(record, listed_at), "listed_at": listed_at}


def _page(pager: Pager, request: PartRequest, now: Micros) -> Part:
    offset = request.offset or 0
    limit = PAGE_LIMIT if request.limit is None else request.limit
    query = _window(request, now)
    has_times = request.start is not None or request.end is not None
    try:
        is_sweep = request.status == STATUS_RUNNING and not has_times
        first = _sweep(request) if is_sweep else query
        page = pager.fetch_page(first, offset=offset, limit=limit)
    except RequestRefusedError:
        if not is_sweep:
            raise
        page = pager.fetch_page(query, offset=offset, limit=limit)
    return Part(page.records, page.total_count, is_whole=True)


def _all_pages(pager: Pager, request: PartRequest, now: Micros) -> Part:
    query = _window(request, now)
    read = pager.read(query)
    records = {record.identity: record for record in read.records()}
    if not _is_whole(read):
        read = pager.read(query)
        records |= {record.identity: record for record in read.records()}
    total_count = read.total_counts[-1]
    is_whole = _is_whole(read)
    if request.status in {None, STATUS_RUNNING}:
        try:
            sweep = pager.read(_sweep(request))
        except RequestRefusedError:
            pass  # without times: the window has shown what can be listed
        else:
            is_whole = is_whole and _is_whole(sweep)
            hidden = {
                record.identity: record
                for record in sweep.records()
                if record.identity not in records and _is_between(record, query)
            }
            records = hidden | records
    return Part(tuple(records.values()), total_count, is_whole)


def _window(request: PartRequest, now: Micros) -> TaskQuery:
    horizon = LoadSettings(now=now).horizon_window
    return TaskQuery(
        start=horizon.start if request.start is None else request.start,
        end=horizon.end if request.end is None else request.end,
        status=request.status,
        name=request.name,
    )


def _sweep(request: PartRequest) -> TaskQuery:
    return TaskQuery(status=STATUS_RUNNING, name=request.name)


def _is_whole(read: PagedRead) -> bool:
    return read.reached_end and read.is_gapless and not read.is_cut and not read.skipped_count


def _is_between(record: Record, query: TaskQuery) -> bool:
    created_at = created_at_of(record)
    if created_at is None or query.start is None or query.end is None:
        return True
    return query.start <= created_at <= query.end


def _columns(record: Record, now: Micros) -> dict[str, Any]:
    normalised = normalise(record)
    if isinstance(normalised, Task):
        return {**_columns_of_task(normalised, now), "remark": None}
    task = normalise(_completed(record))
    known = _columns_of_task(task, now) if isinstance(task, Task) else dict.fromkeys(_OF_TASK)
    return {
        **known,
        "age_seconds": None,
        "duration_seconds": None,
        "job_id": normalised.job_id,
        "created_at": normalised.created_at,
        "remark": normalised.reason,
    }


def _completed(record: Record) -> Record:
    """Add the fields that a task must have, so that the other fields of a record can be read."""
    if not isinstance(record.fields, dict):
        return record
    required = {"job_id": "unknown", "created_at": "1970-01-01T00:00:00Z"}
    return record._replace(content={**record.fields, **required})


def _columns_of_task(task: Task, now: Micros) -> dict[str, Any]:
    columns = task._asdict()
    return {
        **{name: columns.get(name) for name in _OF_TASK},
        "task_label": _LABELS.get(task.task_name, task.task_name),
        "age_seconds": None if task.is_final else (now - task.created_at) / 1e6,
        "duration_seconds": None if task.duration_ms is None else task.duration_ms / 1000,
    }
