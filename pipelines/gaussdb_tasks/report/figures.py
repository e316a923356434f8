"""The figures of the report, as the views return them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from gaussdb_tasks.report.buckets import ReportPeriod

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Listing(Generic[_Row]):
    """The first rows of a list, and the number of all its rows."""

    rows: Sequence[_Row] = ()
    total: int = 0


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
class FailureReason:
    """A masked failure reason and the tasks that failed with it."""

    reason_pattern: str
    failed_count: int
    share: float
    last_failed_at: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class FailingInstance:
    """An instance with failed tasks: its failure rate, with 95 % bounds, and its reasons."""

    region: str
    project_id: str
    instance_id: str | None
    instance_name: str | None
    finished_count: int
    failed_count: int
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float
    last_failed_at: datetime
    reasons: Sequence[tuple[str, int]]
    """The most frequent patterns, each with its number of failed tasks."""
    reason_count: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A task or rejected record of a list; a column that its view lacks is None."""

    region: str
    project_id: str
    job_id: str | None
    created_at: datetime | None
    task_label: str | None = None
    instance_name: str | None = None
    status: str | None = None
    fail_reason: str | None = None
    duration_seconds: float | None = None
    typical_seconds: float | None = None
    times_typical: float | None = None
    age_seconds: float | None = None
    last_seen_at: datetime | None = None
    vanished_at: datetime | None = None
    observed_at: datetime | None = None
    reason: str | None = None
    """Why a record was rejected."""


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
    reasons: Listing[FailureReason]
    instances: Listing[FailingInstance]
    failed_tasks: Listing[Listed]
    """Those that the last load of their project found failed."""
    overdue_tasks: Listing[Listed]
    lost_tasks: Listing[Listed]
    deleted_tasks: Listing[Listed]
    slow_tasks: Listing[Listed]
    rejected_records: Listing[Listed]
    gaps: Sequence[CoverageGap]
    """In order of time."""
    projects: Sequence[ProjectStatus]
    """In order of their names."""
