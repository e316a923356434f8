"""How fresh the archive is, project by project, and whether that is worth waking somebody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Final

from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.model import times
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.times import HOUR, SECOND, Micros

_STATUS: Final = """
    select
        status.region,
        status.project_id,
        status.last_success_at,
        status.loss_begins_at,
        loads.horizon_ms,
        status.nights_left,
        status.gap_count,
        status.lost_gap_count,
        status.rejected_count,
        status.open_task_count,
        status.task_count,
        status.head_digest
    from main.archive_status as status
    inner join main.last_loads as loads using (region, project_id)
    order by all
"""


@dataclass(frozen=True, slots=True)
class ProjectFreshness:
    """What the archive holds of a project, seen from now; None: never."""

    key: ProjectKey
    last_success_at: Micros | None
    unkept_since: Micros | None
    """The oldest instant that the task center still shows and no load has covered."""
    nights_left: int | None
    gap_count: int
    lost_gap_count: int
    rejected_count: int
    open_task_count: int
    task_count: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the archive holds, seen from now."""

    now: Micros
    projects: tuple[ProjectFreshness, ...]
    head_digest: str | None


def read_freshness(database: Path, now: Micros | None) -> Freshness:
    """Read how fresh a published database is.

    Raises:
        ConfigurationError: there is none.
        DatabaseError: it cannot be read.
    """
    with open_for_queries(database, now) as connection:
        rows = run_query(connection, _STATUS).fetchall()
    projects = tuple(
        ProjectFreshness(
            key=ProjectKey(region, project_id),
            last_success_at=_micros(last_success_at),
            unkept_since=(
                None if loss_begins_at is None else times.from_datetime(loss_begins_at) - horizon
            ),
            nights_left=nights_left,
            gap_count=gap_count,
            lost_gap_count=lost_gap_count,
            rejected_count=rejected_count,
            open_task_count=open_task_count,
            task_count=task_count,
        )
        for (
            region,
            project_id,
            last_success_at,
            loss_begins_at,
            horizon_ms,
            nights_left,
            gap_count,
            lost_gap_count,
            rejected_count,
            open_task_count,
            task_count,
            _head,
        ) in rows
        for horizon in [horizon_ms * 1000]
    )
    head = rows[0][-1] if rows else None
    return Freshness(times.now() if now is None else now, projects, head)


def _micros(value: datetime | None) -> Micros | None:
    return None if value is None else times.from_datetime(value)


class Alarm(IntEnum):
    """How much it matters; the numbers are the exit codes that monitoring systems agree on."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something matters: hours since the last whole load, nights until loss."""

    warning_hours: float
    critical_hours: float
    warning_nights: int
    critical_nights: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a project is, and why."""

    project: ProjectFreshness
    alarm: Alarm
    reasons: tuple[str, ...]


def judge(freshness: Freshness, thresholds: Thresholds) -> Sequence[Judgement]:
    """Hold every project against the thresholds."""
    return [_judge(project, freshness.now, thresholds) for project in freshness.projects]


def _judge(project: ProjectFreshness, now: Micros, thresholds: Thresholds) -> Judgement:
    found = list(_alarms(project, now, thresholds))
    worst = max((alarm for alarm, _ in found), default=Alarm.OK)
    return Judgement(project, worst, tuple(reason for _, reason in found))


def _alarms(
    project: ProjectFreshness, now: Micros, thresholds: Thresholds
) -> Iterator[tuple[Alarm, str]]:
    if project.last_success_at is None:
        yield Alarm.CRITICAL, "no load of it was ever complete"
    else:
        hours = (now - project.last_success_at) / HOUR
        if hours >= thresholds.warning_hours:
            is_critical = hours >= thresholds.critical_hours
            alarm = Alarm.CRITICAL if is_critical else Alarm.WARNING
            yield alarm, f"the last complete load was {hours:.0f} hours ago"
    nights = project.nights_left
    if nights is not None and nights <= thresholds.warning_nights:
        alarm = Alarm.CRITICAL if nights <= thresholds.critical_nights else Alarm.WARNING
        yield alarm, f"{nights} nights are left until something is lost"


def age_seconds(since: Micros | None, now: Micros) -> float | None:
    """Return how long ago something was; None if it never was."""
    return None if since is None else max(now - since, 0) / SECOND
