"""Knowledge as plain JSON, for where it is kept in dlt's state instead of in DuckDB."""

from collections.abc import Mapping
from typing import Any

from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState, remembered_since
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros


def to_json(state: ProjectState, since: Micros) -> dict[str, Any]:
    """Write down what the next load needs: tasks that can still be listed, and what is covered."""
    oldest = remembered_since(since)
    return {
        "tasks": {
            job_id: list(known)
            for job_id, known in state.tasks.items()
            if known.created_at >= oldest
        },
        "covered": [list(time_range) for time_range in state.covered],
        "rejected": {
            record_hash: at
            for record_hash, at in state.rejected.items()
            if at is None or at >= oldest
        },
        "gone_rejects": sorted(state.gone_rejects),
        "is_count_usable": state.is_count_usable,
        "is_running_listed": state.is_running_listed,
        "is_sweep_whole": state.is_sweep_whole,
        "last_full_read_at": state.last_full_read_at,
        "last_observed_at": state.last_observed_at,
        "last_load_number": state.last_load_number,
    }


def from_json(remembered: Mapping[str, Any] | None, since: Micros) -> ProjectState:
    """Read what ``to_json`` wrote; None is the knowledge of a first load."""
    if remembered is None:
        return ProjectState(known_from=remembered_since(since))
    return ProjectState(
        known_from=remembered_since(since),
        tasks={job_id: KnownTask(*values) for job_id, values in remembered["tasks"].items()},
        covered=tuple(TimeRange(*bounds) for bounds in remembered["covered"]),
        rejected=remembered["rejected"],
        gone_rejects=frozenset(remembered.get("gone_rejects", ())),
        is_count_usable=remembered["is_count_usable"],
        is_running_listed=remembered["is_running_listed"],
        is_sweep_whole=remembered["is_sweep_whole"],
        last_full_read_at=remembered["last_full_read_at"],
        last_observed_at=remembered["last_observed_at"],
        last_load_number=remembered.get("last_load_number", 0),
    )


def state_key(project: ProjectKey) -> str:
    """Return the key under which a project is remembered."""
    return f"{project.region}/{project.project_id}"
