"""The story of one invented task, and the record the API would show of it at any instant."""

import sys
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import cached_property
from typing import Final, Literal, TypeAlias

from gaussdb_tasks.contract import STATUS_COMPLETED, STATUS_FAILED, STATUS_RUNNING
from gaussdb_tasks.emulator.messages import compact_json
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

Outcome: TypeAlias = Literal["Completed", "Failed"]
BlankStyle: TypeAlias = Literal["null", "empty", "missing"]
ProgressStyle: TypeAlias = Literal["null", "empty", "number", "percent"]

_ALL: Final = 100
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a record is written, where the service is not of one mind."""

    blank: BlankStyle = "null"
    """How fail_reason and ended_at say that there is none."""
    progress: ProgressStyle = "null"
    created_offset_hours: int = 8
    ended_offset_hours: int = 8
    shows_planned_end: bool = False
    """Whether ended_at is set while the task still runs."""
    shows_instance: bool = True


@dataclass(frozen=True, kw_only=True)
class TaskStory:
    """All that ever happens to a task; instants are whole seconds.

    `ends_at` is None for a task that is stuck and never ends. `visible_at` is when the task
    center first lists it, `deleted_at` when a user deletes its record, if one does.
    """

    project_id: str
    job_id: str
    name: str
    instance_id: str
    instance_name: str
    busy_status: str
    """The instance's status while the task runs."""
    final_status: str
    """The instance's status from then on."""
    created_at: Micros
    visible_at: Micros
    planned_end: Micros
    ends_at: Micros | None
    outcome: Outcome = "Completed"
    fail_reason: str | None = None
    deleted_at: Micros | None = None
    stalls_at_percent: int = 99
    """Where the progress stays until the end."""
    manner: Manner = Manner()

    def is_listed_at(self, now: Micros) -> bool:
        """Tell whether the task center shows the task at an instant."""
        return self.visible_at <= now and (self.deleted_at is None or now < self.deleted_at)

    def has_ended_at(self, now: Micros) -> bool:
        """Tell whether the task is over at an instant."""
        return self.ends_at is not None and self.ends_at <= now

    def status_at(self, now: Micros, /) -> str:
        """Tell the status at an instant."""
        if not self.has_ended_at(now):
            return STATUS_RUNNING
        return STATUS_FAILED if self.outcome == "Failed" else STATUS_COMPLETED

    def shown_end_at(self, now: Micros, /) -> Micros | None:
        """Tell the end that the record shows: the true one, or a planned one before."""
        if self.has_ended_at(now):
            return self.ends_at
        return self.planned_end if self.manner.shows_planned_end else None

    def progress_at(self, now: Micros) -> int:
        """Tell how many per cent of the task are done."""
        if self.has_ended_at(now) and self.outcome == "Completed":
            return _ALL
        elapsed = min(now, self.ends_at or now) - self.created_at
        return min(_ALL * elapsed // (self.planned_end - self.created_at), self.stalls_at_percent)

    def body_at(self, now: Micros, /) -> bytes:
        """Write the record of an instant as JSON."""
        if self.has_ended_at(now):
            return self._final_body
        return compact_json(self.record_at(now))

    def record_at(self, now: Micros) -> dict[str, object]:
        """Give the record of an instant, its fields in the order of the documented example."""
        end = self.shown_end_at(now)
        fields = {
            "instance_info": self._instance_info(now),
            "job_id": self.job_id,
            "name": self.name,
            "status": self.status_at(now),
            "process": self._process(now),
            "fail_reason": self._or_blank(self.fail_reason if self.has_ended_at(now) else None),
            "created_at": _written(self.created_at, self.manner.created_offset_hours),
            "ended_at": self._or_blank(end and _written(end, self.manner.ended_offset_hours)),
        }
        return {name: value for name, value in fields.items() if value is not _MISSING}

    @cached_property
    def _final_body(self) -> bytes:
        return compact_json(self.record_at(sys.maxsize))

    def _instance_info(self, now: Micros) -> dict[str, str] | None:
        if not self.manner.shows_instance:
            return None
        return {
            "instance_id": self.instance_id,
            "instance_name": self.instance_name,
            "instance_status": self.final_status if self.has_ended_at(now) else self.busy_status,
        }

    def _process(self, now: Micros) -> str | None:
        match self.manner.progress:
            case "null":
                return None
            case "empty":
                return ""
            case "number":
                return str(self.progress_at(now))
            case "percent":
                return f"{self.progress_at(now)}%"

    def _or_blank(self, value: object) -> object:
        blanks = {"null": None, "empty": "", "missing": _MISSING}
        return blanks[self.manner.blank] if value is None else value


def _written(instant: Micros, offset_hours: int) -> str:
    """Write an instant as the API does: to the second, the offset without a colon."""
    zone = timezone(timedelta(hours=offset_hours))
    return times.to_datetime(instant).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")
