"""List what needs attention, as sentences for the top of the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gaussdb_tasks.model.project_state import project_label
from gaussdb_tasks.report.figures import Figures, ProjectStatus
from gaussdb_tasks.report.formatting import counted, minute, shown

_MIN_NIGHTS_LEFT: Final = 7
_MAX_NAME: Final = 60


class Urgency(StrEnum):
    """Whether somebody must act or only look."""

    ACT = "act"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A sentence, and the id of the page section with the details."""

    urgency: Urgency
    text: str
    section: str


def attention_items(figures: Figures) -> list[AttentionItem]:
    """Return what needs attention, the urgent first."""
    found = [
        *_of_gaps(figures),
        *(each for project in figures.projects for each in _of_project(project.status)),
        *_of_tasks(figures),
    ]
    return sorted(found, key=lambda item: item.urgency is not Urgency.ACT)


def _of_gaps(figures: Figures) -> Iterator[AttentionItem]:
    lost, still_open = figures.totals.lost_gap_count, figures.totals.open_gap_count
    if still_open:
        gaps = counted(still_open, "open coverage gap")
        text = f"{gaps}: not all records were read; the next load can still read them."
        yield AttentionItem(Urgency.ACT, text, "coverage")
    if lost:
        gaps = counted(lost, "lost coverage gap")
        text = f"{gaps}: records expired in the task center before a load had read them all."
        yield AttentionItem(Urgency.LOOK, text, "coverage")


def _of_project(status: ProjectStatus) -> Iterator[AttentionItem]:
    project_name = status.project_name and shown(status.project_name, _MAX_NAME)
    name = f"Project {project_label(shown(status.project_id, _MAX_NAME), project_name)}"
    if status.last_outcome != "complete":
        text = f"{name}: the last load ended as {shown(status.last_outcome, _MAX_NAME)}."
        yield AttentionItem(Urgency.ACT, text, "projects")
    if status.nights_left is not None and status.nights_left < _MIN_NIGHTS_LEFT:
        text = (
            f"{name}: unread records expire in {counted(status.nights_left, 'night')} "
            f"({minute(status.loss_begins_at)}); run a load before then."
        )
        yield AttentionItem(Urgency.ACT, text, "projects")


def _of_tasks(figures: Figures) -> Iterator[AttentionItem]:
    totals = figures.totals
    if totals.overdue_count:
        tasks = counted(totals.overdue_count, "task is", "tasks are")
        text = f"{tasks} overdue: older than 95 % of the finished tasks of the same kind."
        yield AttentionItem(Urgency.LOOK, text, "stuck")
    if totals.lost_task_count:
        tasks = counted(totals.lost_task_count, "task is", "tasks are")
        text = f"{tasks} lost from sight: the task center dropped them before they had ended."
        yield AttentionItem(Urgency.LOOK, text, "projects")
    if totals.rejected_count:
        records = counted(totals.rejected_count, "record")
        text = f"{records} could not be parsed; the table rejected_records has the originals."
        yield AttentionItem(Urgency.LOOK, text, "projects")
    if totals.vanished_count:
        tasks = counted(totals.vanished_count, "task was", "tasks were")
        text = f"{tasks} deleted in the task center, and kept in the archive."
        yield AttentionItem(Urgency.LOOK, text, "projects")
