"""Data on stdout: tables for people, CSV, JSON and Parquet for programs."""

import csv
import math
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any, BinaryIO, Final

import click
import duckdb
import msgspec

FORMATS: Final = ("table", "csv", "json", "parquet")

_MOST_TABLE_ROWS: Final = 1_000
_FETCH_SIZE: Final = 10_000
_WIDE_CELL: Final = 24
_PADDING: Final = 3
_UNLIMITED_WIDTH: Final = 10_000
_MISSING: Final = "NULL"


def write(cursor: duckdb.DuckDBPyConnection, output_format: str) -> None:
    """Write an answer to stdout in one of the formats."""
    if output_format == "parquet":
        _write_parquet(cursor)
        return
    names = [column[0] for column in cursor.description or ()]
    write_rows(names, _rows(cursor), output_format)


def write_rows(names: Sequence[str], rows: Iterator[Sequence[Any]], output_format: str) -> None:
    """Write rows to stdout as a table, CSV or JSON."""
    match output_format:
        case "csv":
            _write_csv(names, rows)
        case "json":
            _write_json(names, rows)
        case _:
            write_table(names, rows)


def write_table(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Write rows as a table that fits the terminal; too many columns turn into a list a row."""
    shown = list(islice(rows, _MOST_TABLE_ROWS))
    cells = [[_cell(value) for value in row] for row in shown]
    width = _terminal_width()
    if _least_width(names, cells) <= width:
        _write_grid(names, shown, cells, width)
    else:
        _write_records(names, cells)
    left = sum(1 for _ in rows)
    if left:
        click.echo(f"... and {left:,} more rows; --format csv or json writes all", err=True)
    elif not shown:
        click.echo("no rows", err=True)


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    return chain.from_iterable(iter(lambda: cursor.fetchmany(_FETCH_SIZE), []))


def _write_grid(
    names: Sequence[str], rows: Sequence[Sequence[Any]], cells: Sequence[Sequence[str]], width: int
) -> None:
    from rich import box  # noqa: PLC0415 - programs that read CSV need not wait for it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for at, name in enumerate(names):
        is_number = any(_is_number(row[at]) for row in rows)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in cells:
        # Text, not markup: a task's name may well contain square brackets.
        table.add_row(*(Text(cell, style="dim" if cell == _MISSING else "") for cell in row))
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def _write_records(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    margin = max(map(len, names), default=0)
    for number, row in enumerate(cells, start=1):
        click.echo(f"--- row {number}")
        for name, cell in zip(names, row, strict=True):
            click.echo(f"{name:<{margin}}  {cell}")


def _write_csv(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_value(value) for value in row])


def _write_json(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    out = sys.stdout
    out.write("[")
    separator = "\n"
    for row in rows:
        record = dict(zip(names, map(_json_value, row), strict=True))
        out.write(separator + msgspec.json.encode(record, enc_hook=str).decode())
        separator = ",\n"
    out.write("\n]\n")


def _write_parquet(cursor: duckdb.DuckDBPyConnection) -> None:
    from pyarrow import parquet  # noqa: PLC0415 - only this format needs it

    out: BinaryIO = sys.stdout.buffer
    if out.isatty():
        message = "Parquet is not for a terminal: redirect it, as in > answer.parquet"
        raise click.UsageError(message)
    reader = cursor.to_arrow_reader(_FETCH_SIZE)
    with parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    match value:
        case None:
            return _MISSING
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case float():
            return f"{value:.6g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
        case _:
            return str(value)


def _csv_value(value: Any) -> Any:
    match value:
        case None:
            return ""
        case float():
            return repr(value)
        case _:
            return _cell(value)


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


def _terminal_width() -> int:
    if sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    return int(os.environ.get("COLUMNS") or _UNLIMITED_WIDTH)


def _least_width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Return the width that a table needs if long texts fold and nothing else does."""
    columns = zip(names, *cells, strict=True) if cells else ((name,) for name in names)
    return sum(min(max(map(len, column)), _WIDE_CELL) + _PADDING for column in columns)
