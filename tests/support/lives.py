"""Tasks with a life: they appear, progress, end, and are deleted, each at an instant of its own."""

from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.model.record import Record, content_hash
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, parse_instant
from tests.support.model_center import written
from tests.support.visible_history import HORIZON, Sight

BEGIN: Final[Micros] = parse_instant("2026-01-01T02:00:00Z", option="BEGIN")


@dataclass(frozen=True)
class Life:
    """What becomes of a task, told in minutes; None for what never happens.

    Attributes:
        created: from the beginning of the story.
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
        """Its identity."""
        return f"job-{self.number:04d}"

    @property
    def created_at(self) -> Micros:
        """When it was started."""
        return BEGIN + self.created * MINUTE

    @property
    def ends_at(self) -> Micros | None:
        """When it ends; None for one that is stuck."""
        return None if self.takes is None else self.created_at + self.takes * MINUTE

    def is_listed(self, now: Micros) -> bool:
        """Tell whether the task center shows it."""
        appeared = self.created_at + self.lag * MINUTE <= now
        # Not one at the very edge: a window whose bounds are exclusive could not show it.
        return appeared and self.created_at > now - HORIZON and not self._is_deleted(now)

    def at(self, now: Micros) -> "Appearance":
        """Show it as it is at an instant."""
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
    """A task as it is listed at an instant: a job for the model of the task center."""

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
        """Show it as the API would."""
        fields = {
            "job_id": self.job_id,
            "status": self.status,
            "process": self.process,
            "created_at": written(self.created_at),
            "ended_at": "" if self.ended_at is None else written(self.ended_at),
        }
        return Record(str(fields), fields, self.job_id)

    def sight(self) -> Sight:
        """Tell what a reader must remember of it."""
        return Sight(self.created_at, self.ended_at is not None, content_hash(self.record().fields))


def days(number: float) -> Micros:
    """Return the instant so many days into the story."""
    return BEGIN + int(number * DAY / HOUR) * HOUR
