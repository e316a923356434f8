"""``gaussdb-tasks report``: an HTML page for people."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import duckdb

from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.data_dir_options import data_dirs_option
from gaussdb_tasks.cli.interrupts import run_interruptibly
from gaussdb_tasks.cli.options import Argument
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, to_datetime
from gaussdb_tasks.model.times import now as machine_clock
from gaussdb_tasks.os_errors import explain
from gaussdb_tasks.report.queries import read_figures

_STDOUT: Final = Path("-")
_PAGES: Final = frozenset({".html", ".htm"})


@click.command("report")
@click.argument("target", cls=Argument, metavar="FILE", type=click.Path(path_type=Path))
@data_dirs_option
@now_option
def command(*, target: Path, data_dirs: Sequence[DataDir], now: Micros | None) -> None:
    """Write one page of HTML: attention, failures, durations, coverage.

    What needs attention comes first. The page is one file that needs no network. A script inside it
    sorts tables and filters by project; without scripts the page is complete. It can be printed,
    and has a light and a dark style. The command works during a load, on the data of the last load.
    FILE is replaced when the page is complete; - is stdout.

    \b
    Examples:
      gaussdb-tasks report report.html
      gaussdb-tasks report - --data-dir /srv/gaussdb-tasks > report.html
      gaussdb-tasks report fleet.html --data-dir /srv/shard-1 --data-dir /srv/shard-2
    """
    databases = [each.database for each in data_dirs]
    if target != _STDOUT:
        output.refuse_unwritable(target, "FILE")
        _refuse_other_format(target)
    made_at = machine_clock() if now is None else now
    _write(target, _page(databases, made_at))


def _page(databases: Sequence[Path], made_at: Micros) -> bytes:
    with open_together(databases, made_at) as connection:
        return run_interruptibly(connection, partial(_make, connection, databases, made_at))


def _make(
    connection: duckdb.DuckDBPyConnection, databases: Sequence[Path], made_at: Micros
) -> bytes:
    # Imported here, so that help does not wait for the template engine.
    from gaussdb_tasks.report.page import Origin, make_page  # noqa: PLC0415

    figures = read_figures(connection)
    origin = Origin([str(each) for each in databases], to_datetime(made_at).replace(tzinfo=None))
    return make_page(figures, origin)


def _write(target: Path, page: bytes) -> None:
    if target == _STDOUT:
        with console.stdout() as out:
            out.write(page)
        return
    try:
        with replacing(target) as out:
            out.write(page)
    except OSError as error:
        raise explain(error, path=target) from error
    console.info(f"{target}: {len(page) / 1000:,.0f} kB written; open it in a browser")


def _refuse_other_format(target: Path) -> None:
    """Refuse a name that promises something else than a page of HTML."""
    if target.suffix.lower() in _PAGES:
        return
    remedy = "; print the page as PDF in a browser" if target.suffix.lower() == ".pdf" else ""
    message = f"{target}: the report is a page of HTML; name it {target.stem}.html{remedy}"
    raise ConfigurationError(message)
