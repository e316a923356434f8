"""Rows as CSV, JSON, JSON lines, Markdown and Parquet."""

import html
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice, pairwise
from typing import Any, BinaryIO, Final

import duckdb

from gaussdb_tasks.cli.json_text import json_text
from gaussdb_tasks.database.connect import arrow_batches
from gaussdb_tasks.foreign_text import visible, visible_json

NULL: Final = "NULL"
# A spreadsheet reads a cell that begins with one of these as a formula; also in their wide form.
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - see above

_PARQUET_BATCH_ROWS: Final = 10_000
_ROWS_TO_ALIGN: Final = 1_000
"""Number of rows that decide whether a Markdown column is numeric."""


def csv_lines(
    names: Sequence[str], rows: Iterator[Sequence[Any]], *, is_escaping_formulas: bool = False
) -> Iterator[str]:
    """Render CSV (RFC 4180) with a header; null is an empty field, an empty text is quoted.

    Texts keep every character. Where formulas are escaped, an apostrophe stands before a text that
    a spreadsheet would calculate.
    """
    text_of = _csv_text_without_formula if is_escaping_formulas else _text
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
    numeric = [any(is_number(row[at]) for row in first) for at in range(len(names))]
    yield _markdown_row([_markdown_name(visible(name)) for name in names])
    yield _markdown_row(["---:" if is_numeric else "---" for is_numeric in numeric])
    for row in chain(first, rows):
        yield _markdown_row([_markdown_text(cell_text(value)) for value in row])


def write_parquet(cursor: duckdb.DuckDBPyConnection, out: BinaryIO) -> None:
    """Write a result as Parquet, with its types."""
    from pyarrow import parquet  # noqa: PLC0415 - slow to import; only this format needs it

    reader = cursor.to_arrow_reader(_PARQUET_BATCH_ROWS)
    with parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in arrow_batches(reader):
            writer.write_batch(batch)


def cell_text(value: Any) -> str:
    """Return a value as a cell shows it, in one line."""
    match value:
        case None:
            return NULL
        case float():
            return f"{value:.4g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
    return visible(_text(value))


def is_number(value: Any) -> bool:
    """Return whether a value is a number; a truth value is not."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case list() | dict():
            return json_text(value)
        case _:
            return str(value)


def _csv_text_without_formula(value: Any) -> str:
    text = _text(value)
    is_formula = text.startswith(_FORMULA_STARTS) and not is_number(value)
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
