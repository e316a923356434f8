"""Rows as tables, CSV, JSON, JSON lines, Markdown and Parquet."""

import html
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice, pairwise
from typing import Any, BinaryIO, Final

import duckdb

from gaussdb_tasks.cli.json_text import json_text
from gaussdb_tasks.foreign_text import visible, visible_json

_NULL: Final = "NULL"
# A spreadsheet reads a cell that begins with one of these as a formula; also in their wide form.
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - see above

_PARQUET_BATCH_ROWS: Final = 10_000
_ROWS_TO_ALIGN: Final = 1_000
"""Number of rows that decide whether a Markdown column is numeric."""

_MAX_CELL_WIDTH: Final = 24
"""Width that a longer text can be folded to."""
_COLUMN_PADDING: Final = 3
_MAX_ALIGNED_DIGITS: Final = 3


def table_lines(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int,
    *,
    is_styled: bool | None = None,
) -> Iterator[str]:
    """Render rows as a grid of this width, or as one list per row if a grid is too wide.

    psql does the same with ``\\x auto``. By default a grid for a terminal has styles.
    """
    names = list(map(visible, names))
    cells = [[_cell_text(value) for value in row] for row in rows]
    # Long names are split at underscores before a grid is too wide.
    for headers in (names, [name.replace("_", "_\n") for name in names]):
        if _min_grid_width(headers, cells) <= width:
            return _grid_lines(headers, rows, cells, width, is_styled=is_styled)
    return _list_lines(names, cells)


def csv_lines(
    names: Sequence[str], rows: Iterator[Sequence[Any]], *, is_escaping_formulas: bool = False
) -> Iterator[str]:
    """Render CSV (RFC 4180) with a header; null is an empty field, an empty text is quoted.

    Texts keep every character. Where formulas are escaped, an apostrophe stands before a text that
    a spreadsheet would calculate.
    """
    text_of = _csv_text_without_formula if is_escaping_formulas else _csv_text
    for row in chain([names], rows):
        yield ",".join("" if value is None else _csv_field(text_of(value)) for value in row)


def json_lines(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Render one JSON object per line."""
    for row in rows:
        record = dict(zip(names, map(_json_value, row), strict=True))
        yield visible_json(json_text(record))


def json_array(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Render a JSON array with one object per row and line."""
    yield "["
    for line, next_line in pairwise(chain(json_lines(names, rows), [None])):
        yield f"{line}," if next_line else str(line)
    yield "]"


def markdown_lines(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Render a table in GitHub's Markdown; HTML and Markdown in texts are escaped."""
    first = list(islice(rows, _ROWS_TO_ALIGN))
    numeric = [any(_is_number(row[at]) for row in first) for at in range(len(names))]
    yield _markdown_row([_markdown_name(visible(name)) for name in names])
    yield _markdown_row(["---:" if is_numeric else "---" for is_numeric in numeric])
    for row in chain(first, rows):
        yield _markdown_row([_markdown_text(_cell_text(value)) for value in row])


def write_parquet(cursor: duckdb.DuckDBPyConnection, out: BinaryIO) -> None:
    """Write a result as Parquet, with its types."""
    from pyarrow import parquet  # noqa: PLC0415 - slow to import; only this format needs it

    reader = cursor.to_arrow_reader(_PARQUET_BATCH_ROWS)
    with parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _cell_text(value: Any) -> str:
    """Return a value as a cell shows it, in one line."""
    match value:
        case None:
            return _NULL
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case float():
            return f"{value:.4g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
        case list() | dict():
            return visible(json_text(value))
        case _:
            return visible(str(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _min_grid_width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Return the width of a grid in which only long texts are folded."""
    columns = zip(names, *cells, strict=True) if cells else ((name,) for name in names)
    return sum(
        min(max(map(_text_width, column)), _MAX_CELL_WIDTH) + _COLUMN_PADDING for column in columns
    )


def _text_width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _grid_lines(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    cells: Sequence[Sequence[str]],
    width: int,
    *,
    is_styled: bool | None,
) -> Iterator[str]:
    from rich import box  # noqa: PLC0415 - slow to import; only this format needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for at, name in enumerate(names):
        is_numeric = any(_is_number(row[at]) for row in rows)
        table.add_column(Text(name), justify="right" if is_numeric else "left", overflow="fold")
    for row in _with_aligned_digits(rows, cells):
        # As Text, since rich reads square brackets in a str as markup.
        table.add_row(*(Text(cell, style="dim" if cell == _NULL else "") for cell in row))
    console = Console(width=width, highlight=False, force_terminal=is_styled)
    with console.capture() as capture:
        console.print(table)
    return (line.rstrip() for line in capture.get().splitlines())


def _with_aligned_digits(
    rows: Sequence[Sequence[Any]], cells: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Give all fractions of a column the same number of digits, if that number is small."""
    columns = [list(column) for column in zip(*cells, strict=True)]
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        digits = max((len(cell.partition(".")[2]) for cell in column), default=0)
        if digits <= _MAX_ALIGNED_DIGITS:
            column[:] = [
                f"{value:.{digits}f}" if isinstance(value, float) and math.isfinite(value) else cell
                for value, cell in zip(values, column, strict=True)
            ]
    return [list(row) for row in zip(*columns, strict=True)]


def _list_lines(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    margin = max(map(len, names), default=0)
    for number, row in enumerate(cells, start=1):
        yield f"--- row {number}"
        for name, cell in zip(names, row, strict=True):
            yield f"{name:<{margin}}  {cell}"


def _csv_text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case datetime():
            return value.isoformat(sep=" ")
        case list() | dict():
            return json_text(value)
        case _:
            return str(value)


def _csv_text_without_formula(value: Any) -> str:
    text = _csv_text(value)
    is_formula = text.startswith(_FORMULA_STARTS) and not _is_number(value)
    return f"'{text}" if is_formula else text


def _csv_field(text: str) -> str:
    if text and not any(mark in text for mark in ',"\r\n'):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _json_value(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case timedelta():
            return value.total_seconds()
        case _:
            return value


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_name(name: str) -> str:
    return name if name.isidentifier() else _markdown_text(name)


def _markdown_text(text: str) -> str:
    escaped = html.escape(text, quote=False)
    for mark in "\\`*_[]|":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped
