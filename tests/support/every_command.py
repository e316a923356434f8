"""A command line for every command of the program, in an order in which all can run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, MINUTE, Micros, iso
from tests.support.emulator_client import NOW, PROJECT, job_id, record

SERVER: Final = "emulator"
"""The command that runs until it is stopped."""

OPTIONAL_PACKAGES: Final = (
    "matplotlib",
    "moto",
    "numpy",
    "pandas",
    "polars",
    "rfc3161_client",
    "s3fs",
)
"""Packages that a plain installation does not have."""

_OLD: Final[Micros] = NOW - 100 * DAY


class Line(NamedTuple):
    """A command line, its exit code, and the task center's time."""

    arguments: Sequence[str]
    exit_code: int = 0
    clock: Micros = NOW


LINES: Final = (
    Line(("load", "--now", iso(_OLD)), clock=_OLD),
    Line(("load", "--now", iso(NOW)), exit_code=3),  # the time between the loads is lost
    Line(("check",)),
    Line(("list", "--now", iso(NOW))),
    Line(("status",)),
    Line(("query", "tasks")),
    Line(("query", "tasks", "--output", "tasks.parquet")),
    Line(("query", "nightly_changes", "--format", "csv")),
    Line(("report", "report.html")),
    Line(("verify",)),
    Line(("changes", "--since", iso(_OLD)[:10])),
    Line(("evidence", job_id(1))),
    Line(("redact", "--job-id", job_id(1), "--column", "instance_name", "--reason", "test")),
    Line(("redact", "--column", "extra", "--reason", "test")),
    Line(("retention", "--keep", "90d", "--now", iso(NOW))),
    Line(("rebuild", "--replace")),
    Line(("rebuild", "--renormalise", "--dry-run")),
    Line(("publish", "--help")),
    Line(("verify", "--fast")),
    Line(("keys", "rotate", "--help")),
    Line(("schedule", "cron")),
    Line(("config", "load")),
    Line(("views", "--dialect", "postgres")),
    Line(("completion", "bash")),
    Line(("demo", "--nights", "1", "--tasks-per-day", "3")),
)


class TaskCenter:
    """A task center for the lines, with old and new tasks."""

    def __init__(self, emulator: Emulator, clock: SettableClock) -> None:
        self._emulator = emulator
        self._clock = clock

    def prepare(self, line: Line) -> Mapping[str, str]:
        """Set the clock for a line; return the environment variables it needs."""
        self._clock.set(line.clock)
        return {
            "GAUSSDB_TASKS_ENDPOINT": self._emulator.endpoint,
            "GAUSSDB_TASKS_REGION": "eu-de",
            "OS_PROJECT_ID": PROJECT,
            "OS_TOKEN": self._emulator.token,
        }


@contextmanager
def task_center(**fields: object) -> Iterator[TaskCenter]:
    """Serve a task center with old and new tasks; each record has these fields."""
    starts = [_OLD - DAY, _OLD - 2 * DAY, NOW - DAY, NOW - 2 * DAY]
    tasks = [record(number, at, at + MINUTE, **fields) for number, at in enumerate(starts, 1)]
    clock = SettableClock(NOW)
    with Emulator(FixedWorld({PROJECT: tasks}), clock=clock) as emulator:
        yield TaskCenter(emulator, clock)
