"""Write data to stdout, or to a file that is written completely or not at all."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import click
import duckdb
from click.core import ParameterSource

from gaussdb_tasks.cli import console, render
from gaussdb_tasks.cli.json_text import json_text
from gaussdb_tasks.cli.options import Decorator, combine, format_option, option, together
from gaussdb_tasks.cli.table import make_table
from gaussdb_tasks.database.data_dir import refuse_own_path
from gaussdb_tasks.database.files import replacing, require_replaceable
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible, visible_json
from gaussdb_tasks.os_errors import explain

Rows: TypeAlias = Iterator[Sequence[Any]]

_RENDERERS: Final[Mapping[str, Callable[..., Iterator[str]]]] = {
    "csv": render.csv_lines,
    "json": render.json_array,
    "jsonl": render.json_lines,
    "markdown": render.markdown_lines,
}

ROW_FORMATS: Final = ("table", *_RENDERERS)
"""Formats of a command that prints a few rows."""
FORMATS: Final = (*ROW_FORMATS, "parquet")
"""Formats of a query result."""

_FORMATS_BY_SUFFIX: Final = {f".{name}": name for name in (*_RENDERERS, "parquet")} | {
    ".md": "markdown",
    ".txt": "table",
}
_NEED_DISTINCT_NAMES: Final = frozenset({"json", "jsonl", "parquet"})

_STDOUT: Final = Path("-")
_MAX_TABLE_ROWS: Final = 1_000
_FETCH_ROWS: Final = 10_000
_DEFAULT_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and the file to write; None writes to stdout."""

    output_format: str
    path: Path | None = None
    is_escaping_formulas: bool = False
    """Whether a spreadsheet reads a text in CSV as text, also if it looks like a formula."""
    is_raw: bool = False
    """Whether a table has the names, order and numbers of the database."""
    is_paged: bool = True
    """Whether a table that is longer than the terminal goes through a pager."""


def target_options(*formats: str, default: str | None) -> Decorator:
    """Add the options of a command that writes rows; pass them as one ``Target``: ``target``.

    Without a default the suffix of ``--output`` sets the format.
    """
    return together(
        format_option(*formats, default=default),
        option(
            "--csv-escape-formulas",
            is_flag=True,
            help="In CSV, put an apostrophe before a text that a spreadsheet would calculate.",
        ),
        option(
            "--raw",
            is_flag=True,
            help="In a table, show durations in seconds, and names and order as in the database.",
        ),
        option(
            "--no-pager",
            is_flag=True,
            help="Do not show a table that is longer than the terminal in a pager (PAGER).",
        ),
        combine("target", _target),
    )


def _target(
    output_format: str | None,
    *,
    csv_escape_formulas: bool,
    raw: bool,
    no_pager: bool,
    output_file: Path | None = None,
) -> Target:
    """Return the target of a command's options.

    Raises:
        ConfigurationError: the suffix is not that of a format, or an option is of another format.
    """
    if output_file == _STDOUT:
        output_file = None
    if output_format is None:
        suffix = output_file.suffix.lower() if output_file else ".txt"
        output_format = _FORMATS_BY_SUFFIX.get(suffix)
    if output_format is None:
        suffixes = ", ".join(_FORMATS_BY_SUFFIX)
        message = f"--output {output_file}: the suffix is not one of {suffixes}; give --format"
        raise ConfigurationError(message)
    if output_file is not None:
        refuse_unwritable(output_file, "--output")
    # A variable or a settings file may set it for all commands; it then applies to CSV only.
    source = click.get_current_context().get_parameter_source("csv_escape_formulas")
    if output_format != "csv" and csv_escape_formulas and source is ParameterSource.COMMANDLINE:
        message = f"--csv-escape-formulas is for CSV, not for {output_format}; add --format csv"
        raise ConfigurationError(message)
    return Target(output_format, output_file, csv_escape_formulas, raw, not no_pager)


def refuse_unwritable(path: Path, setting: str) -> None:
    """Refuse a file that cannot be written, before work begins.

    Raises:
        GaussdbTasksError: its folder does not exist, the file cannot be replaced, or it is data.
    """
    try:
        require_replaceable(path)
    except FileNotFoundError as error:
        message = f"{path}: the folder {path.parent} does not exist; create it, or check {setting}"
        raise ConfigurationError(message) from error
    except OSError as error:
        raise explain(error, path=path, setting=setting) from error
    refuse_own_path(path, setting)


def write(cursor: duckdb.DuckDBPyConnection, target: Target) -> None:
    """Write a query result.

    Raises:
        ConfigurationError: the format cannot hold the result, or the file cannot be written.
    """
    prepare(cursor, target)()


def prepare(cursor: duckdb.DuckDBPyConnection, target: Target) -> Callable[[], None]:
    """Read a query result, and return what shows it; only a table is not written yet.

    A pager belongs to the main thread, which gets Ctrl-C; reading may be in another.

    Raises:
        ConfigurationError: the format cannot hold the result, or the file cannot be written.
    """
    names = [column[0] for column in cursor.description or ()]
    if target.output_format in _NEED_DISTINCT_NAMES:
        _refuse_repeated(names, target.output_format)
    if target.output_format == "table":
        return _prepare_table(names, _fetch(cursor), target, cut=())
    if target.output_format == "parquet":
        with _opened(target.path, is_text=False) as out:
            render.write_parquet(cursor, out)
    else:
        write_rows(names, _fetch(cursor), target)
    return lambda: None  # it is written


def write_rows(names: Sequence[str], rows: Rows, target: Target, cut: Collection[str] = ()) -> None:
    """Write rows, in any format but Parquet; a table cuts long texts of the columns ``cut``.

    Raises:
        GaussdbTasksError: the file cannot be written.
    """
    if target.output_format == "table":
        _prepare_table(names, rows, target, cut)()
        return
    render_lines = _RENDERERS[target.output_format]
    if target.output_format == "csv":
        render_lines = partial(render_lines, is_escaping_formulas=target.is_escaping_formulas)
    _write_lines(render_lines(names, rows), target)


def show_lines(lines: Sequence[str], target: Target) -> None:
    """Write lines of text; a pager shows them if the terminal has no room for them.

    Raises:
        GaussdbTasksError: the file cannot be written.
    """
    is_for_pager = target.path is None and target.is_paged
    if not (is_for_pager and console.page(lines)):
        _write_lines(lines, target)


def write_json(value: object) -> None:
    """Write a value as indented JSON to stdout; values that JSON cannot hold become texts."""
    import msgspec  # noqa: PLC0415 - only this format needs it

    text = visible_json(msgspec.json.format(json_text(value)))
    with console.stdout() as out:
        out.write(f"{text}\n".encode())


def _write_lines(lines: Iterable[str], target: Target) -> None:
    with _opened(target.path) as out:
        out.writelines(_encoded(f"{line}\n") for line in lines)


def _encoded(line: str) -> bytes:
    """Encode a line; only CSV can have half surrogate pairs, as for names that are not UTF-8."""
    try:
        return line.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return line.encode(errors="backslashreplace")


def _prepare_table(
    names: Sequence[str], rows: Rows, target: Target, cut: Collection[str]
) -> Callable[[], None]:
    """Make a table; return what shows it, and the rows and columns that have no room."""
    is_file = target.path is not None
    shown = list(islice(rows, None if is_file else _MAX_TABLE_ROWS))
    width = None if is_file else terminal_width()
    table = make_table(names, shown, width, is_raw=target.is_raw, cut=() if is_file else cut)
    more = sum(1 for _ in rows)

    def show() -> None:
        show_lines(list(table.lines), target)
        if table.omitted and shown:
            omitted = ", ".join(map(visible, table.omitted))
            console.plain(f"no room for: {omitted}; --format json has all columns")
        if more:
            console.plain(f"... and {more:,} more rows; use --format csv or json for all")
        elif not shown:
            console.plain("no rows")

    return show


@contextmanager
def _opened(path: Path | None, *, is_text: bool = True) -> Iterator[BinaryIO]:
    if path is not None:
        try:
            with replacing(path) as out:
                yield out
        except OSError as error:
            raise explain(error, path=path, setting="--output") from error
        return
    if not is_text and sys.stdout.isatty():
        message = "Parquet cannot be written to a terminal; give --output FILE.parquet"
        raise click.UsageError(message)
    with console.stdout() as out:
        yield out


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


def terminal_width() -> int:
    """Return the width that a table on stdout can have."""
    if sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else _DEFAULT_WIDTH
