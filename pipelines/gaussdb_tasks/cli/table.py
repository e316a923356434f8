"""Rows as a table for people: it fits the screen, and no id in it is broken.

Columns that have no room are left out, the least important first. Durations are in words.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import accumulate, chain, takewhile, zip_longest
from typing import Any, Final, NamedTuple

from gaussdb_tasks.cli.render import NULL, cell_text, is_number
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.report.formatting import SPACE, duration

_GAP: Final = 3
_MIN_TEXT_WIDTH: Final = 24
"""Width that a longer text can be folded to, or cut to."""
_MAX_WORD_WIDTH: Final = 64
"""No id is wider. A wider word, such as a URL, may be broken."""
_MAX_ALIGNED_DIGITS: Final = 3

_SECONDS_PER_UNIT: Final = {"seconds": 1.0, "ms": 0.001, "minutes": 60.0, "hours": 3_600.0}
_IMPORTANT: Final = (
    *("status", "task_label", "instance_name", "progress"),
    *("duration_seconds", "age_seconds", "change", "project", "project_name", "job_id"),
    *("typical_seconds", "fail_reason", "remark", "created_at", "is_overdue"),
)
"""Columns that stay longest, the most important first. Others follow in their order."""
_SAYS_THE_SAME: Final = {
    "project_id": "project_name",
    "instance_id": "instance_name",
    "task_name": "task_label",
    "duration_ms": "duration_seconds",
}
"""Columns that another column replaces for people, and which stands before them."""
_FOR_MACHINES: Final = ("region", "extra", "raw", "_hash", "_digest")


class Table(NamedTuple):
    """The lines of the head and of each row, and the names of columns that have no room."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    omitted: Sequence[str]

    @property
    def lines(self) -> Iterator[str]:
        """All lines."""
        return chain(self.head, *self.rows)


@dataclass(frozen=True, eq=False)
class _Column:
    name: str
    heading: str
    cells: Sequence[str]
    is_right: bool
    is_foldable: bool
    importance: tuple[int, int]

    def head(self, width: int) -> list[str]:
        """Return the heading in one line, or in several that end at underscores."""
        return [self.heading] if text_width(self.heading) <= width else self._head_parts()

    def full_width(self, *, is_head_split: bool) -> int:
        """Return the width in which no cell is folded."""
        return max(self._head_width(is_split=is_head_split), self._cells_width)

    def min_width(self, *, is_head_split: bool) -> int:
        """Return the width that the column needs at least."""
        full_width = self.full_width(is_head_split=is_head_split)
        if not self.is_foldable:
            return full_width
        head_width = self._head_width(is_split=is_head_split)
        needed = max(_MIN_TEXT_WIDTH, min(self._words_width, _MAX_WORD_WIDTH), head_width)
        return min(full_width, needed)

    @cached_property
    def _cells_width(self) -> int:
        return max(map(text_width, self.cells), default=0)

    @cached_property
    def _words_width(self) -> int:
        return max((text_width(word) for cell in self.cells for word in cell.split()), default=0)

    def _head_width(self, *, is_split: bool) -> int:
        return max(map(text_width, self._head_parts() if is_split else [self.heading]))

    def _head_parts(self) -> list[str]:
        return self.heading.replace("_", "_\n").split("\n")


def make_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int | None,
    *,
    is_raw: bool = False,
    cut: Collection[str] = (),
) -> Table:
    """Make a table of at most a width; None is as wide as needed.

    One row that does not fit is a list of names and values; so is each row as in the database.

    Args:
        names: of the columns.
        rows: their values.
        width: the number of characters in a line.
        is_raw: names, order and numbers as in the database; else durations in words.
        cut: columns whose long texts are cut; if there are any, no other text is folded.
    """
    columns = _columns(names, rows, is_raw=is_raw, cut=cut)
    if width is None:
        shown, widths = columns, [column.full_width(is_head_split=False) for column in columns]
    else:
        shown, widths = _fitting(columns, width)
    if width is not None and len(shown) < len(columns) and (is_raw or len(rows) == 1):
        return Table((), [list(_list_lines(columns, at, width)) for at in range(len(rows))], ())
    omitted = [column.name for column in columns if column not in shown]
    return Table(
        _head_lines(shown, widths),
        [_row_lines(shown, widths, at, is_cutting=bool(cut)) for at in range(len(rows))],
        omitted,
    )


def in_words(seconds: float) -> str:
    """Write a duration in words: ``8 min 51 s``."""
    if not math.isfinite(seconds):
        return str(seconds)
    sign = "-" if seconds < 0 else ""
    return sign + duration(abs(seconds)).replace(SPACE, " ")


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )


def _columns(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, is_raw: bool, cut: Collection[str]
) -> list[_Column]:
    values: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    units = [
        None if is_raw or _SAYS_THE_SAME.get(name) in names else _unit(name, each)
        for name, each in zip(names, values, strict=True)
    ]
    empty = {
        name
        for name, each in zip(names, values, strict=True)
        if rows and all(value is None for value in each)
    }
    filled = set(names) - empty
    columns = []
    for at, heading in enumerate(_headings(names, units)):
        cells = _cells(values[at], units[at])
        is_right = units[at] is not None or any(map(is_number, values[at]))
        is_long = names[at] in cut or (not cut and any(" " in cell for cell in cells))
        importance = _importance(names[at], at, empty, filled)
        columns.append(
            _Column(names[at], heading, cells, is_right, is_long and not is_right, importance)
        )
    return columns if is_raw else _names_before_ids(columns)


def _unit(name: str, values: Sequence[Any]) -> str | None:
    """Return the unit of a column of durations, from its name; None for other columns."""
    unit = name.rpartition("_")[2]
    is_numeric = all(value is None or is_number(value) for value in values)
    return unit if unit in _SECONDS_PER_UNIT and is_numeric else None


def _headings(names: Sequence[str], units: Sequence[str | None]) -> list[str]:
    """Return the names, without units where durations are in words; each differs."""
    short = [
        name if unit is None else name.removesuffix(unit).rstrip("_") or "duration"
        for name, unit in zip(names, units, strict=True)
    ]
    counts = Counter(short)
    return [
        visible(name if counts[heading] > 1 else heading)
        for name, heading in zip(names, short, strict=True)
    ]


def _cells(values: Sequence[Any], unit: str | None) -> list[str]:
    if unit is not None:
        factor = _SECONDS_PER_UNIT[unit]
        return [NULL if value is None else in_words(float(value) * factor) for value in values]
    cells = [
        in_words(value.total_seconds()) if isinstance(value, timedelta) else cell_text(value)
        for value in values
    ]
    # All fractions of a column have the same number of digits, if that number is small.
    digits = max((len(cell.partition(".")[2]) for cell in cells), default=0)
    if digits > _MAX_ALIGNED_DIGITS:
        return cells
    return [
        f"{value:.{digits}f}" if isinstance(value, float) and math.isfinite(value) else cell
        for value, cell in zip(values, cells, strict=True)
    ]


def _importance(
    name: str, at: int, empty: Collection[str], filled: Collection[str]
) -> tuple[int, int]:
    """Return a key that sorts the columns that stay longest first."""
    if name in empty:
        return 4, at
    if name.endswith(_FOR_MACHINES):
        return 3, at
    if _SAYS_THE_SAME.get(name) in filled:
        return 2, at
    return (0, _IMPORTANT.index(name)) if name in _IMPORTANT else (1, at)


def _names_before_ids(columns: list[_Column]) -> list[_Column]:
    ordered = list(columns)
    for id_name, name in _SAYS_THE_SAME.items():
        at = {column.name: number for number, column in enumerate(ordered)}
        if at.get(id_name, len(at)) < at.get(name, -1):
            ordered.insert(at[id_name], ordered.pop(at[name]))
    return ordered


def _fitting(columns: Sequence[_Column], width: int) -> tuple[list[_Column], list[int]]:
    """Choose columns for a width, and their widths; long headings are split before one goes."""
    by_importance = sorted(columns, key=lambda column: column.importance)
    for is_head_split in (False, True):
        chosen = {column: column.min_width(is_head_split=is_head_split) for column in by_importance}
        if _total(chosen.values()) <= width:
            break
    else:
        chosen = _with_room(chosen, width)
    _widen(chosen, width)
    shown = [column for column in columns if column in chosen]
    return shown, [chosen[column] for column in shown]


def _widen(chosen: dict[_Column, int], width: int) -> None:
    """Use the room that is left: first for texts, then for headings in one line."""
    spare = width - _total(chosen.values())
    for is_head_split in (True, False):
        for column, own_width in chosen.items():
            extra = column.full_width(is_head_split=is_head_split) - own_width
            if is_head_split:
                extra = min(extra, spare)
            if 0 < extra <= spare:
                chosen[column] += extra
                spare -= extra


def _with_room(needed: Mapping[_Column, int], width: int) -> dict[_Column, int]:
    """Return the columns that have room, and at least the first."""
    chosen: dict[_Column, int] = {}
    for column, own_width in needed.items():
        if not chosen or _total([*chosen.values(), own_width]) <= width:
            chosen[column] = own_width
    return chosen


def _total(widths: Collection[int]) -> int:
    return sum(widths) + _GAP * max(len(widths) - 1, 0)


def _head_lines(columns: Sequence[_Column], widths: Sequence[int]) -> list[str]:
    heads = [column.head(width) for column, width in zip(columns, widths, strict=True)]
    return [
        *_side_by_side(columns, widths, heads),
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * _total(widths),
    ]


def _row_lines(
    columns: Sequence[_Column], widths: Sequence[int], at: int, *, is_cutting: bool
) -> list[str]:
    shorten = _cut if is_cutting else _folded
    cells = [
        shorten(column.cells[at], width) if column.is_foldable else [column.cells[at]]
        for column, width in zip(columns, widths, strict=True)
    ]
    return list(_side_by_side(columns, widths, cells))


def _side_by_side(
    columns: Sequence[_Column], widths: Sequence[int], cells: Sequence[Sequence[str]]
) -> Iterator[str]:
    for texts in zip_longest(*cells, fillvalue=""):
        parts = (
            _padded(text, width, is_right=column.is_right)
            for text, width, column in zip(texts, widths, columns, strict=True)
        )
        yield (" " * _GAP).join(parts).rstrip()


def _padded(text: str, width: int, *, is_right: bool) -> str:
    padding = " " * (width - text_width(text))
    return padding + text if is_right else text + padding


def _list_lines(columns: Sequence[_Column], at: int, width: int) -> Iterator[str]:
    """Write a row as a line for each column; long texts go on below their beginning."""
    yield f"--- row {at + 1}"
    margin = max(text_width(column.heading) for column in columns) + 2
    for column in columns:
        text = column.cells[at]
        lines = (
            _folded(text, max(width - margin, _MAX_WORD_WIDTH)) if column.is_foldable else [text]
        )
        for name, line in zip_longest([column.heading], lines, fillvalue=""):
            yield f"{_padded(name, margin, is_right=False)}{line}"


def _cut(text: str, width: int) -> list[str]:
    return [text if text_width(text) <= width else f"{_beginning(text, width - 1)}…"]


def _folded(text: str, width: int) -> list[str]:
    """Split a text at blanks into lines of a width; only a word that is wider is broken."""
    lines, line = [], ""
    for word in text.split(" "):
        both = f"{line} {word}" if line else word
        if text_width(both) <= width:
            line = both
            continue
        if line:
            lines.append(line)
        line = word
        while text_width(line) > width:
            beginning = _beginning(line, width)
            lines.append(beginning)
            line = line[len(beginning) :]
    return [*lines, line]


def _beginning(text: str, width: int) -> str:
    """Return the longest beginning of at most a width, and at least one character."""
    widths = accumulate(map(text_width, text))
    return text[: max(sum(1 for _ in takewhile(lambda taken: taken <= width, widths)), 1)]
