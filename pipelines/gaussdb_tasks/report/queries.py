"""Read the figures of the report from the views; nothing is computed a second time here."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import date
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import duckdb

from gaussdb_tasks.database.query import query_errors, views
from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.report.buckets import Bucket, ReportPeriod, duration_bucket, rate_bucket
from gaussdb_tasks.report.figures import (
    CoverageGap,
    DurationBin,
    DurationPoint,
    FailureReason,
    Figures,
    OverdueTask,
    ProjectFigures,
    ProjectStatus,
    RatePoint,
    SlowTask,
    TaskKind,
    TaskKindFigures,
    Totals,
)

MAX_TASK_KINDS: Final = 12
MAX_ROWS: Final = 15


class _HasTaskName(Protocol):
    @property
    def task_name(self) -> str | None: ...


_Span: TypeAlias = tuple[date, date]
_Row = TypeVar("_Row")
_Point = TypeVar("_Point", bound=_HasTaskName)

_TOTALS: Final = """
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
        select
            count(*) filter (where not is_lost_from_sight) as running_count,
            count(*) filter (where is_overdue) as overdue_count,
            count(*) filter (where is_lost_from_sight) as lost_task_count
        from main.running_tasks
    ),

    slow as (select count(*) as slow_count from main.slow_tasks),

    reasons as (select count(*) as reason_count from main.failure_reasons)
"""
_TOTALS_ROWS: Final = "from statuses, rates, running, slow, reasons"

_MOST_FREQUENT: Final = f"""
    with shown as (
        select *
        from main.failure_rates_by_name
        order by finished_count desc, task_name nulls last
        limit {MAX_TASK_KINDS}
    )
"""  # noqa: S608 - a constant of this module

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
    limit {MAX_ROWS}
"""
_SLOW_ROWS: Final = f"""
    from main.slow_tasks
    order by duration_seconds desc, region, project_id, job_id, created_at
    limit {MAX_ROWS}
"""
_OVERDUE_ROWS: Final = f"""
    from main.running_tasks
    where is_overdue
    order by age_seconds desc, region, project_id, job_id, created_at
    limit {MAX_ROWS}
"""
_STATUS_ROWS: Final = f"from {with_project_name('main.archive_status')} order by region, project_id"
_GAP_ROWS: Final = "from main.coverage_gaps order by region, project_id, gap_from"

_NEEDED_VIEWS: Final = frozenset({"task_duration_distribution"})
"""Views that a database of an older version may not have."""


def read_figures(connection: duckdb.DuckDBPyConnection) -> Figures:
    """Read all figures of a report over one connection, so that all are of the same load.

    Raises:
        ConfigurationError: an older version wrote the database, or a query failed.
    """
    _refuse_older_views(connection)
    with query_errors("report"):
        span = _read_span(connection, Bucket.DAY)
        duration_period = _read_period(connection, duration_bucket, span)
        rate_period = _read_period(connection, rate_bucket, span)
        return Figures(
            totals=_read(connection, Totals, _TOTALS_ROWS, before=_TOTALS)[0],
            duration_period=duration_period,
            rate_period=rate_period,
            kinds=_read_kinds(connection, duration_period, rate_period),
            reasons=_read(connection, FailureReason, _REASON_ROWS),
            slow_tasks=_read(connection, SlowTask, _SLOW_ROWS),
            overdue_tasks=_read(connection, OverdueTask, _OVERDUE_ROWS),
            projects=_read_projects(connection),
        )


def _refuse_older_views(connection: duckdb.DuckDBPyConnection) -> None:
    missing = _NEEDED_VIEWS.difference(views(connection))
    if missing:
        message = (
            f"the database has no view {', '.join(sorted(missing))}; an older version wrote it; "
            "run gaussdb-tasks load once to create the views again"
        )
        raise ConfigurationError(message)


def _read_span(connection: duckdb.DuckDBPyConnection, bucket: Bucket) -> _Span | None:
    """Return the first days of the first and the last bucket with a finished task."""
    sql = f"select min({bucket.column}), max({bucket.column}) from {_view('failure_rates', bucket)}"  # noqa: S608
    first, last = connection.execute(sql).fetchall()[0]
    return None if first is None else (first, last)


def _read_period(
    connection: duckdb.DuckDBPyConnection,
    choose: Callable[[date, date], Bucket],
    span: _Span | None,
) -> ReportPeriod | None:
    if span is None:
        return None
    bucket = choose(*span)
    buckets = _read_span(connection, bucket)
    return ReportPeriod(bucket, *(buckets or span))


def _read_kinds(
    connection: duckdb.DuckDBPyConnection,
    duration_period: ReportPeriod | None,
    rate_period: ReportPeriod | None,
) -> list[TaskKindFigures]:
    if duration_period is None or rate_period is None:
        return []
    durations = _read_points(connection, DurationPoint, "task_durations", duration_period.bucket)
    rates = _read_points(connection, RatePoint, "failure_rates", rate_period.bucket)
    bins = _by_name(
        _read(
            connection,
            DurationBin,
            _points_of("main.task_duration_distribution") + "order by from_seconds",
            before=_MOST_FREQUENT,
        )
    )
    kinds = _read(connection, TaskKind, _KIND_ROWS, before=_MOST_FREQUENT)
    return [
        TaskKindFigures(
            kind,
            durations.get(kind.task_name, ()),
            rates.get(kind.task_name, ()),
            bins.get(kind.task_name, ()),
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
    """Return a FROM clause for the rows of the most frequent kinds."""
    return f"""
    from {view} as points
    where exists (
        select 1 from shown where shown.task_name is not distinct from points.task_name
    )
    """  # noqa: S608 - a view name of this package


def _by_name(points: Iterable[_Point]) -> dict[str | None, list[_Point]]:
    named: dict[str | None, list[_Point]] = {}
    for point in points:
        named.setdefault(point.task_name, []).append(point)
    return named


def _read_projects(connection: duckdb.DuckDBPyConnection) -> list[ProjectFigures]:
    gaps: dict[tuple[str, str], list[CoverageGap]] = {}
    for gap in _read(connection, CoverageGap, _GAP_ROWS):
        gaps.setdefault((gap.region, gap.project_id), []).append(gap)
    return [
        ProjectFigures(status, gaps.get((status.region, status.project_id), ()))
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
    """Read rows into a dataclass; its fields are the columns, unless ``columns`` renames them."""
    names = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    selected = ", ".join(f"{columns.get(name, name)} as {name}" for name in names)
    answer: list[Any] = connection.execute(f"{before} select {selected} {rows}").fetchall()
    return [row_type(*values) for values in answer]


def _view(measure: str, bucket: Bucket) -> str:
    return f"main.{measure}_by_{bucket.value}"
