"""The figures of the report, as the views return them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gaussdb_tasks.report.buckets import ReportPeriod


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of the archive over all projects."""

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
    lost_task_count: int
    slow_count: int
    reason_count: int


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
class SlowTask:
    """A finished task that took longer than is typical of its kind."""

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
    """A task in flight that is older than is typical of its kind."""

    project_id: str
    job_id: str
    task_label: str | None
    instance_name: str | None
    status: str | None
    created_at: datetime
    age_seconds: float
    typical_seconds: float


@dataclass(frozen=True, slots=True)
class CoverageGap:
    """A time range of a project that no complete load covers."""

    region: str
    project_id: str
    gap_from: datetime
    gap_to: datetime
    is_lost: bool
    gap_seconds: float


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Freshness and completeness of a project's archive."""

    region: str
    project_id: str
    project_name: str | None
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
class TaskKindFigures:
    """A kind of task and the data of its plots, in order of time or duration."""

    kind: TaskKind
    durations: Sequence[DurationPoint]
    rates: Sequence[RatePoint]
    bins: Sequence[DurationBin]


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """A project and its gaps, in order of time."""

    status: ProjectStatus
    gaps: Sequence[CoverageGap]


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a report; the periods are None until a task has finished."""

    totals: Totals
    duration_period: ReportPeriod | None
    rate_period: ReportPeriod | None
    kinds: Sequence[TaskKindFigures]
    reasons: Sequence[FailureReason]
    slow_tasks: Sequence[SlowTask]
    overdue_tasks: Sequence[OverdueTask]
    projects: Sequence[ProjectFigures]
