"""Keep project states as plain JSON in dlt's state, instead of in DuckDB.

dlt stores its state again with each run. So it holds only what the next load can meet: tasks and
rejected records that can still be listed, and the covered time that can still be read.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

import msgspec

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.times import Micros


class StoredStates:
    """The states of all projects that a pipeline has read.

    Args:
        stored: the part of dlt's state that holds them.
        visible_from: start of the time whose tasks the next load can list.
    """

    def __init__(self, stored: MutableMapping[str, Any], visible_from: Micros) -> None:
        self._stored = stored
        self._visible_from = visible_from

    def state(self, project: ProjectKey) -> ProjectState:
        """Return the state of a project; it is empty before the first load.

        Raises:
            ConfigurationError: the pipeline has the project under another region.
        """
        for key in self._stored:
            region, _, project_id = key.partition("/")
            if project_id == project.project_id and region != project.region:
                message = (
                    f"the pipeline has project {project_id} under region {region!r}, not "
                    f"{project.region!r}; set region to {region}, or every task would be kept twice"
                )
                raise ConfigurationError(message)
        return from_json(self._stored.get(_key_text(project)), self._visible_from)

    def next_load_number(self) -> int:
        """Return the number of the next load, counted over all projects."""
        return 1 + max((each["last_load_number"] for each in self._stored.values()), default=0)

    def update(self, states: Mapping[ProjectKey, ProjectState]) -> None:
        """Store the states of projects after a load, and remove what no load needs any more."""
        for project, state in states.items():
            if state.last_observed_at is not None:  # else it was never read
                self._stored[_key_text(project)] = to_json(state, self._visible_from)
        for key in self._stored.keys() - set(map(_key_text, states)):
            state = from_json(self._stored[key], self._visible_from)
            self._stored[key] = to_json(state, self._visible_from)


def to_json(state: ProjectState, visible_from: Micros) -> dict[str, Any]:
    """Convert the part of a state that the next load needs."""
    oldest = known_since(visible_from)
    tasks = {id_: known for id_, known in state.tasks.items() if known.created_at >= oldest}
    # Without a time, a rejected record is kept until it is no longer listed.
    rejected = {
        record_hash: at
        for record_hash, at in state.rejected.items()
        if (record_hash not in state.gone_rejects if at is None else at >= oldest)
    }
    kept = replace(
        state,
        tasks=tasks,
        earlier_hashes={
            id_: hashes for id_, hashes in state.earlier_hashes.items() if id_ in tasks
        },
        covered=tuple(each for each in state.covered if each.end > visible_from),
        rejected=rejected,
        gone_rejects=state.gone_rejects.intersection(rejected),
    )
    stored: dict[str, Any] = msgspec.to_builtins(kept, order="deterministic")
    del stored["known_from"]  # follows from the clock of the next load
    return stored


def from_json(stored: Mapping[str, Any] | None, visible_from: Micros) -> ProjectState:
    """Convert the result of ``to_json`` back; None gives the state before a first load."""
    return msgspec.convert(
        {**(stored or {}), "known_from": known_since(visible_from)}, ProjectState
    )


def _key_text(project: ProjectKey) -> str:
    return f"{project.region}/{project.project_id}"
