"""Listed tasks as a table that fits on a screen: the most important columns that have room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gaussdb_tasks.extract.part import Row
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.times import to_datetime
from gaussdb_tasks.report.formatting import SPACE, duration

_COLUMN_GAP: Final = 3
_MIN_TEXT_WIDTH: Final = 20
"""Width that a long text is cut to before its column is left out."""


class _Column(NamedTuple):
    name: str
    text_of: Callable[[Row], str | None]
    importance: int
    is_cut: bool = False


def in_words(seconds: float | None) -> str | None:
    """Write a duration in words: ``8 min 51 s``; a negative one, of clocks that differ, as 0."""
    return None if seconds is None else duration(max(seconds, 0)).replace(SPACE, " ")


def _text(name: str) -> Callable[[Row], str | None]:
    return lambda row: row.get(name)


def _progress(row: Row) -> str | None:
    percent = row["progress_percent"]
    return None if percent is None else f"{percent:g} %"


def _duration(row: Row) -> str | None:
    seconds = row["age_seconds"] if row["duration_seconds"] is None else row["duration_seconds"]
    return in_words(seconds)


def _created_at(row: Row) -> str | None:
    created_at = row["created_at"]
    return None if created_at is None else f"{to_datetime(created_at):%Y-%m-%d %H:%M:%S}"


_COLUMNS: Final = (
    _Column("change", _text("change"), 5),
    _Column("project", lambda row: row["project_name"] or row["project_id"], 6),
    _Column("status", _text("status"), 0),
    _Column("task_label", _text("task_label"), 1),
    _Column("instance_name", _text("instance_name"), 2),
    _Column("progress", _progress, 3),
    _Column("duration", _duration, 4),
    _Column("typical", lambda row: in_words(row.get("typical_seconds")), 8),
    _Column("created_at", _created_at, 11),
    _Column("job_id", _text("job_id"), 7),
    _Column("fail_reason", _text("fail_reason"), 9, is_cut=True),
    _Column("remark", _text("remark"), 10, is_cut=True),
)


class FittingTable(NamedTuple):
    """The columns that fit into a width, and the names of those that do not."""

    names: Sequence[str]
    rows: Sequence[Sequence[str | None]]
    omitted: Sequence[str]


def fitting_table(rows: Sequence[Row], width: int) -> FittingTable:
    """Choose columns for a width; ids are complete, long texts may be cut.

    A column without a value is left out, and the project if there is only one.
    """
    cells: dict[str, list[str | None]] = {}
    widths: dict[str, int] = {}
    left, omitted = width, []
    for column in sorted(_COLUMNS, key=lambda each: each.importance):
        texts = [column.text_of(row) for row in rows]
        if not any(texts) or (column.name == "project" and len(set(texts)) == 1):
            continue
        full_width = max(len(visible(text or "")) for text in (*texts, column.name))
        needed = min(full_width, _MIN_TEXT_WIDTH) if column.is_cut else full_width
        if cells and needed > left:
            omitted.append(column.name)
            continue
        taken = min(full_width, left) if column.is_cut else full_width
        cells[column.name], widths[column.name] = texts, taken
        left -= taken + _COLUMN_GAP
    names = [column.name for column in _COLUMNS if column.name in cells]
    shown = [[_cut(cells[name][at], widths[name]) for name in names] for at in range(len(rows))]
    return FittingTable(names, shown, omitted)


def _cut(text: str | None, width: int) -> str | None:
    shown = None if text is None else visible(text)
    return shown if shown is None or len(shown) <= width else f"{shown[: width - 1]}…"


def with_typical(row: Row, typical_seconds: Mapping[str | None, float]) -> dict[str, Any]:
    """Add the typical duration of the row's kind, if the task runs."""
    runs = row["age_seconds"] is not None
    return {**row, "typical_seconds": typical_seconds.get(row["task_name"]) if runs else None}
