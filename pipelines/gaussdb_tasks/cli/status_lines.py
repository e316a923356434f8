"""The status of each project in a few lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from gaussdb_tasks.cli.table import in_words
from gaussdb_tasks.model.times import from_datetime
from gaussdb_tasks.monitoring.freshness import Alarm, Thresholds, alarms
from gaussdb_tasks.report.formatting import SPACE, counted

MAX_PROJECTS: Final = 20
"""Of more projects, only those that need attention are shown, and at most this many."""

Row: TypeAlias = Mapping[str, Any]
"""A row of ``archive_status``."""


@dataclass(frozen=True, slots=True)
class StatusPart:
    """The projects that are shown, and the others.

    Attributes:
        urgent: others that need attention, too.
        rest: others that do not.
    """

    shown: Sequence[Row]
    urgent: Sequence[Row] = ()
    rest: Sequence[Row] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all projects are shown."""
        return not self.urgent and not self.rest


def part_of(projects: Sequence[Row], now: datetime, thresholds: Thresholds) -> StatusPart:
    """Choose the projects to show: all of a few; of many, the worst of those that need attention.

    A project needs attention if its last load was not complete, or if a threshold is reached.
    """
    if len(projects) <= MAX_PROJECTS:
        return StatusPart(projects)
    urgent, rest = list[tuple[Alarm, Row]](), list[Row]()
    for project in projects:
        alarm = _alarm(project, now, thresholds)
        if alarm is Alarm.OK:
            rest.append(project)
        else:
            urgent.append((alarm, project))
    urgent.sort(key=lambda each: (-each[0], each[1]["nights_left"] or 0))
    worst_first = [project for _, project in urgent]
    return StatusPart(worst_first[:MAX_PROJECTS], worst_first[MAX_PROJECTS:], rest)


def _alarm(project: Row, now: datetime, thresholds: Thresholds) -> Alarm:
    success = project["last_success_at"]
    reached = alarms(
        None if success is None else from_datetime(success),
        project["nights_left"],
        from_datetime(now),
        thresholds,
    )
    default = Alarm.OK if project["last_outcome"] == "complete" else Alarm.WARNING
    return max((alarm for alarm, _ in reached), default=default)


def status_lines(part: StatusPart, now: datetime) -> Iterator[str]:
    """Yield the lines of the shown projects, of the others together, and of the archive's head."""
    for project in part.shown:
        yield from _project_lines(project, now)
        yield ""
    if part.urgent:
        yield f"{len(part.urgent):,} more projects need attention; show them with --all"
    if part.rest:
        yield from _lines_of_rest(part)
    projects = [*part.shown, *part.urgent, *part.rest]
    if not projects:
        yield "no project yet"
    # A database of an older version has no ids of archives.
    heads = {project.get("archive_id"): project["head_digest"] for project in projects}
    for archive_id, head in heads.items():
        identity = f" of archive {archive_id or 'unknown'}" if len(heads) > 1 else ""
        yield f"archive head {head or 'unknown'}{identity}"


def _lines_of_rest(part: StatusPart) -> Iterator[str]:
    others = "other projects" if part.shown else "projects"
    counts = ("gap_count", "lost_gap_count", "task_count", "open_task_count")
    gaps, lost, tasks, in_flight = (sum(row[count] for row in part.rest) for count in counts)
    covered_to = min((row["covered_to"] for row in part.rest if row["covered_to"]), default=None)
    covered = "nothing" if covered_to is None else f"to {_minute(covered_to)} or later"
    yield f"{len(part.rest):,} {others}: the last load of each was complete; show them with --all"
    yield f"  covered    {covered}, {_gaps(gaps, lost)}"
    yield f"  tasks      {tasks:,}, {in_flight:,} in flight"
    yield ""


def _project_lines(project: Row, now: datetime) -> Iterator[str]:
    name, project_id, region = (project[key] for key in ("project_name", "project_id", "region"))
    yield f"project {name or project_id}"
    yield f"  region     {region}"
    if name:
        yield f"  id         {project_id}"
    yield f"  last load  {_ago(project['last_run_at'], now)}, {project['last_outcome']}"
    if project["last_success_at"] is None:
        yield "  complete   never"
    elif project["last_success_at"] != project["last_run_at"]:
        yield f"  complete   {_ago(project['last_success_at'], now)}"
    if project["covered_from"] is None:
        yield "  covered    nothing"
    else:
        start, end = _minute(project["covered_from"]), _minute(project["covered_to"])
        gaps = _gaps(project["gap_count"], project["lost_gap_count"])
        yield f"  covered    {start} to {end}, {gaps}"
    if project["loss_begins_at"] is not None:
        nights = _counted(project["nights_left"], "night")
        yield f"  data loss  begins {_minute(project['loss_begins_at'])}, {nights} left"
    yield from _task_lines(project)


def _ago(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    when = f"{in_words(seconds)} ago" if seconds >= 0 else "in the future"
    return f"{_minute(at)} ({when})"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _gaps(count: int, lost_count: int) -> str:
    return f"{_counted(count, 'gap')}, {lost_count:,} lost" if count else "no gaps"


def _task_lines(project: Row) -> Iterator[str]:
    """Yield the counts; a database of an older version has no count of lost tasks."""
    lost = project.get("lost_task_count")
    counts = f"{project['task_count']:,}, {project['open_task_count']:,} in flight"
    yield f"  tasks      {counts}{f', {lost:,} lost from sight' if lost else ''}"
    others = {"deleted in the task center": "vanished_count", "rejected": "rejected_count"}
    parts = [f"{project[count]:,} {what}" for what, count in others.items() if project[count]]
    if parts:
        yield f"             {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return counted(number, noun).replace(SPACE, " ")
