"""Knowledge as plain JSON, for where it is kept in dlt's state instead of in DuckDB."""

from collections.abc import Mapping
from typing import Any

from gaussdb_tasks.instants import Micros
from gaussdb_tasks.knowledge import Knowledge, Known, ProjectKey, remembered_since
from gaussdb_tasks.stretches import Stretch


def to_json(knowledge: Knowledge, since: Micros) -> dict[str, Any]:
    """Write down what the next load needs: tasks that can still be listed, and what is covered."""
    oldest = remembered_since(since)
    return {
        "tasks": {
            job_id: list(known)
            for job_id, known in knowledge.tasks.items()
            if known.created_at >= oldest
        },
        "covered": [list(stretch) for stretch in knowledge.covered],
        "rejected": {
            record_hash: at
            for record_hash, at in knowledge.rejected.items()
            if at is None or at >= oldest
        },
        "gone_rejects": sorted(knowledge.gone_rejects),
        "is_count_usable": knowledge.is_count_usable,
        "is_running_listed": knowledge.is_running_listed,
        "is_sweep_whole": knowledge.is_sweep_whole,
        "last_full_read_at": knowledge.last_full_read_at,
        "last_observed_at": knowledge.last_observed_at,
        "last_load_number": knowledge.last_load_number,
    }


def from_json(remembered: Mapping[str, Any] | None, since: Micros) -> Knowledge:
    """Read what ``to_json`` wrote; None is the knowledge of a first load."""
    if remembered is None:
        return Knowledge(known_from=remembered_since(since))
    return Knowledge(
        known_from=remembered_since(since),
        tasks={job_id: Known(*values) for job_id, values in remembered["tasks"].items()},
        covered=tuple(Stretch(*bounds) for bounds in remembered["covered"]),
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
