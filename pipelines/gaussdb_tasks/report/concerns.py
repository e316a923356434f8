"""What somebody should look at, said in sentences at the head of the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gaussdb_tasks.report.figures import Figures, ProjectStatus
from gaussdb_tasks.report.words import counted, moment, shown

_FEW_NIGHTS: Final = 7


class Weight(StrEnum):
    """How much something matters."""

    ACT = "act"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Concern:
    """Something to look at, and the part of the page that has the details."""

    weight: Weight
    text: str
    section: str


def concerns(figures: Figures) -> list[Concern]:
    """Return what somebody should look at, the pressing first."""
    found = [
        *_of_gaps(figures),
        *(each for project in figures.projects for each in _of_project(project.status)),
        *_of_tasks(figures),
    ]
    return sorted(found, key=lambda concern: concern.weight)


def _of_gaps(figures: Figures) -> Iterator[Concern]:
    lost, still_open = figures.headline.lost_gap_count, figures.headline.open_gap_count
    if still_open:
        stretches = counted(still_open, "stretch of time is", "stretches of time are")
        text = f"{stretches} not proved read; a load can still read what is there."
        yield Concern(Weight.ACT, text, "coverage")
    if lost:
        stretches = counted(lost, "stretch of time is", "stretches of time are")
        text = f"{stretches} lost: forgotten by the task center before a load had read it all."
        yield Concern(Weight.LOOK, text, "coverage")


def _of_project(status: ProjectStatus) -> Iterator[Concern]:
    name = f"Project {shown(status.project_id, 60)}"
    if status.last_outcome != "complete":
        text = f"{name}: its last load was {shown(status.last_outcome, 60)}."
        yield Concern(Weight.ACT, text, "projects")
    if status.nights_left is not None and status.nights_left < _FEW_NIGHTS:
        nights = counted(status.nights_left, "night")
        text = (
            f"{name}: {nights} left until something fades unread "
            f"({moment(status.loss_begins_at)}); load before."
        )
        yield Concern(Weight.ACT, text, "projects")


def _of_tasks(figures: Figures) -> Iterator[Concern]:
    headline = figures.headline
    if headline.overdue_count:
        tasks = counted(headline.overdue_count, "task in flight has", "tasks in flight have")
        text = f"{tasks} taken longer than 95 % of the finished ones of their kind."
        yield Concern(Weight.LOOK, text, "stuck")
    if headline.rejected_count:
        records = counted(headline.rejected_count, "record")
        text = f"{records} could not be read as tasks; kept word for word in rejected_records."
        yield Concern(Weight.LOOK, text, "projects")
    if headline.vanished_count:
        tasks = counted(headline.vanished_count, "task was", "tasks were")
        text = f"{tasks} deleted from the task center; the archive still has them."
        yield Concern(Weight.LOOK, text, "projects")
