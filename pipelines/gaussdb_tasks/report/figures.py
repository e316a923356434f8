"""The figures of the report, as the views return them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from gaussdb_tasks.report.buckets import ReportPeriod


@dataclass(frozen=True, slots=True)
class Listing:
    """The first rows of a list, and the number of all its rows.

    A row has an attribute for each column of its view.
    """

    rows: Sequence[Any]
    total: int

    @classmethod
    def of(cls, rows: Sequence[Any], most: int | None = None) -> Self:
        """Return the first of these rows; all without a limit."""
        return cls(rows[:most], len(rows))


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of the finished tasks of all projects."""

    kind_count: int
    finished_count: int
    failed_count: int
    failure_rate: float | None


@dataclass(frozen=True, slots=True)
class DurationPoint:
    """Durations of the tasks of a kind that were started in a bucket."""

    task_name: str | None
    starts_on: date
    finished_count: int
    p50_seconds: float
    p90_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Failure rate, with 95 % bounds, of the tasks of a kind that were started in a bucket."""

    task_name: str | None
    starts_on: date
    finished_count: int
    failed_count: int
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float


@dataclass(frozen=True, slots=True)
class DurationBin:
    """A bin of the duration histogram of a kind; the last bin has no upper end."""

    task_name: str | None
    from_seconds: float
    to_seconds: float | None
    finished_count: int
    share: float


@dataclass(frozen=True, slots=True)
class CountPoint:
    """The finished tasks of all kinds that were started in a bucket."""

    starts_on: date
    finished_count: int
    failed_count: int


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of task over all time; durations are None if no task has a duration."""

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
class CoverageGap:
    """A time range of a project that no complete load covers."""

    region: str
    project_id: str
    gap_from: datetime
    gap_to: datetime
    is_lost: bool
    gap_seconds: float
    expires_at: datetime | None
    """When its first record expires in the task center."""


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Freshness and completeness of a project's archive."""

    region: str
    project_id: str
    project_name: str | None
    archive_id: str | None
    head_digest: str | None
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


@dataclass(frozen=True, slots=True)
class TaskKindFigures:
    """A kind of task and the data of its plots, in order of time or duration."""

    kind: TaskKind
    durations: Sequence[DurationPoint] = ()
    rates: Sequence[RatePoint] = ()
    bins: Sequence[DurationBin] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a report; the periods are None until a task has finished."""

    totals: Totals
    duration_period: ReportPeriod | None
    rate_period: ReportPeriod | None
    counts: Sequence[CountPoint]
    kinds: Sequence[TaskKindFigures]
    """The frequent kinds, with the data of their plots."""
    rare_kinds: Sequence[TaskKind]
    reasons: Listing
    instances: Listing
    failed_tasks: Listing
    """Those that the last load of their project found failed."""
    overdue_tasks: Listing
    lost_tasks: Listing
    deleted_tasks: Listing
    slow_tasks: Listing
    rejected_records: Listing
    gaps: Sequence[CoverageGap]
    """In order of time."""
    projects: Sequence[ProjectStatus]
    """In order of their names."""
