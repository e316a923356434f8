"""Read one project into rows of the tables that a load fills."""

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
from gaussdb_tasks.extract.change_detection import ChangeDetector, FindHashes
from gaussdb_tasks.extract.observations import Batch
from gaussdb_tasks.extract.paging import FetchPage
from gaussdb_tasks.extract.plan import Purpose
from gaussdb_tasks.extract.project import ProjectReader
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState
from gaussdb_tasks.model.task import Rejection
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import SECOND, Micros, to_datetime
from gaussdb_tasks.settings import LoadSettings


class Outcome(StrEnum):
    """The result of a load for a project."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """Read, but not proved complete."""
    FAILED = "failed"
    """Not read to the end."""


@dataclass(frozen=True)
class Run:
    """The identity of a load, and how it reads.

    Attributes:
        on_progress: receives the tasks seen and announced so far, while a project is read.
        on_read: receives the summary of a project after it was read, in the thread that read it.
    """

    run_id: str
    load_number: int
    tool_version: str
    settings: LoadSettings
    connections: int = 8
    on_progress: Callable[[ProjectKey, int, int], None] = field(
        default=lambda _project, _seen, _announced: None
    )
    on_read: "Callable[[ProjectSummary], None]" = field(default=lambda _summary: None)


@dataclass(frozen=True)
class ProjectSource:
    """One project to read: how to fetch its pages, and its state after the last load.

    Attributes:
        calls_made: returns how many calls were made so far.
        find: finds a known task by job_id and created_at that is older than ``state`` holds.
        find_hashes: finds the versions of tasks for which ``state`` has no earlier hashes.
        clock_ahead: returns by how much the load's clock is ahead of the service's; None if that is
            not known, or if the load does not use the machine's clock.
        learned_name: returns the project's name if the load has learned it, or an empty text.
    """

    key: ProjectKey
    fetch_page: FetchPage
    calls_made: Callable[[], int]
    state: ProjectState
    find: Callable[[str, Micros], KnownTask | None]
    find_hashes: FindHashes = lambda _tasks: {}
    clock_ahead: Callable[[], Micros | None] = lambda: None
    learned_name: Callable[[], str] = lambda: ""

    @property
    def name(self) -> str | None:
        """The project's name as this load learned it, else as an earlier one did."""
        return self.learned_name() or self.state.name

    @classmethod
    def unreadable(cls, key: ProjectKey, error: GaussdbTasksError, name: str) -> "ProjectSource":
        """Make a source that raises the error, so that the project is recorded as failed."""

        def fetch_page(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:  # noqa: ARG001 - there is no page
            raise error

        empty = ProjectState(known_from=0)
        return cls(
            key,
            fetch_page,
            lambda: 0,
            empty,
            lambda _job_id, _created_at: None,
            learned_name=lambda: name,
        )


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """A window of time that was read, or part of one."""

    purpose: Purpose
    time_range: TimeRange
    task_count: int
    is_complete: bool


@dataclass(frozen=True)
class ProjectSummary:
    """The result of a load for one project."""

    key: ProjectKey
    name: str | None
    outcome: Outcome
    incomplete_reasons: tuple[str, ...]
    error: GaussdbTasksError | None
    seen_count: int
    new_count: int
    changed_count: int
    rejected_count: int
    vanished_count: int
    call_count: int
    windows: tuple[WindowSummary, ...]


def new_run_id(clock: Micros) -> str:
    """Make a unique id of a load that begins with its clock."""
    return f"{to_datetime(clock):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


def next_load_number(sources: Iterable[ProjectSource]) -> int:
    """Return the number of the next load, counted over all projects."""
    return 1 + max((source.state.last_load_number for source in sources), default=0)


class ProjectExtraction:
    """Reads one project and builds its rows.

    Args:
        keep_latest: takes rows of ``tasks`` while they arrive; a later state may follow.
    """

    def __init__(
        self, source: ProjectSource, run: Run, keep_latest: Callable[[pa.Table], None]
    ) -> None:
        self.key = source.key
        self._source = source
        self._run = run
        self._changes = ChangeDetector(
            source.state, run.settings.now, source.find, source.find_hashes
        )
        self._reader = ProjectReader(
            source.fetch_page,
            run.settings,
            source.state,
            self._changes,
            connections=run.connections,
            on_progress=lambda seen, announced: run.on_progress(source.key, seen, announced),
        )
        self._keep_latest = keep_latest
        self._final_summary: ProjectSummary | None = None
        self._rejections: list[Rejection] = []
        self._error: GaussdbTasksError | None = None
        self._call_count = 0
        self._provable = run.settings.visible

    def read(self) -> Iterator[pa.Table]:
        """Yield rows of ``task_versions`` while they arrive; an error of the API ends them."""
        calls_before = self._source.calls_made()
        try:
            for batch in self._reader.batches():
                yield from self._take(batch)
        except GaussdbTasksError as error:
            self._error = error
        yield from self._take(self._reader.settle())
        self._call_count = self._source.calls_made() - calls_before
        self._compare_clocks()
        self._run.on_read(self.summary())

    def _compare_clocks(self) -> None:
        ahead = self._source.clock_ahead() or 0
        if abs(ahead) > self._run.settings.margin:
            which = "ahead of" if ahead > 0 else "behind"
            self._reader.incomplete_reasons.append(
                f"this machine's clock is {abs(ahead) // SECOND:,} seconds {which} the service's; "
                "set it (NTP)"
            )
        visible = self._run.settings.visible
        # Time after the service's clock is not counted as covered.
        self._provable = visible.clip(TimeRange(visible.start, visible.end - max(ahead, 0)))

    def _take(self, batch: Batch) -> Iterator[pa.Table]:
        self._rejections += batch.rejections
        parts = []
        if len(batch.new):
            parts.append(arrow_rows.first_states(self.key, self._now, batch.new))
        if batch.versions:
            parts.append(arrow_rows.states(self.key, self._now, batch.versions))
        for latest, new_states in parts:
            self._keep_latest(latest)
            if new_states.num_rows:
                yield new_states

    def still_latest(self, latest: pa.Table) -> pa.Table:
        """Return those of some rows of ``tasks`` that no later state of the load followed."""
        superseded = self._changes.superseded
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
        return arrow_rows.vanished_tasks(self.key, self._run.run_id, self._changes.vanishings)

    def coverage_rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield rows of ``coverage``; a window covers no time that was not visible."""
        for purpose, result in self._reader.windows:
            covered = result.time_range.clip(self._provable)
            yield {
                **self.key._asdict(),
                "run_id": self._run.run_id,
                "observed_at": self._now,
                "purpose": purpose.value,
                "window_from": result.time_range.start,
                "window_to": result.time_range.end,
                "covered_from": covered.start,
                "covered_to": covered.end,
                "is_complete": result.is_complete,
                "distinct_count": result.distinct_count,
                "total_count": result.total_count,
                "reason": result.incomplete_reason or result.note,
            }

    def run_row(self) -> Mapping[str, Any]:
        """Return the row of ``load_runs``."""
        summary = self.summary()
        reasons = "; ".join(summary.incomplete_reasons)
        traits = self._reader.traits
        return {
            **self.key._asdict(),
            "project_name": summary.name,
            "run_id": self._run.run_id,
            "load_number": self._run.load_number,
            "observed_at": self._now,
            "outcome": summary.outcome.value,
            "error": str(summary.error) if summary.error else reasons or None,
            "seen_count": summary.seen_count,
            "new_count": summary.new_count,
            "changed_count": summary.changed_count,
            "rejected_count": summary.rejected_count,
            "vanished_count": summary.vanished_count,
            "call_count": summary.call_count,
            "horizon_ms": self._run.settings.horizon // 1000,
            "expected_count": self._reader.expected_count,
            "reported_count": self._reader.reported_count,
            "is_count_usable": traits.is_count_usable,
            "is_running_listed": traits.is_running_listed,
            "is_sweep_whole": traits.is_sweep_whole,
            "gone_rejects": " ".join(sorted(self._changes.gone_rejects)) or None,
            "tool_version": self._run.tool_version,
            # Filled in when the archive entry is written.
            "archive_sequence": None,
            "head_digest": None,
            "archive_id": None,
        }

    def summary(self) -> ProjectSummary:
        """Return the result of the load for the project."""
        if self._final_summary is not None:
            return self._final_summary
        vanishings = self._changes.vanishings
        return ProjectSummary(
            key=self.key,
            name=self._source.name,
            outcome=self._outcome(),
            incomplete_reasons=tuple(self._reader.incomplete_reasons),
            error=self._error,
            seen_count=self._changes.seen_count,
            new_count=self._changes.new_count,
            changed_count=self._changes.changed_count,
            rejected_count=len(self._rejections),
            vanished_count=sum(1 for v in vanishings if v.reappeared_at is None),
            call_count=self._call_count,
            windows=tuple(
                WindowSummary(purpose, each.time_range, each.distinct_count, each.is_complete)
                for purpose, each in self._reader.windows
            ),
        )

    def forget_states(self) -> None:
        """Free the known states, after the project was read; ``state_after`` needs them."""
        self._final_summary = self.summary()
        self._changes.forget_states()

    def state_after(self) -> ProjectState:
        """Return the state of the project after this load is published."""
        before, traits = self._source.state, self._reader.traits
        if self._error is not None and not self._reader.windows:
            return before
        complete = [w for w in self._reader.windows if w.result.is_complete]
        covered = [w.result.time_range.clip(self._provable) for w in complete]
        # Time after this clock cannot be covered; an earlier clock may have been ahead.
        so_far = (TimeRange(start, min(end, self._now)) for start, end in before.covered)
        is_full = self._reader.is_horizon_proved
        return ProjectState(
            known_from=before.known_from,
            tasks=self._changes.known_tasks(),
            earlier_hashes=self._changes.earlier_hashes(),
            covered=merge((*so_far, *covered)),
            rejected=self._changes.rejected(),
            gone_rejects=frozenset(self._changes.gone_rejects),
            is_count_usable=traits.is_count_usable,
            is_running_listed=traits.is_running_listed,
            is_sweep_whole=traits.is_sweep_whole,
            last_full_read_at=self._now if is_full else before.last_full_read_at,
            last_observed_at=self._now,
            last_load_number=self._run.load_number,
            excess_count=self._reader.excess_count,
            name=self._source.name,
        )

    @property
    def _now(self) -> Micros:
        return self._run.settings.now

    def _outcome(self) -> Outcome:
        if self._error is not None:
            return Outcome.FAILED
        return Outcome.INCOMPLETE if self._reader.incomplete_reasons else Outcome.COMPLETE
