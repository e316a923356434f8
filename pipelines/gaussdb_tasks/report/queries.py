"""Read the figures of the report from the views; nothing is computed a second time here."""

from collections.abc import Iterable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import duckdb

from gaussdb_tasks.database.query import query_errors, views
from gaussdb_tasks.database.upgrades import with_project_name, with_text_column
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.report.buckets import (
    Bucket,
    ReportPeriod,
    duration_bucket,
    rate_bucket,
    report_period,
)
from gaussdb_tasks.report.figures import (
    CountPoint,
    CoverageGap,
    DurationBin,
    DurationPoint,
    Figures,
    Listing,
    ProjectStatus,
    RatePoint,
    TaskKind,
    TaskKindFigures,
    Totals,
)

MAX_TASK_KINDS: Final = 6
MIN_TASKS: Final = 20
"""A kind with fewer finished tasks has no plots: 95 % of them are hardly a percentile."""
MAX_RARE_KINDS: Final = 50
MAX_ROWS: Final = 30
MAX_REASONS: Final = 5

_Row = TypeVar("_Row")

_READ_ONCE: Final = f"""
    create or replace temporary table kinds as
    select
        rates.*,
        durations.finished_count as timed_count,
        durations.min_seconds,
        durations.p50_seconds,
        durations.p95_seconds,
        durations.max_seconds,
        row_number() over (
            order by rates.finished_count desc, rates.task_name nulls last
        ) as place
    from main.failure_rates_by_name as rates
    left join main.task_durations_by_name as durations
        on rates.task_name is not distinct from durations.task_name;

    create or replace temporary view frequent_kinds as
    from temp.kinds
    where place <= {MAX_TASK_KINDS} and (place = 1 or finished_count >= {MIN_TASKS});

    create or replace temporary table running as
    from main.running_tasks
"""  # noqa: S608 - constants of this module
"""Rows that several figures need: the views compute them from all tasks."""

_TOTALS: Final = """
    from (
        select
            count(*) as kind_count,
            coalesce(sum(finished_count), 0)::bigint as finished_count,
            coalesce(sum(failed_count), 0)::bigint as failed_count,
            sum(failed_count) / sum(finished_count) as failure_rate
        from temp.kinds
    )
"""
_FREQUENT: Final = "from temp.frequent_kinds order by place"
_RARE: Final = f"""
    from temp.kinds
    anti join temp.frequent_kinds using (place)
    order by place
    limit {MAX_RARE_KINDS}
"""

_REASONS: Final = "from main.failure_reasons order by failed_count desc, reason_pattern"
_FAILED: Final = "from main.nightly_changes where is_failed order by created_at desc, job_id"
_OVERDUE: Final = """
    from temp.running
    where is_overdue
    order by age_seconds desc, region, project_id, job_id, created_at
"""
_LOST: Final = """
    from temp.running
    where is_lost_from_sight
    order by last_seen_at desc, region, project_id, job_id, created_at
"""
_DELETED: Final = """
    from main.tasks
    where vanished_at is not null
    order by vanished_at desc, created_at desc, region, project_id, job_id
"""
_SLOW: Final = """
    from main.slow_tasks
    order by duration_seconds desc, region, project_id, job_id, created_at
"""
_REJECTED: Final = """
    from task_center.rejected_records
    order by observed_at desc, region, project_id, record_hash
"""
_INSTANCES: Final = f"""
    with patterns as (
        select
            region, project_id, instance_id, reason_pattern,
            count(*) as pattern_count,
            max(failed_at) as last_failed_at
        from main.failed_tasks
        group by all
    ),

    reasons as (
        select
            region, project_id, instance_id,
            max(last_failed_at) as last_failed_at,
            count(*) as reason_count,
            list((reason_pattern, pattern_count) order by pattern_count desc, reason_pattern)
            [:{MAX_REASONS}] as reasons
        from patterns
        group by all
    )

    from (
        select rates.*, reasons.last_failed_at, reasons.reason_count, reasons.reasons
        from main.failure_rates_by_instance as rates
        inner join reasons
            on
                rates.region = reasons.region
                and rates.project_id = reasons.project_id
                and rates.instance_id is not distinct from reasons.instance_id
    )
    order by failed_count desc, failure_rate desc, region, project_id, instance_id
"""  # noqa: S608 - constants of this module

_STATUSES: Final = f"""
    from {with_text_column(with_project_name("main.archive_status"), "archive_id")}
    order by coalesce(project_name, project_id), region, project_id
"""
_GAPS: Final = """
    from (
        select
            gaps.*,
            gaps.gap_from + (loads.observed_at - loads.horizon_from) as expires_at
        from main.coverage_gaps as gaps
        left join main.last_loads as loads using (region, project_id)
    )
    order by gap_from, region, project_id
"""

_NEEDED_VIEWS: Final = frozenset({"task_duration_distribution", "failed_tasks", "nightly_changes"})
"""Views that a database of an older version may not have."""


def read_figures(connection: duckdb.DuckDBPyConnection) -> Figures:
    """Read all figures of a report over one connection, so that all are of the same load.

    Raises:
        ConfigurationError: an older version wrote the database, or a query failed.
    """
    _refuse_older_views(connection)
    with query_errors("report"):
        connection.execute(_READ_ONCE)
        duration_period, rate_period = _read_periods(connection)
        (totals,) = _read(connection, Totals, _TOTALS)
        return Figures(
            totals=totals,
            duration_period=duration_period,
            rate_period=rate_period,
            counts=_read_counts(connection, duration_period),
            kinds=_read_kinds(connection, duration_period, rate_period),
            rare_kinds=_read(connection, TaskKind, _RARE),
            reasons=_read_listing(connection, _REASONS),
            instances=_read_listing(connection, _INSTANCES),
            failed_tasks=_read_listing(connection, _FAILED),
            overdue_tasks=_read_listing(connection, _OVERDUE),
            lost_tasks=_read_listing(connection, _LOST),
            deleted_tasks=_read_listing(connection, _DELETED),
            slow_tasks=_read_listing(connection, _SLOW),
            rejected_records=_read_listing(connection, _REJECTED),
            gaps=_read(connection, CoverageGap, _GAPS),
            projects=_read(connection, ProjectStatus, _STATUSES),
        )


def _refuse_older_views(connection: duckdb.DuckDBPyConnection) -> None:
    missing = _NEEDED_VIEWS.difference(views(connection))
    if missing:
        message = (
            f"the database has no view {', '.join(sorted(missing))}; an older version wrote it; "
            "run gaussdb-tasks load once to create the views again"
        )
        raise ConfigurationError(message)


def _read_periods(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[ReportPeriod | None, ReportPeriod | None]:
    """Return the time axes of durations and of failure rates; None without a finished task."""
    sql = "select min(created_date), max(created_date) from main.failure_rates_by_day"
    first, last = connection.execute(sql).fetchall()[0]
    if first is None:
        return None, None
    buckets = duration_bucket(first, last), rate_bucket(first, last)
    durations, rates = (report_period(bucket, first, last) for bucket in buckets)
    return durations, rates


def _read_counts(
    connection: duckdb.DuckDBPyConnection, period: ReportPeriod | None
) -> list[CountPoint]:
    if period is None:
        return []
    rows = f"""
        from (
            select
                {period.bucket.column} as starts_on,
                sum(finished_count)::bigint as finished_count,
                sum(failed_count)::bigint as failed_count
            from {_view("failure_rates", period.bucket)}
            where {period.bucket.column} >= date '{period.first}'
            group by 1
        )
        order by starts_on
    """  # noqa: S608 - names of this package
    return _read(connection, CountPoint, rows)


def _read_kinds(
    connection: duckdb.DuckDBPyConnection,
    duration_period: ReportPeriod | None,
    rate_period: ReportPeriod | None,
) -> list[TaskKindFigures]:
    if duration_period is None or rate_period is None:
        return []
    durations = _read_points(connection, DurationPoint, "task_durations", duration_period)
    rates = _read_points(connection, RatePoint, "failure_rates", rate_period)
    bins = _by_name(
        _read(
            connection,
            DurationBin,
            _points_of("main.task_duration_distribution") + "order by from_seconds",
        )
    )
    kinds = _read(connection, TaskKind, _FREQUENT)
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
    connection: duckdb.DuckDBPyConnection,
    row_type: type[_Row],
    measure: str,
    period: ReportPeriod,
) -> dict[str | None, list[_Row]]:
    column = period.bucket.column
    points = _points_of(_view(measure, period.bucket))
    rows = f"{points} and {column} >= date '{period.first}' order by starts_on"
    return _by_name(_read(connection, row_type, rows, starts_on=column))


def _points_of(view: str) -> str:
    """Return a FROM clause for the rows of the frequent kinds."""
    return f"""
    from {view} as points
    where exists (
        select 1 from temp.frequent_kinds as kinds
        where kinds.task_name is not distinct from points.task_name
    )
    """  # noqa: S608 - a view name of this package


def _by_name(points: Iterable[Any]) -> dict[str | None, list[Any]]:
    named: dict[str | None, list[Any]] = {}
    for point in points:
        named.setdefault(point.task_name, []).append(point)
    return named


def _read_listing(connection: duckdb.DuckDBPyConnection, rows: str) -> Listing:
    cursor = connection.execute(
        f"select *, count(*) over () as total_count from ({rows}) limit {MAX_ROWS}"  # noqa: S608
    )
    names = [name for name, *_ in cursor.description or ()]
    found = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    return Listing(found, found[0].total_count if found else 0)


def _read(
    connection: duckdb.DuckDBPyConnection,
    row_type: type[_Row],
    rows: str,
    **columns: str,
) -> list[_Row]:
    """Read rows into a dataclass; its fields are the columns, unless ``columns`` renames them."""
    names = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    selected = ", ".join(f"{columns.get(name, name)} as {name}" for name in names)
    answer: list[Any] = connection.execute(f"select {selected} {rows}").fetchall()
    return [row_type(*values) for values in answer]


def _view(measure: str, bucket: Bucket) -> str:
    return f"main.{measure}_by_{bucket.value}"
