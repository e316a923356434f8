"""From what was seen to Arrow tables: the columns of each table, filled."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from gaussdb_tasks import tables
from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.history import Vanishing, Version
from gaussdb_tasks.instants import DAY, Micros
from gaussdb_tasks.knowledge import ProjectKey
from gaussdb_tasks.normalise import Rejection, Task


def task_versions(
    project: ProjectKey, observed_at: Micros, versions: Sequence[Version]
) -> pa.Table:
    """Build the rows that new states add to ``task_versions``."""
    states = [version.task for version in versions]
    return tables.TASK_VERSIONS.arrow(
        {
            **_project_columns(project, len(versions)),
            **_state_columns(states),
            "version": [version.version for version in versions],
            "observed_at": [observed_at] * len(versions),
            "raw": [task.raw for task in states],
        }
    )


def tasks(project: ProjectKey, observed_at: Micros, versions: Sequence[Version]) -> pa.Table:
    """Build the rows that the states seen by a load write into ``tasks``."""
    return tables.TASKS.arrow(
        {
            **_project_columns(project, len(versions)),
            **_state_columns([version.task for version in versions]),
            "version_count": [version.version for version in versions],
            "first_seen_at": [version.first_seen_at for version in versions],
            "last_changed_at": [version.last_changed_at for version in versions],
            "last_seen_at": [observed_at] * len(versions),
        }
    )


def rejected_records(
    project: ProjectKey, run_id: str, observed_at: Micros, rejections: Sequence[Rejection]
) -> pa.Table:
    """Build the rows that keep records which are no tasks."""
    return tables.REJECTED_RECORDS.arrow_from_rows(
        [
            {
                **project._asdict(),
                "run_id": run_id,
                "observed_at": observed_at,
                **rejection._asdict(),
            }
            for rejection in rejections
        ]
    )


def vanished_tasks(project: ProjectKey, run_id: str, vanishings: Sequence[Vanishing]) -> pa.Table:
    """Build the rows that record deleted records, and those that came back."""
    return tables.VANISHED_TASKS.arrow_from_rows(
        [{**project._asdict(), "run_id": run_id, **vanishing._asdict()} for vanishing in vanishings]
    )


def task_types() -> pa.Table:
    """Build the rows of the documented kinds of task."""
    return tables.TASK_TYPES.arrow_from_rows(
        [
            {"task_name": kind.name, "task_label": kind.label, "category": kind.category}
            for kind in TASK_TYPES
        ]
    )


def _project_columns(project: ProjectKey, length: int) -> Mapping[str, Sequence[Any]]:
    return {"region": [project.region] * length, "project_id": [project.project_id] * length}


def _state_columns(states: Sequence[Task]) -> Mapping[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {
        name: [task[at] for task in states] for at, name in enumerate(Task._fields) if name != "raw"
    }
    columns["created_date"] = [task.created_at // DAY for task in states]
    columns["duration_ms"] = [task.duration_ms for task in states]
    return columns
