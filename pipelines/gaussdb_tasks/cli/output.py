"""Data to stdout, or to a file that is whole or not there; all talk goes to stderr."""

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

from gaussdb_tasks.cli import formats
from gaussdb_tasks.cli.tables import table_lines
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError

Rows: TypeAlias = Iterator[Sequence[Any]]

_WRITERS: Final[Mapping[str, Callable[[Sequence[str], Rows], Iterator[str]]]] = MappingProxyType(
    {
        "csv": formats.csv_lines,
        "json": formats.json_array,
        "jsonl": formats.json_lines,
        "markdown": formats.markdown_lines,
    }
)

ROW_FORMATS: Final = ("table", *_WRITERS)
"""Formats for a few rows."""
FORMATS: Final = (*ROW_FORMATS, "parquet")
"""Formats for the answer to a question."""

_FORMATS_BY_SUFFIX: Final = MappingProxyType(
    {f".{name}": name for name in (*_WRITERS, "parquet")} | {".md": "markdown", ".txt": "table"}
)
_NEED_DISTINCT_NAMES: Final = frozenset({"json", "jsonl", "parquet"})

_MOST_TABLE_ROWS: Final = 1_000
_FETCH_SIZE: Final = 10_000
_USUAL_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Target:
    """Where data goes, and how: to stdout, or to a file if one is named."""

    output_format: str
    path: Path | None = None

    @classmethod
    def of(cls, output_format: str | None, path: Path | None) -> "Target":
        """Return a target whose file's suffix says the format where nothing else does.

        Raises:
            ConfigurationError: the suffix does not tell.
        """
        if output_format is None:
            suffix = path.suffix.lower() if path else ".txt"
            output_format = _FORMATS_BY_SUFFIX.get(suffix)
        if output_format is None:
            known = ", ".join(_FORMATS_BY_SUFFIX)
            message = f"--output {path}: its suffix is none of {known}; say the --format"
            raise ConfigurationError(message)
        return cls(output_format, path)


def write(cursor: duckdb.DuckDBPyConnection, target: Target) -> None:
    """Write an answer.

    Raises:
        ConfigurationError: the format cannot hold the answer, or the file cannot be written.
    """
    names = [column[0] for column in cursor.description or ()]
    if target.output_format in _NEED_DISTINCT_NAMES:
        _refuse_twins(names, target.output_format)
    if target.output_format == "parquet":
        with _opened(target.path, is_text=False) as out:
            formats.write_parquet(cursor, out)
    else:
        write_rows(names, _rows(cursor), target)


def write_rows(names: Sequence[str], rows: Rows, target: Target) -> None:
    """Write rows in one of the formats but Parquet.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    most_rows = _MOST_TABLE_ROWS if target.path is None else None
    writer = _WRITERS.get(target.output_format, partial(_write_table, most_rows=most_rows))
    with _opened(target.path) as out:
        out.writelines(f"{line}\n".encode() for line in writer(names, rows))


def _write_table(names: Sequence[str], rows: Rows, most_rows: int | None) -> Iterator[str]:
    """Write what a person may read of it, and say how much is left; all of it to a file."""
    shown = list(islice(rows, most_rows))
    yield from table_lines(names, shown, _terminal_width())
    left = sum(1 for _ in rows)
    if left:
        click.echo(f"... and {left:,} more rows; --format csv or json writes all", err=True)
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
        message = "Parquet is not for a terminal: name a file, as in --output answer.parquet"
        raise click.UsageError(message)
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Who reads our output has seen enough, as `head` does. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = f"the answer cannot be written to stdout ({error.strerror})"
        raise GaussdbTasksError(message) from error


def _rows(cursor: duckdb.DuckDBPyConnection) -> Rows:
    return chain.from_iterable(iter(lambda: cursor.fetchmany(_FETCH_SIZE), []))


def _refuse_twins(names: Sequence[str], output_format: str) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        message = (
            f"{output_format} needs names that differ, and there is more than one column "
            f"{', '.join(twins)}; name them with: as"
        )
        raise ConfigurationError(message)


def _terminal_width() -> int:
    if sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else _USUAL_WIDTH
