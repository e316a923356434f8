"""Measure every view on archives of years: ``make bench-views``.

DuckDB computes all rows and columns of a view, and hashes every value, so that no rows are moved to
Python. A typical query of some rows or some columns is faster.

Each view is measured in a separate process, which opens the archive read-only with DuckDB's default
settings. The file is read once before, so that the disk is not measured. ``first`` is the first
run, ``seconds`` the median of the next three. A view that needs more than a second per million
tasks is bold. Ten million tasks take 2.1 GB in ``TMPDIR``.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

import click
import duckdb

from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import apply_views
from tests.support.invented_archive import invent_archive

Answer = TypeVar("Answer")

REPEATS: Final = 3
VIEWS: Final = tuple(file.name for file in view_files())


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of computing a view."""

    rows: int
    first_seconds: float
    seconds: float
    peak_megabytes: float


@click.command()
@click.option("--tasks", "sizes", multiple=True, type=int, default=(1_000_000, 10_000_000))
@click.option("--view", "views", multiple=True, type=click.Choice(VIEWS), default=VIEWS)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder whose archives are reused.")
def bench(sizes: Sequence[int], views: Sequence[str], keep: Path | None) -> None:
    """Print a table in Markdown: the cost of each view on archives of these sizes."""
    with archive_folder(keep) as folder:
        measured = [measure_archive(archive(folder, size), views) for size in sizes]
    click.echo("\n".join(table(sizes, measured)))


@contextmanager
def archive_folder(keep: Path | None) -> Iterator[Path]:
    """Yield the folder that keeps archives, or a temporary one."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def archive(folder: Path, size: int) -> Path:
    """Return an archive of this size with the current views: the folder's, or a new one."""
    path = folder / f"{size}.duckdb"
    if path.exists():
        with duckdb.connect(path) as connection:
            apply_views(connection)
        return path
    report_progress(f"inventing {size:,} tasks")
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    alone(invent_archive, unfinished, size)
    return unfinished.rename(path)


def measure_archive(path: Path, views: Sequence[str]) -> dict[str, Measured]:
    """Measure some views of an archive."""
    report_progress(f"measuring {path.name}")
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    return {view: alone(measure, path, view) for view in views}


def alone(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Run a function in a separate process, so that its memory is measured separately."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure(path: Path, view: str) -> Measured:
    """Compute a view several times with one connection."""
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set enable_progress_bar = false")  # it would appear in the table
        first, *others = [consume(connection, view) for _ in range(1 + REPEATS)]
    return Measured(
        rows=first[0],
        first_seconds=first[1],
        seconds=median(seconds for _, seconds in others),
        peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def consume(connection: duckdb.DuckDBPyConnection, view: str) -> tuple[int, float]:
    """Compute every value of a view; return the number of rows and the seconds."""
    started = time.perf_counter()
    ((rows, _),) = connection.execute(
        f"select count(*), bit_xor(hash(*columns(*))) from main.{view}"
    ).fetchall()
    return rows, time.perf_counter() - started


def table(sizes: Sequence[int], measured: Sequence[Mapping[str, Measured]]) -> list[str]:
    """Return the lines of the table: four columns per size."""
    heads = [f"{size:,}: rows | seconds | first | MB" for size in sizes]
    rulers = ["---:"] * 4 * len(sizes)
    lines = [
        [
            f"`{view}`",
            *(cells(views[view], bound(size)) for size, views in zip(sizes, measured, strict=True)),
        ]
        for view in measured[0]
    ]
    return [f"| {' | '.join(line)} |" for line in (["view", *heads], ["---", *rulers], *lines)]


def cells(measured: Measured, limit: float) -> str:
    """Return a view's cells for one size."""
    seconds, first = (
        f"{taken:.2f}" if taken < limit else f"**{taken:.2f}**"
        for taken in (measured.seconds, measured.first_seconds)
    )
    return f"{measured.rows:,} | {seconds} | {first} | {measured.peak_megabytes:,.0f}"


def bound(size: int) -> float:
    """Return the maximum seconds for a view."""
    return max(1.0, size / 1_000_000)


def report_progress(message: str) -> None:
    """Write a message to stderr; stdout has the table only."""
    click.echo(message, err=True)


if __name__ == "__main__":
    bench()
