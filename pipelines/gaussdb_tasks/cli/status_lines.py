"""The status of each project in a few lines."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gaussdb_tasks.cli.table import in_words


def status_lines(projects: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """Yield the lines of all projects, rows of ``archive_status``; then each archive's head."""
    for project in projects:
        yield from _project_lines(project, now)
        yield ""
    if not projects:
        yield "no project yet"
    # A database of an older version has no ids of archives.
    heads = {project.get("archive_id"): project["head_digest"] for project in projects}
    for archive_id, head in heads.items():
        identity = f" of archive {archive_id or 'unknown'}" if len(heads) > 1 else ""
        yield f"archive head {head or 'unknown'}{identity}"


def _project_lines(project: Mapping[str, Any], now: datetime) -> Iterator[str]:
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
        yield f"  covered    {start} to {end}, {_gaps(project)}"
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


def _gaps(project: Mapping[str, Any]) -> str:
    if not project["gap_count"]:
        return "no gaps"
    return f"{_counted(project['gap_count'], 'gap')}, {project['lost_gap_count']:,} lost"


def _task_lines(project: Mapping[str, Any]) -> Iterator[str]:
    """Yield the counts; a database of an older version has no count of lost tasks."""
    lost = project.get("lost_task_count")
    counted = f"{project['task_count']:,}, {project['open_task_count']:,} in flight"
    yield f"  tasks      {counted}{f', {lost:,} lost from sight' if lost else ''}"
    others = {"deleted in the task center": "vanished_count", "rejected": "rejected_count"}
    parts = [f"{project[count]:,} {what}" for what, count in others.items() if project[count]]
    if parts:
        yield f"             {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
