"""Worlds of tasks: the interface that the emulator needs, and a world of given records."""

import json
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeAlias

from gaussdb_tasks.emulator.http import compact_json
from gaussdb_tasks.model.times import SECOND, Micros

Record: TypeAlias = object
"""Any JSON value, usually a dict; `bytes` is JSON already and is sent unchanged."""

_UNDATED: Final[Micros] = sys.maxsize
"""Replaces a created_at that cannot be read; sorts after every time."""

_CREATED_AT: Final = attrgetter("created_at")


@dataclass(frozen=True, slots=True)
class Project:
    """A project of the tenant, as the identity service lists it."""

    project_id: str
    name: str


class Task(Protocol):
    """A task with its record at any time."""

    @property
    def created_at(self) -> Micros:
        """When the task was created."""
        ...

    @property
    def job_id(self) -> str:
        """The task's id, unique in its project."""
        ...

    @property
    def name(self) -> str:
        """The task's type."""
        ...

    def status_at(self, now: Micros, /) -> str:
        """Return the status in the record."""
        ...

    def shown_end_at(self, now: Micros, /) -> Micros | None:
        """Return the end in the record, actual or planned."""
        ...

    def body_at(self, now: Micros, /) -> bytes:
        """Return the record as JSON, as the API sends it at this time."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The tasks of a project at one time; compared by identity.

    The first `dated_count` of `tasks` are ordered by creation, oldest first. The times of the
    others cannot be read: they count as inside every window.
    """

    now: Micros
    tasks: Sequence[Task]
    dated_count: int


class World(Protocol):
    """Projects and their tasks."""

    @property
    def projects(self) -> Sequence[Project]:
        """The projects, in a fixed order."""
        ...

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Return a project's tasks at a time; tasks created before `since` may be missing.

        Return the same object until something changes: callers cache by it.

        Raises:
            KeyError: the world does not have this project.
        """
        ...


class FixedTask(NamedTuple):
    """A given record: its bytes, and the fields that can be filtered on.

    A tuple, because a million tuples are made in half the time of frozen dataclasses.
    """

    created_at: Micros
    shown_end: Micros | None
    job_id: str
    name: str
    status: str
    body: bytes

    def status_at(self, _now: Micros, /) -> str:
        """Return the record's status."""
        return self.status

    def shown_end_at(self, _now: Micros, /) -> Micros | None:
        """Return the record's end."""
        return self.shown_end

    def body_at(self, _now: Micros, /) -> bytes:
        """Return the record unchanged."""
        return self.body


class FixedWorld:
    """Projects with given records, which a test can edit between two pages.

    A record with a time that cannot be read, or without created_at, is served too: it counts as
    inside every window. An edit never changes an answer that is being sent. A million records are
    possible: they are sorted once, and an edit costs one merge.
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
        self._edit_lock = threading.Lock()
        self._snapshots = {
            project_id: _snapshot(map(_read, records))
            for project_id, records in records_by_project.items()
        }

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:  # noqa: ARG002 - the same at any time
        """Return a project's records."""
        return self._snapshots[project_id]

    def count(self, project_id: str) -> int:
        """Count a project's records, including those older than the horizon."""
        return len(self._snapshots[project_id].tasks)

    def add(self, project_id: str, *records: Record) -> None:
        """Add records; a job_id may occur twice."""
        with self._edit_lock:
            kept = self._snapshots[project_id].tasks
            self._snapshots[project_id] = _snapshot([*kept, *map(_read, records)])

    def replace(self, project_id: str, *records: Record) -> None:
        """Replace the records that have the same job_ids.

        Raises:
            KeyError: a job_id does not exist; nothing is changed.
        """
        added = [_read(record) for record in records]
        self._swap(project_id, {task.job_id for task in added}, added)

    def remove(self, project_id: str, *job_ids: str) -> None:
        """Remove every record with one of these job_ids, as a user deletes finished tasks.

        Raises:
            KeyError: a job_id does not exist; nothing is removed.
        """
        self._swap(project_id, set(job_ids), [])

    def _swap(self, project_id: str, job_ids: set[str], added: list[FixedTask]) -> None:
        with self._edit_lock:
            tasks = self._snapshots[project_id].tasks
            unknown = job_ids.difference(task.job_id for task in tasks)
            if unknown:
                message = f"project {project_id} has no tasks {sorted(unknown)}"
                raise KeyError(message)
            kept = [task for task in tasks if task.job_id not in job_ids]
            self._snapshots[project_id] = _snapshot([*kept, *added])


def _snapshot(tasks: Iterable[Task]) -> Snapshot:
    ordered = sorted(tasks, key=_CREATED_AT)
    return Snapshot(
        now=0, tasks=ordered, dated_count=bisect_left(ordered, _UNDATED, key=_CREATED_AT)
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
        return _time(created_text), _time(ended_text) if ended_text else None
    except (ValueError, OverflowError):
        return _UNDATED, None


def _time(text: object) -> Micros:
    # Not the package's own parser: the emulator must find that parser's errors.
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * SECOND)
