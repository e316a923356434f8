"""Tasks that appear, progress, end and are deleted, each at its own times."""

from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.model.record import Record, content_hash
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, parse_time
from tests.support.model_center import written
from tests.support.visible_history import HORIZON, Sight

BEGIN: Final[Micros] = parse_time("2026-01-01T02:00:00Z", option="BEGIN")


@dataclass(frozen=True)
class Life:
    """The life of a task, in minutes; None for what never happens.

    Attributes:
        created: from the beginning of the simulation.
        lag: how long after its creation it appears in the list.
        takes: how long it runs.
        deleted_after: how long after its end its record is deleted.
        pace: how often its progress changes.
    """

    number: int
    created: int
    lag: int = 0
    takes: int | None = 10
    deleted_after: int | None = None
    pace: int = 600
    end_status: str = "Completed"
    first_status: str = "Running"

    @property
    def job_id(self) -> str:
        """The task's identity."""
        return f"job-{self.number:04d}"

    @property
    def created_at(self) -> Micros:
        """When the task was started."""
        return BEGIN + self.created * MINUTE

    @property
    def ends_at(self) -> Micros | None:
        """When the task ends; None if it never does."""
        return None if self.takes is None else self.created_at + self.takes * MINUTE

    def is_listed(self, now: Micros) -> bool:
        """Whether the task center shows the task."""
        appeared = self.created_at + self.lag * MINUTE <= now
        # A task exactly at the horizon is left out: a window with exclusive bounds cannot show it.
        return appeared and self.created_at > now - HORIZON and not self._is_deleted(now)

    def at(self, now: Micros) -> "Appearance":
        """Return the task as it is listed at a time."""
        ends_at = self.ends_at
        if ends_at is not None and ends_at <= now:
            return Appearance(self, ends_at, self.end_status, "100")
        progress = (now - self.created_at) // (self.pace * MINUTE)
        return Appearance(self, None, self.first_status, str(progress))

    def _is_deleted(self, now: Micros) -> bool:
        if self.ends_at is None or self.deleted_after is None:
            return False
        return self.ends_at + self.deleted_after * MINUTE <= now


@dataclass(frozen=True)
class Appearance:
    """A task as it is listed at one time."""

    life: Life
    ended_at: Micros | None
    status: str
    process: str

    @property
    def job_id(self) -> str:
        """The task's identity."""
        return self.life.job_id

    @property
    def created_at(self) -> Micros:
        """When the task was started."""
        return self.life.created_at

    def record(self) -> Record:
        """Return the task as a record of the API."""
        fields = {
            "job_id": self.job_id,
            "status": self.status,
            "process": self.process,
            "created_at": written(self.created_at),
            "ended_at": "" if self.ended_at is None else written(self.ended_at),
        }
        return Record(str(fields), fields, self.job_id)

    def sight(self) -> Sight:
        """Return what a reader must keep of it."""
        return Sight(self.created_at, self.ended_at is not None, content_hash(self.record().fields))


def days(number: float) -> Micros:
    """Return the time that many days after the beginning."""
    return BEGIN + int(number * DAY / HOUR) * HOUR
