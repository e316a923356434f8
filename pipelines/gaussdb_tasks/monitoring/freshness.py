"""Read how fresh each project of the archive is, and compare it with thresholds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from gaussdb_tasks.database.query import run_query
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.model import times
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.times import HOUR, SECOND, Micros

# The columns are those of ProjectFreshness, then the digest of the archive's newest entry.
_STATUS: Final = f"""
    select
        status.region,
        status.project_id,
        status.project_name,
        epoch_us(status.last_success_at) as last_success_at,
        epoch_us(status.loss_begins_at) - loads.horizon_ms * 1000 as uncovered_since,
        status.nights_left,
        status.gap_count,
        status.lost_gap_count,
        status.rejected_count,
        status.open_task_count,
        status.task_count,
        status.head_digest
    from {with_project_name("main.archive_status")} as status
    left join main.last_loads as loads using (region, project_id)
    order by all
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class ProjectFreshness:
    """The freshness and the counts of one project at the time of a query."""

    key: ProjectKey
    name: str | None
    last_success_at: Micros | None
    """None if no load was ever complete."""
    uncovered_since: Micros | None
    """The earliest time that the task center still shows and no load has covered."""
    nights_left: int | None
    """Whole days until uncovered time is lost; 0 from the last day on."""
    gap_count: int
    lost_gap_count: int
    rejected_count: int
    open_task_count: int
    task_count: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """The freshness of all projects at the time of a query."""

    now: Micros
    projects: tuple[ProjectFreshness, ...]
    head_digest: str | None


def read_freshness(databases: Sequence[Path], now: Micros | None) -> Freshness:
    """Read the freshness of one or several published databases.

    Raises:
        ConfigurationError: there is no database, or one does not fit the others.
        DatabaseError: a database cannot be read.
    """
    with open_together(databases, now) as connection:
        rows = run_query(connection, _STATUS).fetchall()
    projects = tuple(
        ProjectFreshness(ProjectKey(region, project_id), *values)
        for region, project_id, *values, _head_digest in rows
    )
    head_digest = rows[0][-1] if rows else None
    return Freshness(times.now() if now is None else now, projects, head_digest)


class Alarm(IntEnum):
    """The severity of a state; the numbers are the usual exit codes of monitoring plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits for the hours since the last complete load and the nights until loss."""

    warning_hours: float
    critical_hours: float
    warning_nights: int
    critical_nights: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The severity of a project's state, and the reasons for it."""

    project: ProjectFreshness
    alarm: Alarm
    reasons: tuple[str, ...]


def judge(freshness: Freshness, thresholds: Thresholds) -> Sequence[Judgement]:
    """Compare every project with the thresholds."""
    return [_judge(project, freshness.now, thresholds) for project in freshness.projects]


def _judge(project: ProjectFreshness, now: Micros, thresholds: Thresholds) -> Judgement:
    found = list(alarms(project.last_success_at, project.nights_left, now, thresholds))
    worst = max((alarm for alarm, _ in found), default=Alarm.OK)
    return Judgement(project, worst, tuple(reason for _, reason in found))


def alarms(
    last_success_at: Micros | None, nights_left: int | None, now: Micros, thresholds: Thresholds
) -> Iterator[tuple[Alarm, str]]:
    """Yield each threshold that a project reaches, in words."""
    if last_success_at is None:
        yield Alarm.CRITICAL, "no load was ever complete"
    else:
        hours = (now - last_success_at) / HOUR
        if hours >= thresholds.warning_hours:
            is_critical = hours >= thresholds.critical_hours
            alarm = Alarm.CRITICAL if is_critical else Alarm.WARNING
            yield alarm, f"the last complete load was {hours:.0f} hours ago"
    if nights_left is not None and nights_left <= thresholds.warning_nights:
        alarm = Alarm.CRITICAL if nights_left <= thresholds.critical_nights else Alarm.WARNING
        left = "1 night is" if nights_left == 1 else f"{nights_left} nights are"
        yield alarm, f"{left} left until uncovered time is lost"


def age_seconds(since: Micros | None, now: Micros) -> float | None:
    """Return the seconds from a time until now, at least 0; None if there is no time."""
    return None if since is None else max(now - since, 0) / SECOND
