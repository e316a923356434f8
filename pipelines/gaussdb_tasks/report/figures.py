"""The numbers of the report: read from the views, none of them reckoned anew."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import duckdb

from gaussdb_tasks.database.query import query_errors, views
from gaussdb_tasks.errors import ConfigurationError

MOST_KINDS: Final = 12
MOST_ROWS: Final = 15

_DAYS_SHOWN_BY_DAY: Final = 62
_DAYS_SHOWN_BY_WEEK: Final = 2 * 366
# A rate needs more tasks than a median before it says something.
_DAYS_WITH_DAILY_RATES: Final = 14
_DAYS_WITH_WEEKLY_RATES: Final = 190


class Bucket(Enum):
    """How much time a point of a plot stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def column(self) -> str:
        """The column of the views by this bucket that holds its first day."""
        return "created_date" if self is Bucket.DAY else f"created_{self.value}"


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last bucket that has a finished task, by their first days."""

    bucket: Bucket
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Headline:
    """What the whole archive comes to, over all projects."""

    project_count: int
    task_count: int
    vanished_count: int
    rejected_count: int
    lost_gap_count: int
    open_gap_count: int
    covered_from: datetime | None
    covered_to: datetime | None
    kind_count: int
    finished_count: int
    failed_count: int
    failure_rate: float | None
    running_count: int
    overdue_count: int
    slow_count: int
    reason_count: int


@dataclass(frozen=True, slots=True)
class DurationPoint:
    """How long the tasks of a kind took that were started in a bucket."""

    task_name: str | None
    starts_on: date
    finished_count: int
    p50_seconds: float
    p90_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True)
class RatePoint:
    """How often the tasks of a kind failed that were started in a bucket, with 95 % bounds."""

    task_name: str | None
    starts_on: date
    finished_count: int
    failed_count: int
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float


@dataclass(frozen=True, slots=True)
class Step:
    """How many tasks of a kind took from so long to less than so long."""

    task_name: str | None
    from_seconds: float
    to_seconds: float | None
    finished_count: int
    share: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task, over all time; the measures of durations are null where no task has one."""

    task_name: str | None
    task_label: str | None
    finished_count: int
    failed_count: int
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float
    timed_count: int | None
    min_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    max_seconds: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind of reason for which tasks failed."""

    reason_pattern: str
    failed_count: int
    share: float
    last_failed_at: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class SlowTask:
    """A finished task that took long for its kind."""

    project_id: str
    job_id: str
    task_label: str | None
    instance_name: str | None
    status: str | None
    created_at: datetime
    duration_seconds: float
    typical_seconds: float
    times_typical: float | None


@dataclass(frozen=True, slots=True)
class OverdueTask:
    """A task in flight for longer than is usual for its kind."""

    project_id: str
    job_id: str
    task_label: str | None
    instance_name: str | None
    status: str | None
    created_at: datetime
    age_seconds: float
    typical_seconds: float
    is_lost_from_sight: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of a project that no load has proved read."""

    region: str
    project_id: str
    gap_from: datetime
    gap_to: datetime
    is_lost: bool
    gap_seconds: float


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """How fresh and how whole the record of a project is."""

    region: str
    project_id: str
    last_run_at: datetime
    last_outcome: str
    last_success_at: datetime | None
    covered_from: datetime | None
    covered_to: datetime | None
    gap_count: int
    lost_gap_count: int
    loss_begins_at: datetime | None
    nights_left: int | None
    task_count: int
    open_task_count: int
    vanished_count: int
    rejected_count: int


@dataclass(frozen=True, slots=True)
class KindFigures:
    """What is plotted of a kind."""

    kind: Kind
    durations: Sequence[DurationPoint]
    rates: Sequence[RatePoint]
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Project:
    """A project and its gaps, in order of time."""

    status: ProjectStatus
    gaps: Sequence[Gap]


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers of a report; the periods are null while no task has finished."""

    headline: Headline
    duration_period: Period | None
    rate_period: Period | None
    kinds: Sequence[KindFigures]
    reasons: Sequence[Reason]
    slow_tasks: Sequence[SlowTask]
    overdue_tasks: Sequence[OverdueTask]
    projects: Sequence[Project]


class _OfAKind(Protocol):
    @property
    def task_name(self) -> str | None: ...


_Span: TypeAlias = tuple[date, date]
_Row = TypeVar("_Row")
_Point = TypeVar("_Point", bound=_OfAKind)

_HEADLINE: Final = """
    with statuses as (
        select
            count(*) as project_count,
            coalesce(sum(task_count), 0)::bigint as task_count,
            coalesce(sum(vanished_count), 0)::bigint as vanished_count,
            coalesce(sum(rejected_count), 0)::bigint as rejected_count,
            coalesce(sum(lost_gap_count), 0)::bigint as lost_gap_count,
            coalesce(sum(gap_count - lost_gap_count), 0)::bigint as open_gap_count,
            min(covered_from) as covered_from,
            max(covered_to) as covered_to
        from main.archive_status
    ),

    rates as (
        select
            count(*) as kind_count,
            coalesce(sum(finished_count), 0)::bigint as finished_count,
            coalesce(sum(failed_count), 0)::bigint as failed_count,
            sum(failed_count) / sum(finished_count) as failure_rate
        from main.failure_rates_by_name
    ),

    running as (
        select count(*) as running_count, count(*) filter (where is_overdue) as overdue_count
        from main.running_tasks
    ),

    slow as (select count(*) as slow_count from main.slow_tasks),

    reasons as (select count(*) as reason_count from main.failure_reasons)
"""
_HEADLINE_ROWS: Final = "from statuses, rates, running, slow, reasons"

_MOST_FREQUENT: Final = f"""
    with shown as (
        select *
        from main.failure_rates_by_name
        order by finished_count desc, task_name nulls last
        limit {MOST_KINDS}
    )
"""  # noqa: S608 - a number of our own

_KIND_ROWS: Final = """
    from (
        select
            shown.*,
            durations.finished_count as timed_count,
            durations.min_seconds,
            durations.p50_seconds,
            durations.p95_seconds,
            durations.max_seconds
        from shown
        left join main.task_durations_by_name as durations
            on shown.task_name is not distinct from durations.task_name
    )
    order by finished_count desc, task_name nulls last
"""

_REASON_ROWS: Final = f"""
    from main.failure_reasons
    order by failed_count desc, reason_pattern
    limit {MOST_ROWS}
"""
_SLOW_ROWS: Final = f"""
    from main.slow_tasks
    order by duration_seconds desc, region, project_id, job_id, created_at
    limit {MOST_ROWS}
"""
_OVERDUE_ROWS: Final = f"""
    from main.running_tasks
    where is_overdue
    order by age_seconds desc, region, project_id, job_id, created_at
    limit {MOST_ROWS}
"""
_STATUS_ROWS: Final = "from main.archive_status order by region, project_id"
_GAP_ROWS: Final = "from main.coverage_gaps order by region, project_id, gap_from"

_NEEDED_VIEWS: Final = frozenset({"task_duration_distribution"})
"""Views that databases of older versions lack."""


def read_figures(connection: duckdb.DuckDBPyConnection) -> Figures:
    """Read all numbers of a report over one connection, which sees one night.

    Raises:
        ConfigurationError: the database is of an older version, or DuckDB cannot answer.
    """
    _refuse_older_views(connection)
    with query_errors("report"):
        span = _read_span(connection, Bucket.DAY)
        duration_period = _read_period(connection, duration_bucket, span)
        rate_period = _read_period(connection, rate_bucket, span)
        return Figures(
            headline=_read(connection, Headline, _HEADLINE_ROWS, before=_HEADLINE)[0],
            duration_period=duration_period,
            rate_period=rate_period,
            kinds=_read_kinds(connection, duration_period, rate_period),
            reasons=_read(connection, Reason, _REASON_ROWS),
            slow_tasks=_read(connection, SlowTask, _SLOW_ROWS),
            overdue_tasks=_read(connection, OverdueTask, _OVERDUE_ROWS),
            projects=_read_projects(connection),
        )


def duration_bucket(first: date, last: date) -> Bucket:
    """Choose how much time a point of durations stands for."""
    days = (last - first).days + 1
    if days <= _DAYS_SHOWN_BY_DAY:
        return Bucket.DAY
    return Bucket.WEEK if days <= _DAYS_SHOWN_BY_WEEK else Bucket.MONTH


def rate_bucket(first: date, last: date) -> Bucket:
    """Choose how much time a point of failure rates stands for."""
    days = (last - first).days + 1
    if days <= _DAYS_WITH_DAILY_RATES:
        return Bucket.DAY
    return Bucket.WEEK if days <= _DAYS_WITH_WEEKLY_RATES else Bucket.MONTH


def _refuse_older_views(connection: duckdb.DuckDBPyConnection) -> None:
    missing = _NEEDED_VIEWS.difference(views(connection))
    if missing:
        message = (
            f"the database has no view {', '.join(sorted(missing))}, since an older version "
            "wrote it; run gaussdb-tasks load once, which makes the views anew"
        )
        raise ConfigurationError(message)


def _read_span(connection: duckdb.DuckDBPyConnection, bucket: Bucket) -> _Span | None:
    """Return the first and the last bucket in which a task was started that has finished."""
    sql = f"select min({bucket.column}), max({bucket.column}) from {_view('failure_rates', bucket)}"  # noqa: S608
    first, last = connection.execute(sql).fetchall()[0]
    return None if first is None else (first, last)


def _read_period(
    connection: duckdb.DuckDBPyConnection,
    choose: Callable[[date, date], Bucket],
    span: _Span | None,
) -> Period | None:
    if span is None:
        return None
    bucket = choose(*span)
    buckets = _read_span(connection, bucket)
    return Period(bucket, *(buckets or span))


def _read_kinds(
    connection: duckdb.DuckDBPyConnection,
    duration_period: Period | None,
    rate_period: Period | None,
) -> list[KindFigures]:
    if duration_period is None or rate_period is None:
        return []
    durations = _read_points(connection, DurationPoint, "task_durations", duration_period.bucket)
    rates = _read_points(connection, RatePoint, "failure_rates", rate_period.bucket)
    steps = _by_name(
        _read(
            connection,
            Step,
            _points_of("main.task_duration_distribution") + "order by from_seconds",
            before=_MOST_FREQUENT,
        )
    )
    kinds = _read(connection, Kind, _KIND_ROWS, before=_MOST_FREQUENT)
    return [
        KindFigures(
            kind,
            durations.get(kind.task_name, ()),
            rates.get(kind.task_name, ()),
            steps.get(kind.task_name, ()),
        )
        for kind in kinds
    ]


def _read_points(
    connection: duckdb.DuckDBPyConnection, row_type: type[_Point], measure: str, bucket: Bucket
) -> dict[str | None, list[_Point]]:
    rows = f"{_points_of(_view(measure, bucket))} order by starts_on"
    return _by_name(
        _read(connection, row_type, rows, before=_MOST_FREQUENT, starts_on=bucket.column)
    )


def _points_of(view: str) -> str:
    """Return the rows of a view that are of the most frequent kinds."""
    return f"""
    from {view} as points
    where exists (
        select 1 from shown where shown.task_name is not distinct from points.task_name
    )
    """  # noqa: S608 - the name of a view of our own


def _by_name(points: Iterable[_Point]) -> dict[str | None, list[_Point]]:
    named: dict[str | None, list[_Point]] = {}
    for point in points:
        named.setdefault(point.task_name, []).append(point)
    return named


def _read_projects(connection: duckdb.DuckDBPyConnection) -> list[Project]:
    gaps: dict[tuple[str, str], list[Gap]] = {}
    for gap in _read(connection, Gap, _GAP_ROWS):
        gaps.setdefault((gap.region, gap.project_id), []).append(gap)
    return [
        Project(status, gaps.get((status.region, status.project_id), ()))
        for status in _read(connection, ProjectStatus, _STATUS_ROWS)
    ]


def _read(
    connection: duckdb.DuckDBPyConnection,
    row_type: type[_Row],
    rows: str,
    *,
    before: str = "",
    **columns: str,
) -> list[_Row]:
    """Read rows into a dataclass: its fields are the columns, but for those named otherwise."""
    names = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    selected = ", ".join(f"{columns.get(name, name)} as {name}" for name in names)
    answer: list[Any] = connection.execute(f"{before} select {selected} {rows}").fetchall()
    return [row_type(*values) for values in answer]


def _view(measure: str, bucket: Bucket) -> str:
    return f"main.{measure}_by_{bucket.value}"
