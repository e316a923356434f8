"""A world of given records, served word for word, which a test may edit between two pages."""

import json
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from gaussdb_tasks.emulator.messages import compact_json
from gaussdb_tasks.emulator.world import Project, Snapshot, Task
from gaussdb_tasks.model.times import SECOND, Micros

Record: TypeAlias = object
"""Anything JSON can write, usually a dict; `bytes` is JSON already and is sent as it stands."""

_UNDATED: Final[Micros] = sys.maxsize
"""Stands for a creation that cannot be read; sorts behind every instant."""

_CREATION: Final = attrgetter("created_at")


class FixedTask(NamedTuple):
    """A given record: its bytes, and of its fields those that can be filtered on.

    A tuple, since a million of them are made in half the time of a frozen dataclass.
    """

    created_at: Micros
    shown_end: Micros | None
    job_id: str
    name: str
    status: str
    body: bytes

    def status_at(self, _now: Micros, /) -> str:
        """Tell the record's status."""
        return self.status

    def shown_end_at(self, _now: Micros, /) -> Micros | None:
        """Tell the record's end."""
        return self.shown_end

    def body_at(self, _now: Micros, /) -> bytes:
        """Give the record as it was given."""
        return self.body


class FixedWorld:
    """Projects with given records; they change only when told to.

    A record whose created_at is missing, or one of whose times cannot be read, is served all the
    same and counts as inside every window. Editing never disturbs an answer under way. A million
    records are fine: they are sorted once, and an edit costs one merge.
    """

    def __init__(
        self,
        records_by_project: Mapping[str, Iterable[Record]],
        *,
        names: Mapping[str, str] | None = None,
    ) -> None:
        names = names or {}
        self.projects: Sequence[Project] = tuple(
            Project(project_id, names.get(project_id, f"eu-de_{project_id[:6]}"))
            for project_id in records_by_project
        )
        self._edits = threading.Lock()
        self._snapshots = {
            project_id: _snapshot(map(_read, records))
            for project_id, records in records_by_project.items()
        }

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:  # noqa: ARG002 - the same at any instant
        """Show a project's records."""
        return self._snapshots[project_id]

    def count(self, project_id: str) -> int:
        """Count a project's records, those beyond the horizon too."""
        return len(self._snapshots[project_id].tasks)

    def add(self, project_id: str, *records: Record) -> None:
        """Add records, also such whose job_id is there already."""
        with self._edits:
            kept = self._snapshots[project_id].tasks
            self._snapshots[project_id] = _snapshot([*kept, *map(_read, records)])

    def replace(self, project_id: str, *records: Record) -> None:
        """Put records in place of those with the same job_id.

        Raises:
            KeyError: one of them has nothing to take the place of; then nothing changes.
        """
        added = [_read(record) for record in records]
        self._swap(project_id, {task.job_id for task in added}, added)

    def remove(self, project_id: str, *job_ids: str) -> None:
        """Remove every record with one of these job_ids, as a user deletes finished tasks.

        Raises:
            KeyError: there is no record with one of them; then nothing is removed.
        """
        self._swap(project_id, set(job_ids), [])

    def _swap(self, project_id: str, job_ids: set[str], added: list[FixedTask]) -> None:
        with self._edits:
            tasks = self._snapshots[project_id].tasks
            unknown = job_ids.difference(task.job_id for task in tasks)
            if unknown:
                message = f"project {project_id} has no tasks {sorted(unknown)}"
                raise KeyError(message)
            kept = [task for task in tasks if task.job_id not in job_ids]
            self._snapshots[project_id] = _snapshot([*kept, *added])


def _snapshot(tasks: Iterable[Task]) -> Snapshot:
    in_order = sorted(tasks, key=_CREATION)
    return Snapshot(
        now=0, tasks=in_order, dated_count=bisect_left(in_order, _UNDATED, key=_CREATION)
    )


def _read(record: Record) -> FixedTask:
    fields = json.loads(record) if isinstance(record, bytes) else record
    body = record if isinstance(record, bytes) else compact_json(record)
    if not isinstance(fields, Mapping):
        fields = {}
    created_at, shown_end = _read_times(fields)
    return FixedTask(
        created_at=created_at,
        shown_end=shown_end,
        job_id=str(fields.get("job_id")),
        name=sys.intern(str(fields.get("name"))),
        status=sys.intern(str(fields.get("status"))),
        body=body,
    )


def _read_times(fields: Mapping[str, object]) -> tuple[Micros, Micros | None]:
    created_text, ended_text = fields.get("created_at"), fields.get("ended_at")
    try:
        return _instant(created_text), _instant(ended_text) if ended_text else None
    except (ValueError, OverflowError):
        return _UNDATED, None


def _instant(text: object) -> Micros:
    # Not the package's own reader: the emulator is there to catch that one's mistakes.
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * SECOND)
