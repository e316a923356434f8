"""List what needs attention, each with the rows that it speaks of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gaussdb_tasks.model.project_state import MAX_CRITICAL_NIGHTS, MAX_LOAD_AGE_HOURS
from gaussdb_tasks.report.figures import CoverageGap, Figures, Listing, ProjectStatus
from gaussdb_tasks.report.formatting import MISSING, counted, duration, shown
from gaussdb_tasks.report.queries import MAX_ROWS
from gaussdb_tasks.report.tables import (
    PROJECT,
    TASK,
    Cell,
    Column,
    Projects,
    Table,
    count_cell,
    duration_cell,
    make_table,
    name_cell,
    text_cell,
    time_cell,
)

_MAX_OUTCOME: Final = 40


class Urgency(StrEnum):
    """Whether somebody must act or only look."""

    ACT = "act"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A heading with a count, an explanation, and the rows."""

    urgency: Urgency
    title: str
    explanation: str
    table: Table


def attention_items(figures: Figures, made_at: datetime) -> list[AttentionItem]:
    """Return what needs attention, the urgent first."""
    projects = Projects(figures.projects)
    found = (
        _projects(figures, projects, made_at),
        _open_gaps(figures, projects, made_at),
        *_tasks(figures, projects),
        _rejected(figures, projects),
        _lost_gaps(figures, projects),
    )
    return [item for item in found if item.table.total]


def project_problems(status: ProjectStatus, made_at: datetime) -> Iterator[str]:
    """Yield why a project needs a load, in words."""
    if status.last_outcome != "complete":
        yield f"last load {shown(status.last_outcome, _MAX_OUTCOME)}"
    if status.last_success_at is None:
        yield "never a complete load"
    else:
        age = made_at - status.last_success_at
        if age >= timedelta(hours=MAX_LOAD_AGE_HOURS):
            yield f"last complete load {duration(age.total_seconds())} ago"
    if status.nights_left is not None and status.nights_left <= MAX_CRITICAL_NIGHTS:
        yield f"unread records expire in {counted(status.nights_left, 'night')}"


def _projects(figures: Figures, projects: Projects, made_at: datetime) -> AttentionItem:
    def problems(status: ProjectStatus) -> Cell:
        return Cell("; ".join(project_problems(status, made_at)))

    wanted = [each for each in figures.projects if any(project_problems(each, made_at))]
    listing = Listing.of(sorted(wanted, key=lambda each: each.nights_left or 0), MAX_ROWS)
    columns = (
        Column(PROJECT, projects.cell),
        Column("Problem", problems),
        Column("Last complete load", lambda status: time_cell(status.last_success_at)),
        Column("Unread records expire", lambda status: time_cell(status.loss_begins_at)),
        Column("Nights left", lambda status: count_cell(status.nights_left), "number"),
    )
    return AttentionItem(
        Urgency.ACT,
        counted(listing.total, "project needs a load", "projects need a load"),
        "Run a load before unread records expire.",
        make_table("Projects that need a load", listing, columns, "status", projects),
    )


def _open_gaps(figures: Figures, projects: Projects, made_at: datetime) -> AttentionItem:
    def time_left(gap: CoverageGap) -> Cell:
        if gap.expires_at is None:
            return Cell(MISSING)
        seconds = (gap.expires_at - made_at).total_seconds()
        return duration_cell(seconds) if seconds > 0 else Cell("now", 0)

    gaps = [gap for gap in figures.gaps if not gap.is_lost]
    listing = Listing.of(sorted(gaps, key=lambda gap: gap.expires_at or gap.gap_to), MAX_ROWS)
    columns = (*_gap(projects), Column("Records expire in", time_left, "number"))
    return AttentionItem(
        Urgency.ACT,
        counted(listing.total, "open coverage gap"),
        "Not all records were read. The next load can read those that have not expired.",
        make_table("Open coverage gaps", listing, columns, "query gaps", projects),
    )


def _lost_gaps(figures: Figures, projects: Projects) -> AttentionItem:
    listing = Listing.of([gap for gap in reversed(figures.gaps) if gap.is_lost], MAX_ROWS)
    return AttentionItem(
        Urgency.LOOK,
        counted(listing.total, "lost coverage gap"),
        "Records expired in the task center before a load had read them all.",
        make_table("Lost coverage gaps", listing, _gap(projects), "query gaps", projects),
    )


def _tasks(figures: Figures, projects: Projects) -> Iterator[AttentionItem]:
    def item(
        listing: Listing, title: str, explanation: str, question: str, *columns: Column
    ) -> AttentionItem:
        table = make_table(
            f"Tasks {title}", listing, (*TASK, *columns), f"query {question}", projects
        )
        heading = f"{counted(listing.total, 'task')} {title}"
        return AttentionItem(Urgency.LOOK, heading, explanation, table)

    yield item(
        figures.failed_tasks,
        "newly failed",
        "Found failed by the last load, but not by the load before.",
        "failed_last_night",
        Column("Reason", lambda task: text_cell(task.fail_reason), "long"),
    )
    yield item(
        figures.overdue_tasks,
        "overdue",
        "At the last load older than 95 % of the finished tasks of the same kind: may be stuck.",
        "stuck_now",
        Column("Age", lambda task: duration_cell(task.age_seconds), "number"),
        Column("95 % within", lambda task: duration_cell(task.typical_seconds), "number"),
    )
    yield item(
        figures.lost_tasks,
        "lost from sight",
        "Left the task center before a load found an end.",
        "lost_from_sight",
        Column("Last status", lambda task: name_cell(task.status)),
        Column("Last seen", lambda task: time_cell(task.last_seen_at)),
    )
    yield item(
        figures.deleted_tasks,
        "deleted in the task center",
        "Kept in the archive.",
        "deleted_records",
        Column("Last status", lambda task: name_cell(task.status)),
        Column("Deletion found", lambda task: time_cell(task.vanished_at)),
    )


def _rejected(figures: Figures, projects: Projects) -> AttentionItem:
    listing = figures.rejected_records
    columns = (
        Column(PROJECT, projects.cell, "name"),
        Column("Read at", lambda record: time_cell(record.observed_at)),
        Column("Reason", lambda record: text_cell(record.reason), "long"),
        Column("Task id", lambda record: name_cell(record.job_id)),
    )
    return AttentionItem(
        Urgency.LOOK,
        counted(listing.total, "record was rejected", "records were rejected"),
        "Could not be read as tasks. Kept in the archive as received.",
        make_table(
            "Rejected records",
            listing,
            columns,
            'query "from task_center.rejected_records"',
            projects,
        ),
    )


def _gap(projects: Projects) -> Sequence[Column]:
    return (
        Column(PROJECT, projects.cell, "name"),
        Column("From", lambda gap: time_cell(gap.gap_from)),
        Column("To", lambda gap: time_cell(gap.gap_to)),
        Column("Length", lambda gap: duration_cell(gap.gap_seconds), "number"),
    )
