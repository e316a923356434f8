"""Rows as CSV, JSON, JSON lines, Markdown and Parquet, for programs and documents."""

import html
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice, pairwise
from typing import Any, BinaryIO, Final

import duckdb
import msgspec

from gaussdb_tasks.cli.cells import cell_text, is_number, json_text

_BATCH_SIZE: Final = 10_000
_LOOKED_AT: Final = 1_000
"""Rows that decide whether a column of Markdown is one of numbers."""


def csv_lines(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Write CSV (RFC 4180) with a head; null is an empty field, an empty text a quoted one."""
    yield ",".join(map(_csv_field, names))
    for row in rows:
        yield ",".join("" if value is None else _csv_field(_csv_text(value)) for value in row)


def json_lines(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Write one JSON object a line."""
    for row in rows:
        record = dict(zip(names, map(_json_value, row), strict=True))
        yield msgspec.json.encode(record, enc_hook=str).decode()


def json_array(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Write a JSON array with an object for each row, one a line."""
    yield "["
    # With its successor at hand, a line knows whether it is the last.
    for line, following in pairwise(chain(json_lines(names, rows), [None])):
        yield f"{line}," if following else str(line)
    yield "]"


def markdown_lines(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Write a table of GitHub's Markdown; HTML and other marks in texts stay texts."""
    first = list(islice(rows, _LOOKED_AT))
    at_right = [any(is_number(row[at]) for row in first) for at in range(len(names))]
    yield _markdown_row(names)
    yield _markdown_row(["---:" if right else "---" for right in at_right])
    for row in chain(first, rows):
        yield _markdown_row([_markdown_text(cell_text(value)) for value in row])


def write_parquet(cursor: duckdb.DuckDBPyConnection, out: BinaryIO) -> None:
    """Write an answer as Parquet with its own types."""
    from pyarrow import parquet  # noqa: PLC0415 - only this format needs it

    reader = cursor.to_arrow_reader(_BATCH_SIZE)
    with parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


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


def _markdown_text(text: str) -> str:
    escaped = html.escape(text, quote=False)
    for mark in "\\`*_[]|":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped.replace("\n", "<br>")
