"""Tasks in one state, and records that are not tasks."""

from typing import NamedTuple

from gaussdb_tasks.model.times import Micros


class Task(NamedTuple):
    """A task in one state, as normalised from one record."""

    job_id: str
    task_name: str | None
    status: str | None
    progress_percent: float | None
    fail_reason: str | None
    created_at: Micros
    ended_at: Micros | None
    instance_id: str | None
    instance_name: str | None
    instance_status: str | None
    extra: str | None
    raw: str
    version_hash: str
    is_final: bool
    """Whether the task has ended."""
    duration_ms: int | None
    """From start to end; None if it has not ended, or ended before its start."""

    def started_at(self, created_at: Micros) -> "Task":
        """Return the task with another start and the duration from it."""
        duration_ms = duration_between(created_at, self.ended_at, is_final=self.is_final)
        return self._replace(created_at=created_at, duration_ms=duration_ms)


class Rejection(NamedTuple):
    """A record that is not a task, with the reason."""

    reason: str
    job_id: str | None
    created_at: Micros | None
    raw: str
    record_hash: str


def duration_between(created_at: Micros, ended_at: Micros | None, *, is_final: bool) -> int | None:
    """Return the duration in ms; None if the task has not ended, or ended before its start."""
    # Sibling services set ended_at while a task runs: it is the end only if the task is final.
    if ended_at is None or ended_at < created_at or not is_final:
        return None
    return (ended_at - created_at) // 1000
