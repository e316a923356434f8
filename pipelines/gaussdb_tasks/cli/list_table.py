"""Listed tasks as rows of a table for people."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from gaussdb_tasks.extract.part import Row
from gaussdb_tasks.model.times import to_datetime

_NAMES: Final = (
    *("change", "project", "status", "task_label", "instance_name", "progress"),
    *("duration_seconds", "typical_seconds", "created_at", "job_id", "fail_reason", "remark"),
)
LONG_TEXTS: Final = ("fail_reason", "remark")
"""Columns whose texts are cut, so that each task is one line."""


def task_rows(rows: Sequence[Row]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Return the columns that have a value, and the rows; the project only if there are several.

    A running task has its age as its duration; one that began in the future, by clocks that
    differ, has 0.
    """
    shown = [_shown(row) for row in rows]
    values = {name: [row[name] for row in shown] for name in _NAMES}
    names = [name for name in _NAMES if _is_telling(name, values[name])] or ["job_id"]
    return names, [[row[name] for name in names] for row in shown]


def with_typical(row: Row, typical_seconds: Mapping[str | None, float]) -> dict[str, Any]:
    """Add the typical duration of the row's kind, if the task runs."""
    runs = row["age_seconds"] is not None
    return {**row, "typical_seconds": typical_seconds.get(row["task_name"]) if runs else None}


def _is_telling(name: str, values: Collection[Any]) -> bool:
    return len(set(values)) > 1 if name == "project" else any(each is not None for each in values)


def _shown(row: Row) -> dict[str, Any]:
    percent, created_at = row["progress_percent"], row["created_at"]
    seconds = row["age_seconds"] if row["duration_seconds"] is None else row["duration_seconds"]
    return {
        "typical_seconds": None,
        "change": None,
        **row,
        "project": row["project_name"] or row["project_id"],
        "progress": None if percent is None else f"{percent:g} %",
        "duration_seconds": None if seconds is None else max(seconds, 0),
        "created_at": None
        if created_at is None
        else f"{to_datetime(created_at):%Y-%m-%d %H:%M:%S}",
    }
