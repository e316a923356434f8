"""The parts of a table on the page, and the cells that tables share; foreign text is escaped."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from gaussdb_tasks.report import captions, formatting, svg
from gaussdb_tasks.report.figures import Listing, ProjectStatus

PROJECT: Final = "Project"
_MAX_NAME: Final = 60
MAX_TEXT: Final = 240
_TRACK: Final = svg.rectangle("track", 0, 0, 100, 8)


class Cell(NamedTuple):
    """What a reader sees, and the number that sorts it; None for text and for a missing number."""

    content: str
    value: float | None = None


class Column(NamedTuple):
    """The heading of a column, the function that makes its cells, and their CSS class."""

    heading: str
    cell: Callable[[Any], Cell]
    css: str = ""


class Row(NamedTuple):
    """The cells of a row, and the place of its project in the list of projects."""

    cells: Sequence[Cell]
    project: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is the heading of the row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: int
    """The number of all rows, also of those that are not on the page."""
    command: str
    """The command that shows all rows."""


class Projects:
    """The places of projects in their list, and the names under which they are shown."""

    def __init__(self, statuses: Sequence[ProjectStatus]) -> None:
        """Show a project by its name; add its id if the name is not unique."""
        self._places = {(each.region, each.project_id): n for n, each in enumerate(statuses)}
        uses = Counter(each.project_name for each in statuses)
        self.names = [
            f"{each.project_name} {each.project_id}"
            if each.project_name and uses[each.project_name] > 1
            else each.project_name or each.project_id
            for each in statuses
        ]

    def place(self, row: Any) -> int | None:
        """Return the place of a row's project; None if the row belongs to none."""
        return self._places.get((getattr(row, "region", ""), getattr(row, "project_id", "")))

    def cell(self, row: Any) -> Cell:
        """Return the name of a row's project."""
        place = self.place(row)
        return name_cell(row.project_id if place is None else self.names[place])


def make_table(
    caption: str,
    listing: Listing,
    columns: Sequence[Column],
    command: str,
    projects: Projects | None = None,
) -> Table:
    """Make a table of the rows of a listing; add the name of their project, if it is needed."""
    is_of_projects = columns[0].heading == PROJECT
    if projects is not None and len(projects.names) > 1 and not is_of_projects:
        columns = (columns[0], Column(PROJECT, projects.cell, "name"), *columns[1:])
    place = projects.place if projects is not None else lambda _: None
    rows = [Row([column.cell(row) for column in columns], place(row)) for row in listing.rows]
    return Table(caption, columns, rows, listing.total, command)


def foreign(text: str | None, max_length: int = _MAX_NAME) -> Markup:
    """Return foreign text as an element of its own, with a direction of its own."""
    return Markup("<bdi>{}</bdi>").format(formatting.shown(text, max_length))


def text_cell(text: str | None) -> Cell:
    """Return foreign text of any length."""
    return Cell(foreign(text, MAX_TEXT))


def name_cell(text: str | None, detail: str | None = None) -> Cell:
    """Return a name, and below it a detail, such as an id."""
    return Cell(foreign(text) if detail is None else with_detail(foreign(text), detail))


def with_detail(content: str, detail: str) -> Markup:
    """Return a content, and below it foreign text."""
    return Markup('{} <small class="id">{}</small>').format(content, foreign(detail))


def kind_name(kind: Any) -> Markup:
    """Return the name of a kind of task."""
    return Markup("(no name)") if kind.task_label is None else foreign(kind.task_label)


def task_cell(task: Any) -> Cell:
    """Return the kind of a task, and below it the id."""
    return Cell(with_detail(kind_name(task), task.job_id))


def time_cell(at: datetime | None) -> Cell:
    """Return a time; times sort as text."""
    if at is None:
        return Cell(formatting.MISSING)
    return Cell(Markup("<time>{}</time>").format(at.isoformat(" ", "minutes")))


def count_cell(number: int | None) -> Cell:
    """Return a count."""
    return Cell(formatting.count(number), number)


def duration_cell(seconds: float | None) -> Cell:
    """Return a duration in words."""
    return Cell(formatting.duration(seconds), seconds)


TASK: Final = (
    Column("Task", task_cell, "task"),
    Column("Instance", lambda task: name_cell(task.instance_name), "name"),
    Column("Started", lambda task: time_cell(task.created_at)),
)


def percent_cell(share: float) -> Cell:
    """Return a share of 1 in percent."""
    return Cell(formatting.percent(share), share)


def share_cell(share: float) -> Cell:
    """Return a share of 1, and a bar as long as it."""
    words = formatting.percent(share)
    return Cell(
        svg.bar(words, words, _TRACK, svg.rectangle("fail-bar", 0, 0, 100 * share, 8)), share
    )


def rate_cell(rated: Any, top: float) -> Cell:
    """Return a failure rate with its bounds; ``top`` is the end of the column's axis."""
    rate = rated.failure_rate
    shares = (rated.failure_rate_low, rated.failure_rate_high, rate)
    start, end, at = (100 * share / (top or 1) for share in shares)
    title = f"95 % bounds: {captions.bounds(rated)}"
    band = svg.rectangle("fail-range", start, 0, end - start, 8)
    mark = svg.rectangle("fail-bar", min(at, 98), 0, 2, 8)
    return Cell(svg.bar(formatting.percent(rate), title, _TRACK, band, mark), rate)
