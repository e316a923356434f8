"""Tasks that appear, progress, end and are deleted, each at its own times."""

import json
from dataclasses import dataclass
from typing import Any, Final

from gaussdb_tasks.api.responses import parse_record
from gaussdb_tasks.model.record import Record, content_hash
from gaussdb_tasks.model.times import MINUTE, Micros, parse_time
from tests.support.model_center import written
from tests.support.visible_history import HORIZON, TaskState

BEGIN: Final[Micros] = parse_time("2026-01-01T02:00:00Z", option="BEGIN")


@dataclass(frozen=True)
class Lifecycle:
    """The lifecycle of a task, in minutes; None for an event that never happens.

    Attributes:
        created: time of creation, from the start of the simulation.
        lag: time from the creation until the task is listed.
        duration: time from the creation to the end.
        deleted_after: time from the end until the record is deleted.
        progress_interval: time between two changes of the progress.
        lingers: time from the end for which the last running state is listed as well.
    """

    number: int
    created: int
    lag: int = 0
    duration: int | None = 10
    deleted_after: int | None = None
    progress_interval: int = 600
    end_status: str = "Completed"
    first_status: str = "Running"
    lingers: int = 0

    @property
    def job_id(self) -> str:
        """Return the task's job_id."""
        return f"job-{self.number:04d}"

    @property
    def created_at(self) -> Micros:
        """Return the time of creation."""
        return BEGIN + self.created * MINUTE

    @property
    def ends_at(self) -> Micros | None:
        """Return the time of the end; None if the task never ends."""
        return None if self.duration is None else self.created_at + self.duration * MINUTE

    def is_listed(self, now: Micros) -> bool:
        """Whether the task center lists the task."""
        appeared = self.created_at + self.lag * MINUTE <= now
        # A task exactly at the horizon is not listed: exclusive bounds of a window would hide it.
        return appeared and self.created_at > now - HORIZON and not self._is_deleted(now)

    def at(self, now: Micros) -> "list[ListedTask]":
        """Return the records of the task at a time, the oldest state first."""
        ends_at = self.ends_at
        if ends_at is None or now < ends_at:
            return [self._in_flight(now)]
        ended = ListedTask(self, ends_at, self.end_status, "100")
        if now < ends_at + self.lingers * MINUTE:
            return [self._in_flight(ends_at), ended]
        return [ended]

    def _in_flight(self, now: Micros) -> "ListedTask":
        progress = (now - self.created_at) // (self.progress_interval * MINUTE)
        return ListedTask(self, None, self.first_status, str(progress))

    def _is_deleted(self, now: Micros) -> bool:
        if self.ends_at is None or self.deleted_after is None:
            return False
        return self.ends_at + self.deleted_after * MINUTE <= now


@dataclass(frozen=True)
class ListedTask:
    """A task as it is listed at one time."""

    lifecycle: Lifecycle
    ended_at: Micros | None
    status: str
    process: str

    @property
    def job_id(self) -> str:
        """Return the task's job_id."""
        return self.lifecycle.job_id

    @property
    def created_at(self) -> Micros:
        """Return the time of creation."""
        return self.lifecycle.created_at

    def record(self) -> Record:
        """Return the task as a record of the API; that of every second task is as documented."""
        fields: dict[str, Any] = {
            "job_id": self.job_id,
            "status": self.status,
            "process": self.process,
            "created_at": written(self.created_at),
            "ended_at": "" if self.ended_at is None else written(self.ended_at),
        }
        if self.lifecycle.number % 2 == 0:
            fields["order"] = 1
        return parse_record(json.dumps(fields))

    def state(self) -> TaskState:
        """Return the state that a load must keep."""
        return TaskState(
            self.created_at, self.ended_at is not None, content_hash(self.record().fields)
        )
