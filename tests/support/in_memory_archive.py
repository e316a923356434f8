"""Load one project several times into memory, without dlt and without a database.

The archive keeps the rows that the source yields. Between loads it keeps the state that the source
returns, as a user's own pipeline does.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.paging import FetchPage
from gaussdb_tasks.extract.project_tables import Outcome, ProjectSource, Run, next_load_number
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState
from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from gaussdb_tasks.model.times import DAY, Micros, from_datetime
from gaussdb_tasks.settings import LoadSettings

PROJECT: Final = ProjectKey("eu-de", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")


@dataclass
class InMemoryArchive:
    """The rows of one project after all loads so far."""

    versions: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    coverage: list[dict[str, Any]] = field(default_factory=list)
    vanished: list[dict[str, Any]] = field(default_factory=list)
    state: ProjectState | None = None

    def load(self, center: FetchPage, now: Micros) -> Outcome:
        """Load once; a failed load changes nothing."""
        state = self.state or ProjectState(known_from=now - 31 * DAY)
        source = ProjectSource(PROJECT, center, lambda: 0, state, lambda _id, _at: None)
        run = Run(
            f"run at {now}",
            next_load_number([source]),
            "test",
            LoadSettings(now=now),
            connections=1,
        )
        extraction = Extraction(run, [source])
        try:
            versions = _rows(extraction.task_versions())
        except GaussdbTasksError:
            return Outcome.FAILED
        self.versions += versions
        self.tasks |= {row["job_id"]: row for row in _rows(extraction.tasks())}
        self.coverage += _rows(extraction.coverage())
        self.vanished += _rows(extraction.vanished_tasks())
        (project,) = extraction.projects
        self.state = project.state_after()
        return project.summary().outcome

    def states(self) -> dict[str, list[tuple[Micros, str]]]:
        """Return the versions of each task: the time of the first observation, and the content."""
        states: dict[str, list[tuple[Micros, str]]] = defaultdict(list)
        for row in sorted(self.versions, key=lambda row: int(row["version"])):
            states[row["job_id"]].append((_micros(row["observed_at"]), row["version_hash"]))
        return states

    def gaps(self) -> tuple[TimeRange, ...]:
        """Return the time ranges that no complete window covers."""
        ranges = [
            TimeRange(_micros(r["covered_from"]), _micros(r["covered_to"])) for r in self.coverage
        ]
        covered = merge(
            covered_range
            for covered_range, row in zip(ranges, self.coverage, strict=True)
            if row["is_complete"]
        )
        if not ranges:
            return ()
        total = TimeRange(
            min(each.start for each in ranges),
            max(each.end for each in ranges),
        )
        return subtract(total, covered)


def _rows(batches: Any) -> list[dict[str, Any]]:
    table = pa.concat_tables(list(batches))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _micros(value: Any) -> Micros:
    return from_datetime(value)
