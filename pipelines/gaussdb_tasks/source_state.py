"""Convert a project state to plain JSON, to keep it in dlt's state instead of in DuckDB."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gaussdb_tasks.model.project_state import ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.times import Micros


def to_json(state: ProjectState, visible_from: Micros) -> dict[str, Any]:
    """Convert the state that the next load needs: tasks that can still be listed, covered time."""
    oldest = known_since(visible_from)
    tasks = {id_: known for id_, known in state.tasks.items() if known.created_at >= oldest}
    kept = replace(
        state,
        tasks=tasks,
        earlier_hashes={
            id_: hashes for id_, hashes in state.earlier_hashes.items() if id_ in tasks
        },
        rejected={
            record_hash: at
            for record_hash, at in state.rejected.items()
            if at is None or at >= oldest
        },
    )
    stored: dict[str, Any] = msgspec.to_builtins(kept, order="deterministic")
    del stored["known_from"]  # follows from the clock of the next load
    return stored


def from_json(stored: Mapping[str, Any] | None, visible_from: Micros) -> ProjectState:
    """Convert the result of ``to_json`` back; None gives the state before a first load."""
    return msgspec.convert(
        {**(stored or {}), "known_from": known_since(visible_from)}, ProjectState
    )


def state_key(project: ProjectKey) -> str:
    """Return the key of a project in dlt's state."""
    return f"{project.region}/{project.project_id}"
