"""``gaussdb-tasks report``: one page of HTML with plots."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import duckdb

from gaussdb_tasks.cli.options import data_dir_option, now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.database.query import open_for_queries
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, to_datetime
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.report import without_traces
from gaussdb_tasks.report.figures import read_figures

_STDOUT: Final = Path("-")
_PAGES: Final = frozenset({".html", ".htm"})


@click.command("report")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@data_dir_option
@now_option
def command(*, target: Path, data_dir: Path, now: Micros | None) -> None:
    """Write one page of HTML: durations, failures, slow tasks, coverage.

    The page needs nothing else: no network, no script. It can be printed, and reads in light and
    dark. Works while a load runs, on last night's data. FILE is replaced when the page is whole; -
    is stdout. Needs: pip install 'gaussdb-tasks[report]'

    \b
    Examples:
      gaussdb-tasks report report.html
      gaussdb-tasks report - --data-dir /srv/gaussdb-tasks > report.html
    """
    database = DataDir(data_dir).database
    _refuse_to_overwrite(target, data_dir)
    made_at = machine_clock() if now is None else now
    _write(target, _page(database, made_at))


def _page(database: Path, made_at: Micros) -> bytes:
    with open_for_queries(database, made_at) as connection:
        # In a thread: a signal reaches Python in the main thread only, and not inside DuckDB.
        making = ThreadPoolExecutor(1).submit(_make, connection, database, made_at)
        try:
            return making.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _make(connection: duckdb.DuckDBPyConnection, database: Path, made_at: Micros) -> bytes:
    # First what may be missing, and here: help need not wait for it.
    with _explained(), without_traces():
        from gaussdb_tasks.report.page import Origin, make_page  # noqa: PLC0415
    figures = read_figures(connection)
    origin = Origin(str(database), to_datetime(made_at).replace(tzinfo=None))
    return make_page(figures, origin)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        message = (
            f"a report needs {error.name}, which is not installed; install what it needs with: "
            "pip install 'gaussdb-tasks[report]'"
        )
        raise ConfigurationError(message) from error


def _write(target: Path, page: bytes) -> None:
    if target == _STDOUT:
        sys.stdout.buffer.write(page)
        return
    try:
        with replacing(target) as out:
            out.write(page)
    except OSError as error:
        message = (
            f"{target} cannot be written ({error.strerror}); name another file, or - for stdout"
        )
        raise ConfigurationError(message) from error


def _refuse_to_overwrite(target: Path, data_dir: Path) -> None:
    """Refuse to put a page in place of the record: what else lies beside the database is ours."""
    inside = target.resolve().is_relative_to(data_dir.resolve())
    if inside and target.suffix not in _PAGES and target.exists():
        message = f"{target} belongs to the archive; name another file, such as report.html"
        raise ConfigurationError(message)
