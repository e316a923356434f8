"""The status of each project in a few lines."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gaussdb_tasks.cli.table import in_words


def status_lines(projects: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """Yield the lines of all projects, rows of ``archive_status``; then the archive's head."""
    for project in projects:
        yield from _project_lines(project, now)
        yield ""
    head = next((project["head_digest"] for project in projects), None)
    yield f"archive head: {head or 'none, there is no archive'}" if projects else "no project yet"


def _project_lines(project: Mapping[str, Any], now: datetime) -> Iterator[str]:
    name, project_id, region = (project[key] for key in ("project_name", "project_id", "region"))
    yield f"project {name} ({project_id}, {region})" if name else f"project {project_id} ({region})"
    yield f"  last load  {_ago(project['last_run_at'], now)}, {project['last_outcome']}"
    if project["last_success_at"] is None:
        yield "  complete   never"
    elif project["last_success_at"] != project["last_run_at"]:
        yield f"  complete   {_ago(project['last_success_at'], now)}"
    if project["covered_from"] is None:
        yield "  covered    nothing"
    else:
        yield f"  covered    {project['covered_from']} to {project['covered_to']}, {_gaps(project)}"
    if project["loss_begins_at"] is not None:
        nights = _counted(project["nights_left"], "night")
        yield f"  data loss  begins {project['loss_begins_at']}; {nights} left"
    yield f"  tasks      {_tasks(project)}"


def _ago(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    return f"{at} ({in_words(seconds)} ago)" if seconds >= 0 else f"{at} (in the future)"


def _gaps(project: Mapping[str, Any]) -> str:
    if not project["gap_count"]:
        return "no gaps"
    return f"{_counted(project['gap_count'], 'gap')}, {project['lost_gap_count']:,} lost for good"


def _tasks(project: Mapping[str, Any]) -> str:
    counts = {
        "in flight": project["open_task_count"],
        "lost from sight": project.get("lost_task_count"),
        "deleted in the task center": project["vanished_count"],
        "rejected records": project["rejected_count"],
    }
    parts = (f"{count:,} {what}" for what, count in counts.items() if count is not None)
    return f"{project['task_count']:,}; {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
