"""One project's load as rows of the tables it fills."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.extract import arrow_rows
from gaussdb_tasks.extract.change_detection import ChangeDetector
from gaussdb_tasks.extract.observations import Batch
from gaussdb_tasks.extract.paging import FetchPage
from gaussdb_tasks.extract.plan import Purpose
from gaussdb_tasks.extract.project import ProjectReading
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState
from gaussdb_tasks.model.task import Rejection
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import SECOND, Micros, to_datetime
from gaussdb_tasks.settings import LoadSettings


class Outcome(StrEnum):
    """What became of a project in a load."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """Read, but something could not be proved."""
    FAILED = "failed"
    """Not read to the end."""


@dataclass(frozen=True)
class Run:
    """What identifies a load, and how it reads."""

    run_id: str
    load_number: int
    tool_version: str
    settings: LoadSettings
    connections: int = 8
    on_progress: Callable[[ProjectKey, int, int], None] = field(
        default=lambda _project, _seen, _announced: None
    )
    on_read: "Callable[[ProjectSummary], None]" = field(default=lambda _summary: None)
    """Told when a project has been read, in the thread that read it."""


@dataclass(frozen=True)
class ProjectSource:
    """One project to read: how to fetch its pages, and what is known of it.

    Attributes:
        calls_made: tells how many calls were made so far.
        find: finds a task that is older than what the knowledge holds.
        clock_ahead: tells by how much the load's clock is ahead of the service's; None if that is
            not known, or if the load goes by a clock that is invented.
    """

    key: ProjectKey
    fetch_page: FetchPage
    calls_made: Callable[[], int]
    state: ProjectState
    find: Callable[[str, Micros], KnownTask | None]
    clock_ahead: Callable[[], Micros | None] = lambda: None

    @classmethod
    def unreadable(cls, key: ProjectKey, error: GaussdbTasksError) -> "ProjectSource":
        """Stand for a project that cannot be read, so that it is recorded as failed."""

        def fetch_page(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:  # noqa: ARG001 - there is no page
            raise error

        nothing = ProjectState(known_from=0)
        return cls(key, fetch_page, lambda: 0, nothing, lambda _job_id, _created_at: None)


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """A window of time that was read, or part of one."""

    purpose: Purpose
    time_range: TimeRange
    task_count: int
    is_complete: bool


@dataclass(frozen=True)
class ProjectSummary:
    """What a load found in one project."""

    key: ProjectKey
    outcome: Outcome
    doubts: tuple[str, ...]
    error: GaussdbTasksError | None
    seen_count: int
    new_count: int
    changed_count: int
    rejected_count: int
    vanished_count: int
    call_count: int
    windows: tuple[WindowSummary, ...]


def new_run_id(clock: Micros) -> str:
    """Make the name of a load: its clock, and something that no other load has."""
    return f"{to_datetime(clock):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


def next_load_number(sources: Iterable[ProjectSource]) -> int:
    """Return the place of the next load among all loads."""
    return 1 + max((source.state.last_load_number for source in sources), default=0)


class ProjectExtraction:
    """Reads one project and keeps what goes into the tables once it is read."""

    def __init__(self, source: ProjectSource, run: Run) -> None:
        self.key = source.key
        self._source = source
        self._run = run
        self._history = ChangeDetector(source.state, run.settings.now, source.find)
        self._reading = ProjectReading(
            source.fetch_page,
            run.settings,
            source.state,
            self._history,
            connections=run.connections,
            on_progress=lambda seen, announced: run.on_progress(source.key, seen, announced),
        )
        self._latest: list[pa.Table] = []
        self._rejections: list[Rejection] = []
        self._error: GaussdbTasksError | None = None
        self._call_count = 0
        self._provable = run.settings.visible

    def read(self) -> Iterator[pa.Table]:
        """Yield rows of ``task_versions`` while they come; an error of the API ends it."""
        calls_before = self._source.calls_made()
        try:
            for batch in self._reading.batches():
                yield from self._take(batch)
        except GaussdbTasksError as error:
            self._error = error
        self._call_count = self._source.calls_made() - calls_before
        self._compare_clocks()
        self._run.on_read(self.summary())

    def _compare_clocks(self) -> None:
        ahead = self._source.clock_ahead() or 0
        if abs(ahead) > self._run.settings.margin:
            which = "ahead of" if ahead > 0 else "behind"
            self._reading.doubts.append(
                f"this machine's clock is {abs(ahead) // SECOND:,} seconds {which} the service's: "
                "set it (NTP)"
            )
        visible = self._run.settings.visible
        # Time that has not come yet by the service's clock is not covered by having asked for it.
        self._provable = visible.clip(TimeRange(visible.start, visible.end - max(ahead, 0)))

    def _take(self, batch: Batch) -> Iterator[pa.Table]:
        self._rejections += batch.rejections
        if batch.versions:
            latest, new_states = arrow_rows.states(self.key, self._now, batch.versions)
            self._latest.append(latest)
            if new_states.num_rows:
                yield new_states

    def latest_states(self) -> pa.Table:
        """Return rows of ``tasks``: one a task that is new, changed or in flight."""
        if not self._latest:
            return tables.TASKS.schema.empty_table()
        latest = pa.concat_tables(self._latest)
        superseded = self._history.superseded
        if not superseded:
            return latest
        versions = zip(
            latest["job_id"].to_pylist(), latest["version_count"].to_pylist(), strict=True
        )
        return latest.filter(pa.array([version not in superseded for version in versions]))

    def rejected_records(self) -> pa.Table:
        """Return rows of ``rejected_records``."""
        run_id = self._run.run_id
        return arrow_rows.rejected_records(self.key, run_id, self._now, self._rejections)

    def vanished_tasks(self) -> pa.Table:
        """Return rows of ``vanished_tasks``."""
        return arrow_rows.vanished_tasks(self.key, self._run.run_id, self._history.vanishings)

    def coverage_rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield rows of ``coverage``: a window proves nothing beyond what was visible."""
        for purpose, reading in self._reading.windows:
            covered = reading.time_range.clip(self._provable)
            yield {
                **self.key._asdict(),
                "run_id": self._run.run_id,
                "observed_at": self._now,
                "purpose": purpose.value,
                "window_from": reading.time_range.start,
                "window_to": reading.time_range.end,
                "covered_from": covered.start,
                "covered_to": covered.end,
                "is_complete": reading.is_complete,
                "distinct_count": reading.distinct_count,
                "total_count": reading.total_count,
                "reason": reading.doubt,
            }

    def run_row(self) -> Mapping[str, Any]:
        """Return the row of ``load_runs``."""
        summary = self.summary()
        doubts = "; ".join(summary.doubts)
        return {
            **self.key._asdict(),
            "run_id": self._run.run_id,
            "load_number": self._run.load_number,
            "observed_at": self._now,
            "outcome": summary.outcome.value,
            "error": str(summary.error) if summary.error else doubts or None,
            "seen_count": summary.seen_count,
            "new_count": summary.new_count,
            "changed_count": summary.changed_count,
            "rejected_count": summary.rejected_count,
            "vanished_count": summary.vanished_count,
            "call_count": summary.call_count,
            "horizon_ms": self._run.settings.horizon // 1000,
            "expected_count": self._reading.expected_count,
            "reported_count": self._reading.reported_count,
            "is_count_usable": self._reading.is_count_usable,
            "is_running_listed": self._reading.is_running_listed,
            "is_sweep_whole": self._reading.is_sweep_whole,
            "gone_rejects": " ".join(sorted(self._history.gone_rejects)) or None,
            "tool_version": self._run.tool_version,
            # Known when the night is sealed.
            "archive_sequence": None,
            "head_digest": None,
        }

    def summary(self) -> ProjectSummary:
        """Return what the load found in the project."""
        vanishings = self._history.vanishings
        return ProjectSummary(
            key=self.key,
            outcome=self._outcome(),
            doubts=tuple(self._reading.doubts),
            error=self._error,
            seen_count=self._history.seen_count,
            new_count=self._history.new_count,
            changed_count=self._history.changed_count,
            rejected_count=len(self._rejections),
            vanished_count=sum(1 for v in vanishings if v.reappeared_at is None),
            call_count=self._call_count,
            windows=tuple(
                WindowSummary(purpose, each.time_range, each.distinct_count, each.is_complete)
                for purpose, each in self._reading.windows
            ),
        )

    def state_after(self) -> ProjectState:
        """Return what is known of the project once this load is kept."""
        before = self._source.state
        if self._error is not None and not self._reading.windows:
            return before
        complete = [w for w in self._reading.windows if w.reading.is_complete]
        covered = [w.reading.time_range.clip(self._provable) for w in complete]
        # What this clock has not reached yet cannot have been covered before it.
        so_far = (TimeRange(start, min(end, self._now)) for start, end in before.covered)
        full_reads = [w for w in self._reading.windows if w.purpose is Purpose.HORIZON]
        full = bool(full_reads) and all(w.reading.is_complete for w in full_reads)
        return ProjectState(
            known_from=before.known_from,
            tasks=self._history.known(),
            covered=merge((*so_far, *covered)),
            rejected=self._history.rejected(),
            gone_rejects=frozenset(self._history.gone_rejects),
            is_count_usable=self._reading.is_count_usable,
            is_running_listed=self._reading.is_running_listed,
            is_sweep_whole=self._reading.is_sweep_whole,
            last_full_read_at=self._now if full else before.last_full_read_at,
            last_observed_at=self._now,
            last_load_number=self._run.load_number,
        )

    @property
    def _now(self) -> Micros:
        return self._run.settings.now

    def _outcome(self) -> Outcome:
        if self._error is not None:
            return Outcome.FAILED
        return Outcome.INCOMPLETE if self._reading.doubts else Outcome.COMPLETE
