"""Build the Arrow tables of a load from the observed tasks."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.extract.change_detection import TaskChange, Vanishing, Version
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY, Micros


def states(
    project: ProjectKey, observed_at: Micros, versions: Sequence[Version]
) -> tuple[pa.Table, pa.Table]:
    """Build the rows of ``tasks`` and ``task_versions``, in this order, from observed states.

    A state that was only confirmed gives a row in ``tasks`` and none in ``task_versions``.
    """
    observed = [version.task for version in versions]
    columns: dict[str, Any] = {
        name: tables.TASK_VERSIONS.array(name, [task[at] for task in observed])
        for at, name in enumerate(Task._fields)
        if name != "is_final"
    }
    number = pa.array([version.version for version in versions], pa.int64())
    columns |= {
        **{name: pa.repeat(value, len(observed)) for name, value in project._asdict().items()},
        "created_date": [task.created_at // DAY for task in observed],
        "version": number,
        "version_count": number,
        "first_seen_at": [version.first_seen_at for version in versions],
        "last_changed_at": [version.last_changed_at for version in versions],
        "last_seen_at": [observed_at] * len(observed),
        "observed_at": [observed_at] * len(observed),
    }
    is_new = [version.change is not TaskChange.CONFIRMED for version in versions]
    new_states = tables.TASK_VERSIONS.arrow(columns)
    return (
        tables.TASKS.arrow(columns),
        new_states if all(is_new) else new_states.filter(pa.array(is_new)),
    )


def rejected_records(
    project: ProjectKey, run_id: str, observed_at: Micros, rejections: Sequence[Rejection]
) -> pa.Table:
    """Build the rows of ``rejected_records``."""
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
    """Build the rows of ``vanished_tasks``: deleted tasks, and tasks that are listed again."""
    return tables.VANISHED_TASKS.arrow_from_rows(
        [{**project._asdict(), "run_id": run_id, **vanishing._asdict()} for vanishing in vanishings]
    )


def task_types() -> pa.Table:
    """Build the rows of ``task_types``."""
    return tables.TASK_TYPES.arrow_from_rows(
        [
            {"task_name": kind.name, "task_label": kind.label, "category": kind.category}
            for kind in TASK_TYPES
        ]
    )
