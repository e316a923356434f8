"""Write data to stdout, or to a file that is written completely or not at all."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final, TypeAlias

import click
import duckdb
import msgspec

from gaussdb_tasks.cli import render
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError

Rows: TypeAlias = Iterator[Sequence[Any]]

_RENDERERS: Final[Mapping[str, Callable[[Sequence[str], Rows], Iterator[str]]]] = MappingProxyType(
    {
        "csv": render.csv_lines,
        "json": render.json_array,
        "jsonl": render.json_lines,
        "markdown": render.markdown_lines,
    }
)

ROW_FORMATS: Final = ("table", *_RENDERERS)
"""Formats of a command that prints a few rows."""
FORMATS: Final = (*ROW_FORMATS, "parquet")
"""Formats of a query result."""

_FORMATS_BY_SUFFIX: Final = MappingProxyType(
    {f".{name}": name for name in (*_RENDERERS, "parquet")} | {".md": "markdown", ".txt": "table"}
)
_NEED_DISTINCT_NAMES: Final = frozenset({"json", "jsonl", "parquet"})

_MAX_TABLE_ROWS: Final = 1_000
_FETCH_ROWS: Final = 10_000
_DEFAULT_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and the file to write; None writes to stdout."""

    output_format: str
    path: Path | None = None

    @classmethod
    def of(cls, output_format: str | None, path: Path | None) -> "Target":
        """Return a target; the file's suffix sets the format if none is given.

        Raises:
            ConfigurationError: the suffix is not that of a format.
        """
        if output_format is None:
            suffix = path.suffix.lower() if path else ".txt"
            output_format = _FORMATS_BY_SUFFIX.get(suffix)
        if output_format is None:
            suffixes = ", ".join(_FORMATS_BY_SUFFIX)
            message = f"--output {path}: the suffix is not one of {suffixes}; give --format"
            raise ConfigurationError(message)
        return cls(output_format, path)


def write(cursor: duckdb.DuckDBPyConnection, target: Target) -> None:
    """Write a query result.

    Raises:
        ConfigurationError: the format cannot hold the result, or the file cannot be written.
    """
    names = [column[0] for column in cursor.description or ()]
    if target.output_format in _NEED_DISTINCT_NAMES:
        _refuse_repeated(names, target.output_format)
    if target.output_format == "parquet":
        with _opened(target.path, is_text=False) as out:
            render.write_parquet(cursor, out)
    else:
        write_rows(names, _fetch(cursor), target)


def write_rows(names: Sequence[str], rows: Rows, target: Target) -> None:
    """Write rows, in any format but Parquet.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    max_rows = _MAX_TABLE_ROWS if target.path is None else None
    lines_of = _RENDERERS.get(target.output_format, partial(_table_lines, max_rows=max_rows))
    with _opened(target.path) as out:
        out.writelines(f"{line}\n".encode() for line in lines_of(names, rows))


def write_json(value: object) -> None:
    """Write a value as indented JSON to stdout; values that JSON cannot hold become texts."""
    encoded = msgspec.json.encode(value, enc_hook=str)
    sys.stdout.buffer.write(msgspec.json.format(encoded) + b"\n")


def _table_lines(names: Sequence[str], rows: Rows, max_rows: int | None) -> Iterator[str]:
    """Render a table of at most ``max_rows`` rows, and report the number of further rows."""
    shown = list(islice(rows, max_rows))
    yield from render.table_lines(names, shown, _terminal_width())
    omitted = sum(1 for _ in rows)
    if omitted:
        click.echo(f"... and {omitted:,} more rows; use --format csv or json for all", err=True)
    elif not shown:
        click.echo("no rows", err=True)


@contextmanager
def _opened(path: Path | None, *, is_text: bool = True) -> Iterator[BinaryIO]:
    if path is not None:
        try:
            with replacing(path) as out:
                yield out
        except OSError as error:
            message = f"--output: {path} cannot be written ({error.strerror})"
            raise ConfigurationError(message) from error
        return
    if not is_text and sys.stdout.isatty():
        message = "Parquet cannot be written to a terminal; give --output FILE.parquet"
        raise click.UsageError(message)
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader of stdout has closed it, like `head`. Python would report it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = f"stdout cannot be written ({error.strerror})"
        raise GaussdbTasksError(message) from error


def _fetch(cursor: duckdb.DuckDBPyConnection) -> Rows:
    return chain.from_iterable(iter(lambda: cursor.fetchmany(_FETCH_ROWS), []))


def _refuse_repeated(names: Sequence[str], output_format: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        message = (
            f"{output_format} needs distinct column names, and there is more than one column "
            f"{', '.join(repeated)}; rename them with: as"
        )
        raise ConfigurationError(message)


def _terminal_width() -> int:
    if sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else _DEFAULT_WIDTH
