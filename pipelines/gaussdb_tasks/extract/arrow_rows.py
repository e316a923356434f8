"""Build the Arrow tables of a load from the observed tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import pyarrow as pa

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.extract.change_detection import TaskChange, Vanishing, Version
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.task_columns import TaskColumns
from gaussdb_tasks.model.times import Micros

_BATCH_BYTES: Final = 16 * 1024 * 1024
_STATE_TYPES: Final = {
    column.name: column.arrow_type
    for column in (*tables.TASK_VERSIONS.columns, *tables.TASKS.columns)
}

_Values: TypeAlias = "Sequence[Any] | pa.Array[Any]"


def states(
    project: ProjectKey, observed_at: Micros, versions: Sequence[Version]
) -> tuple[pa.Table, pa.Table]:
    """Build the rows of ``tasks`` and ``task_versions``, in this order, from observed states.

    A state that was only confirmed gives a row in ``tasks`` and none in ``task_versions``.
    """
    observed = [version.task for version in versions]
    columns: dict[str, _Values] = {
        name: [task[at] for task in observed] for at, name in enumerate(Task._fields)
    }
    columns |= {
        "version": [version.version for version in versions],
        "first_seen_at": [version.first_seen_at for version in versions],
        "last_changed_at": [version.last_changed_at for version in versions],
    }
    latest, new_states = _tables(project, observed_at, columns)
    is_new = [version.change is not TaskChange.CONFIRMED for version in versions]
    return latest, new_states if all(is_new) else new_states.filter(pa.array(is_new))


def first_states(
    project: ProjectKey, observed_at: Micros, tasks: TaskColumns
) -> tuple[pa.Table, pa.Table]:
    """Build the rows of ``tasks`` and ``task_versions`` of tasks seen for the first time."""
    columns: dict[str, _Values] = {
        **tasks.values(),
        "version": pa.repeat(1, len(tasks)),
        "first_seen_at": _repeated_time(observed_at, len(tasks)),
        "last_changed_at": _repeated_time(observed_at, len(tasks)),
    }
    return _tables(project, observed_at, columns)


def _tables(
    project: ProjectKey, observed_at: Micros, states: Mapping[str, _Values]
) -> tuple[pa.Table, pa.Table]:
    """Build the rows of ``tasks`` and ``task_versions``, both with a row for each state."""
    count = len(states["job_id"])
    columns: dict[str, Any] = {
        name: tables.array(values, _STATE_TYPES[name])
        for name, values in states.items()
        if name in _STATE_TYPES
    }
    columns |= {
        **{name: pa.repeat(value, count) for name, value in project._asdict().items()},
        "created_date": columns["created_at"].cast(pa.date32()),
        "version_count": columns["version"],
        "last_seen_at": _repeated_time(observed_at, count),
        "observed_at": _repeated_time(observed_at, count),
    }
    return tables.TASKS.arrow(columns), tables.TASK_VERSIONS.arrow(columns)


def _repeated_time(at: Micros, count: int) -> "pa.Array[Any]":
    return pa.repeat(pa.scalar(at, pa.timestamp("us")), count)


def joined(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join batches up to a size: dlt takes milliseconds for each, however small it is."""
    waiting: list[pa.Table] = []
    byte_count = 0
    for batch in batches:
        waiting.append(batch)
        byte_count += batch.nbytes
        if byte_count >= _BATCH_BYTES:
            yield pa.concat_tables(waiting)
            waiting, byte_count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


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
