"""Run a series of loads of an invented task center, and compare the archive with its history.

The loads are complete: HTTP, dlt, DuckDB, checks, publication. The emulator and the load share a
clock that the test sets.
"""

import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.emulator import Emulator, InventedWorld, SettableClock
from gaussdb_tasks.extract.project_tables import Outcome
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.record import content_hash
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros
from tests.support.loads import load, rows
from tests.support.visible_history import HORIZON, TaskState, VisibleHistory


@dataclass(frozen=True)
class LoadAt:
    """One load: its time, its projects, and which of them are forbidden."""

    now: Micros
    project_ids: tuple[str, ...]
    forbidden: Collection[str] = ()


@dataclass
class LoadSeries:
    """A series of loads, and the history that the archive must hold after it."""

    folder: Path
    expected: dict[str, VisibleHistory] = field(default_factory=lambda: defaultdict(VisibleHistory))
    reports: list[LoadReport] = field(default_factory=list)

    def load(self, world: InventedWorld, loads: Iterable[LoadAt]) -> None:
        """Run the loads in order."""
        for each in loads:
            clock = SettableClock(each.now)
            with Emulator(world, clock=clock, forbidden_projects=each.forbidden) as emulator:
                report = load(emulator, self.folder, each.now, project_ids=each.project_ids)
            self.reports.append(report)
            for project in report.projects:
                if project.outcome is not Outcome.FAILED:
                    project_id = project.key.project_id
                    self.expected[project_id].add_load(
                        each.now, visible(world, project_id, each.now)
                    )

    def differences(self) -> list[str]:
        """Return the differences between the archive and the expected history."""
        return [
            f"{project_id}: {difference}"
            for project_id, expected in self.expected.items()
            for difference in self._differences_of(project_id, expected)
        ]

    def _differences_of(self, project_id: str, expected: VisibleHistory) -> Iterable[str]:
        states = self._states(project_id)
        for job_id in states.keys() | expected.states.keys():
            if states.get(job_id) != expected.states.get(job_id):
                yield f"{job_id}: {states.get(job_id)}, not {expected.states.get(job_id)}"
        gaps = [TimeRange(int(a), int(b)) for a, b in self._gaps(project_id)]
        if gaps != list(expected.gaps()):
            yield f"gaps {gaps}, not {expected.gaps()}"
        sql = "select job_id from tasks where vanished_at is not null and project_id = "
        vanished = {job_id for (job_id,) in rows(self.folder, f"{sql} '{project_id}'")}
        if not expected.deleted <= vanished <= expected.possibly_deleted:
            yield f"vanished: {vanished ^ expected.deleted}"

    def _states(self, project_id: str) -> dict[str, list[tuple[Micros, str]]]:
        sql = (
            "select job_id, epoch_us(valid_from), version_hash from task_history where project_id ="
        )
        states: dict[str, list[tuple[Micros, str]]] = defaultdict(list)
        for job_id, at, hash_ in rows(self.folder, f"{sql} '{project_id}' order by version"):
            states[job_id].append((at, hash_))
        return states

    def _gaps(self, project_id: str) -> list[tuple[Any, ...]]:
        sql = "select epoch_us(gap_from), epoch_us(gap_to) from coverage_gaps"
        return rows(self.folder, f"{sql} where project_id = '{project_id}' order by gap_from")


def visible(world: InventedWorld, project_id: str, now: Micros) -> dict[str, list[TaskState]]:
    """Return the tasks of a project that the task center lists at a time."""
    snapshot = world.snapshot(project_id, since=now - HORIZON, now=now)
    states = {}
    for task in snapshot.tasks:
        if now - HORIZON <= task.created_at <= now:
            fields = json.loads(task.body_at(now))
            state = TaskState(task.created_at, is_final(fields["status"]), content_hash(fields))
            states[task.job_id] = [state]
    return states


def invent_loads(world: InventedWorld, begin: Micros, count: int, seed: int) -> list[LoadAt]:
    """Invent a series of loads: most are daily; some are missed, or have a wrong clock."""
    rng = random.Random(seed)  # noqa: S311 - invented loads, not a secret
    first, *others = [project.project_id for project in world.projects]
    loads: list[LoadAt] = []
    now = begin
    for number in range(count):
        kind = rng.choices(["usual", "missed", "back", "ahead"], [80, 14, 3, 3])[0]
        match kind:
            case "usual":
                now += DAY + rng.randrange(-HOUR, HOUR) // MINUTE * MINUTE
            case "missed":
                now += rng.randint(2, 40) * DAY
            case "back":
                now -= rng.randint(1, 48) * HOUR
            case "ahead":
                now += rng.randint(1, 23) * HOUR
        # The other projects appear a few loads later, and sometimes forbid access.
        project_ids = (first, *others) if number >= 3 else (first,)
        forbidden = set(others) if number >= 3 and rng.random() < 0.1 else set()
        loads.append(LoadAt(now, project_ids, frozenset(forbidden)))
    return loads
