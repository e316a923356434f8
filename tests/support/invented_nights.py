"""A series of complete loads of a living task center, compared with what it showed.

Nothing is replaced: HTTP, dlt, DuckDB, checks, publication. The emulator and the load share a clock
that jumps as the test says.
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
from gaussdb_tasks.load import LoadReport
from gaussdb_tasks.model.record import content_hash
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros
from tests.support.loads import load, rows
from tests.support.visible_history import HORIZON, Sight, VisibleHistory


@dataclass(frozen=True)
class NightOf:
    """One load: its time, its projects, and which of them are forbidden."""

    now: Micros
    project_ids: tuple[str, ...]
    forbidden: Collection[str] = ()


@dataclass
class Story:
    """A series of loads, and what the archive should hold after it."""

    folder: Path
    should: dict[str, VisibleHistory] = field(default_factory=lambda: defaultdict(VisibleHistory))
    reports: list[LoadReport] = field(default_factory=list)

    def load(self, world: InventedWorld, nights: Iterable[NightOf]) -> None:
        """Make the loads one by one."""
        for night in nights:
            clock = SettableClock(night.now)
            with Emulator(world, clock=clock, forbidden_projects=night.forbidden) as emulator:
                report = load(emulator, self.folder, night.now, project_ids=night.project_ids)
            self.reports.append(report)
            for project in report.projects:
                if project.outcome is not Outcome.FAILED:
                    project_id = project.key.project_id
                    self.should[project_id].note(night.now, visible(world, project_id, night.now))

    def faults(self) -> list[str]:
        """Return the differences between the archive and what it should hold."""
        return [
            f"{project_id}: {fault}"
            for project_id, should in self.should.items()
            for fault in self._faults_of(project_id, should)
        ]

    def _faults_of(self, project_id: str, should: VisibleHistory) -> Iterable[str]:
        states = self._states(project_id)
        for job_id in states.keys() | should.states.keys():
            if states.get(job_id) != should.states.get(job_id):
                yield f"{job_id}: {states.get(job_id)}, not {should.states.get(job_id)}"
        gaps = [TimeRange(int(a), int(b)) for a, b in self._gaps(project_id)]
        if gaps != list(should.gaps()):
            yield f"gaps {gaps}, not {should.gaps()}"
        sql = "select job_id from tasks where vanished_at is not null and project_id = "
        vanished = {job_id for (job_id,) in rows(self.folder, f"{sql} '{project_id}'")}
        if not should.deleted <= vanished <= should.perhaps_deleted:
            yield f"vanished: {vanished ^ should.deleted}"

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


def visible(world: InventedWorld, project_id: str, now: Micros) -> dict[str, Sight]:
    """Return what the task center shows of a project at a time."""
    snapshot = world.snapshot(project_id, since=now - HORIZON, now=now)
    sights = {}
    for task in snapshot.tasks:
        if now - HORIZON <= task.created_at <= now:
            fields = json.loads(task.body_at(now))
            sights[task.job_id] = Sight(
                task.created_at, is_final(fields["status"]), content_hash(fields)
            )
    return sights


def nights_of(world: InventedWorld, begin: Micros, count: int, seed: int) -> list[NightOf]:
    """Invent a series of loads: most a day apart, some missed, a clock that jumps, lost rights."""
    choice = random.Random(seed)  # noqa: S311 - a story, not a secret
    first, *others = [project.project_id for project in world.projects]
    nights: list[NightOf] = []
    now = begin
    for number in range(count):
        kind = choice.choices(["usual", "missed", "back", "ahead"], [80, 14, 3, 3])[0]
        match kind:
            case "usual":
                now += DAY + choice.randrange(-HOUR, HOUR) // MINUTE * MINUTE
            case "missed":
                now += choice.randint(2, 40) * DAY
            case "back":
                now -= choice.randint(1, 48) * HOUR
            case "ahead":
                now += choice.randint(1, 23) * HOUR
        # The other projects appear a few loads later, and lose their permission now and then.
        project_ids = (first, *others) if number >= 3 else (first,)
        forbidden = set(others) if number >= 3 and choice.random() < 0.1 else set()
        nights.append(NightOf(now, project_ids, frozenset(forbidden)))
    return nights
