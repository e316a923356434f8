"""Tables for people: a grid where it fits, else a list for each row."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Final

from gaussdb_tasks.cli.cells import MISSING, cell_text, is_number

# A text that is longer folds; with columns narrower than that, nobody reads a table.
_WIDE_CELL: Final = 24
_PADDING: Final = 3
_MOST_DIGITS: Final = 3


def table_lines(names: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> Iterator[str]:
    """Write rows as lines of at most this many characters, if the texts let them fold.

    Too many columns for a grid turn into a list a row, as `\\x auto` does in psql.
    """
    cells = [[cell_text(value) for value in row] for row in rows]
    # A long name may be broken where its words meet before a grid is given up.
    for heads in (list(names), [name.replace("_", "_\n") for name in names]):
        if _least_width(heads, cells) <= width:
            return _grid_lines(heads, rows, cells, width)
    return _list_lines(names, cells)


def _least_width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Return the width that a grid needs if long texts fold and nothing else does."""
    columns = zip(names, *cells, strict=True) if cells else ((name,) for name in names)
    return sum(min(max(map(_width, column)), _WIDE_CELL) + _PADDING for column in columns)


def _width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _aligned(rows: Sequence[Sequence[Any]], cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """Give the fractions of a column as many digits as its longest has, if those are few."""
    columns = [list(column) for column in zip(*cells, strict=True)]
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        digits = max((len(cell.partition(".")[2]) for cell in column), default=0)
        if digits <= _MOST_DIGITS:
            column[:] = [
                f"{value:.{digits}f}" if isinstance(value, float) and isfinite(value) else cell
                for value, cell in zip(values, column, strict=True)
            ]
    return [list(row) for row in zip(*columns, strict=True)]


def _grid_lines(
    names: Sequence[str], rows: Sequence[Sequence[Any]], cells: Sequence[Sequence[str]], width: int
) -> Iterator[str]:
    from rich import box  # noqa: PLC0415 - programs that read CSV need not wait for it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for at, name in enumerate(names):
        at_right = any(is_number(row[at]) for row in rows)
        table.add_column(Text(name), justify="right" if at_right else "left", overflow="fold")
    for row in _aligned(rows, cells):
        # Text, not markup: a task's name may well contain square brackets.
        table.add_row(*(Text(cell, style="dim" if cell == MISSING else "") for cell in row))
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return (line.rstrip() for line in capture.get().splitlines())


def _list_lines(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    margin = max(map(len, names), default=0)
    further_lines = "\n" + " " * (margin + 2)
    for number, row in enumerate(cells, start=1):
        yield f"--- row {number}"
        for name, cell in zip(names, row, strict=True):
            aligned = cell.replace("\n", further_lines)
            yield f"{name:<{margin}}  {aligned}"
