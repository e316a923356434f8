"""A minimal task center: a list in memory with the interface of the API client.

Switches select the behaviour that the API documentation does not define. Events change the list
before a given call: a task appears, or a finished one is deleted.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, Protocol

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page, parse_record
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract.change_detection import ChangeDetector, TaskChange, Version
from gaussdb_tasks.extract.observations import Batch
from gaussdb_tasks.extract.paging import FetchPage
from gaussdb_tasks.extract.project import ProjectReader
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.times import DAY, SECOND, Micros, parse_time, to_datetime
from gaussdb_tasks.settings import LoadSettings

NOW: Final[Micros] = parse_time("2026-05-18T02:00:00Z", option="NOW")

Order = Literal["newest", "oldest", "arbitrary", "shuffled"]
Unit = Literal["records", "pages", "pages from one"]
Total = Literal["exact", "tasks", "missing", "page length", "behind", "ahead"]
Filter = Literal["created", "created and ended"]


class Listed(Protocol):
    """A task as the model lists it."""

    @property
    def job_id(self) -> str:
        """Its job_id."""

    @property
    def status(self) -> str:
        """Its status as the API filters it."""

    @property
    def created_at(self) -> Micros:
        """Its time of creation."""

    @property
    def ended_at(self) -> Micros | None:
        """The time of its end; None while it runs."""

    def record(self) -> Record:
        """Return the record that the API would list."""


@dataclass(frozen=True)
class Job:
    """A task of the model."""

    number: int
    created_at: Micros
    ended_at: Micros | None

    @property
    def job_id(self) -> str:
        """Its job_id."""
        return f"job-{self.number:06d}"

    @property
    def status(self) -> str:
        """Running or Completed."""
        return "Running" if self.ended_at is None else "Completed"

    def record(self) -> Record:
        """Return the record that the API would list; that of every second job is as documented."""
        fields: dict[str, Any] = {
            "job_id": self.job_id,
            "status": self.status,
            "created_at": written(self.created_at),
            "ended_at": None if self.ended_at is None else written(self.ended_at),
        }
        if self.number % 2 == 0:
            fields["order"] = 1
        return parse_record(json.dumps(fields))


@dataclass(frozen=True)
class Event:
    """A change of the list just before a call."""

    before_call: int
    kind: Literal["appear", "delete"]
    which: int


@dataclass
class ModelCenter:
    """List jobs as the switches select; usable as a ``FetchPage``."""

    jobs: list[Listed]
    order: Order = "newest"
    unit: Unit = "records"
    total: Total = "exact"
    time_filter: Filter = "created"
    is_inclusive: bool = True
    needs_bounds: bool = False
    page_cap: int = PAGE_LIMIT
    events: Sequence[Event] = ()
    calls: int = 0
    deleted_ids: set[str] = field(default_factory=set)
    added_ids: set[str] = field(default_factory=set)
    _jobs_ordered: list[Listed] = field(default_factory=list)
    _ordered: list[Listed] = field(default_factory=list)

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Answer one call."""
        self.calls += 1
        for event in self.events:
            if event.before_call == self.calls:
                self._apply(event)
        if self.needs_bounds and (query.start is None or query.end is None):
            message = "400 DBS.280001: both times are mandatory"
            raise RequestRefusedError(message)
        listed = list(filter(self._matches(query), self._ordered_jobs()))
        size = min(limit, self.page_cap)
        begin = self._begin(offset, size)
        page = listed[begin : begin + size]
        tasks = len({job.job_id for job in listed}) if self.total == "tasks" else len(listed)
        total = self._total(tasks, len(page))
        return Page(tuple(job.record() for job in page), total)

    def _apply(self, event: Event) -> None:
        if event.kind == "appear":
            newcomer = Job(900_000 + len(self.added_ids), NOW - event.which * SECOND, NOW)
            self.jobs.append(newcomer)
            self.added_ids.add(newcomer.job_id)
            return
        finished = [job for job in self.jobs if job.ended_at is not None]
        if finished:
            job = finished[event.which % len(finished)]
            self.jobs.remove(job)
            self.deleted_ids.add(job.job_id)

    def _matches(self, query: TaskQuery) -> Callable[[Listed], bool]:
        edge = 0 if self.is_inclusive else 1
        start = -(10**18) if query.start is None else query.start + edge
        end = 10**18 if query.end is None else query.end - edge

        def matches(job: Listed) -> bool:
            if query.status is not None and job.status != query.status:
                return False
            if query.end is None or self.time_filter == "created":
                return start <= job.created_at <= end
            return start <= job.created_at and job.ended_at is not None and job.ended_at <= end

        return matches

    def _ordered_jobs(self) -> list[Listed]:
        if self.order == "shuffled" or self._jobs_ordered != self.jobs:
            self._jobs_ordered = list(self.jobs)
            self._ordered = sorted(self.jobs, key=self._rank())
        return self._ordered

    def _rank(self) -> Callable[[Listed], float]:
        match self.order:
            case "newest":
                return lambda job: -job.created_at
            case "oldest":
                return lambda job: job.created_at
            case "arbitrary":
                return lambda job: _stable_rank(job.job_id)
            case "shuffled":
                rng = random.Random(self.calls)  # noqa: S311 - another order each call
                return lambda _job: rng.random()

    def _begin(self, offset: int, size: int) -> int:
        match self.unit:
            case "records":
                return offset
            case "pages":
                return offset * size
            case "pages from one":
                return max(offset - 1, 0) * size

    def _total(self, listed: int, on_page: int) -> int | None:
        match self.total:
            case "exact" | "tasks":
                return listed
            case "missing":
                return None
            case "page length":
                return on_page
            case "behind":
                return max(listed - 1, 0)
            case "ahead":
                return listed + 1


@cache
def _stable_rank(job_id: str) -> float:
    return random.Random(job_id).random()  # noqa: S311 - an order that stays the same


@dataclass
class ModelRead:
    """One read of a model, with the new versions in it."""

    center: FetchPage
    state: ProjectState
    connections: int
    versions: list[Version] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changes = ChangeDetector(self.state, NOW, lambda _job_id, _created_at: None)
        settings = LoadSettings(now=NOW)
        self.reader = ProjectReader(
            self.center, settings, self.state, self.changes, connections=self.connections
        )
        for batch in self.reader.batches():
            self._add(batch)
        self._add(self.reader.settle())

    def _add(self, batch: Batch) -> None:
        new = (task for task in map(normalise, batch.new.records) if isinstance(task, Task))
        self.versions += [Version(task, 1, TaskChange.NEW, NOW, NOW) for task in new]
        self.versions += batch.versions


def read(
    center: FetchPage, state: ProjectState | None = None, *, connections: int = 1
) -> ModelRead:
    """Read a model once; without a state as a first load."""
    return ModelRead(center, state or ProjectState(known_from=NOW - 31 * DAY), connections)


def jobs_through_the_month(count: int, *, running: int = 0, seed: int = 0) -> list[Listed]:
    """Make jobs spread over the horizon; the last ``running`` of them have no end."""
    rng = random.Random(seed)  # noqa: S311 - invented data
    starts = sorted(NOW - rng.randrange(3600, 29 * 24 * 3600) * SECOND for _ in range(count))
    return [
        Job(number, at, None if number >= count - running else at + rng.randrange(1, 3500) * SECOND)
        for number, at in enumerate(starts)
    ]


def written(time: Micros) -> str:
    """Format a time as the API does."""
    return to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S+0000")
