"""Measure first loads beside other loaders, in one run on one server: ``make bench``.

SIZES are the numbers of tasks, such as ``SIZES=100,10000,100000,1000000``. WRITE=1 keeps the result
for the pages; then run ``make docs``. A million tasks take a quarter of an hour.
"""

import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tests.benchmarks.loaders import LOADERS, Loader
from tests.benchmarks.processes import Cost, cheapest
from tests.benchmarks.small_commands import SIZE, measure_small_commands
from tests.benchmarks.tables import MEASURED, markdown
from tests.benchmarks.task_center import TaskCenter, running_task_center

_T = TypeVar("_T")

LATENCY: Final = 0.05
"""Seconds that an answer takes in the runs with a slow network."""
_REPEATS: Final = 3
_MAX_REPEATED_SIZE: Final = 10_000
"""Above it a difference of tenths of a second does not count, and a load takes long."""


@click.command()
@click.option("--sizes", envvar="SIZES", default="100,10000,100000", show_default=True)
@click.option("--write", is_flag=True, envvar="WRITE", help="Keep the result for the pages.")
def bench(sizes: str, *, write: bool) -> None:
    """Print the tables in Markdown."""
    measured: dict[str, Any] = {"machine": machine(), "loads": {}}
    for size in (int(each) for each in sizes.split(",")):
        with running_task_center(size) as center:
            measured["loads"][f"{size:,}"] = compare(center, size)
    with running_task_center(SIZE, LATENCY) as center:
        measured["loads"][f"{SIZE:,} at {LATENCY * 1_000:.0f} ms a call"] = compare(center, SIZE)
    with running_task_center(SIZE) as center:
        commands = in_fresh_folder(lambda folder: measure_small_commands(center, folder))
        measured["commands"] = {name: asdict(cost) for name, cost in commands.items()}
    click.echo(markdown(measured))
    if write:
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n")


def compare(center: TaskCenter, size: int) -> dict[str, Any]:
    """Return the least cost of each loader; the loaders take turns."""
    repeats = _REPEATS if size <= _MAX_REPEATED_SIZE else 1
    costs: dict[str, list[Cost]] = {loader.name: [] for loader in LOADERS}
    for _ in range(repeats):
        for loader in LOADERS:
            click.echo(f"{size:,} tasks: {loader.name}", err=True)
            costs[loader.name].append(load(loader, center, size))
    return {name: asdict(cheapest(of_loader)) for name, of_loader in costs.items()}


def load(loader: Loader, center: TaskCenter, size: int) -> Cost:
    """Measure one load into a fresh folder."""
    return in_fresh_folder(lambda folder: loader.load(center, folder, size))


def in_fresh_folder(function: Callable[[Path], _T]) -> _T:
    """Call a function with a folder that exists as long as the call."""
    with tempfile.TemporaryDirectory() as folder:
        return function(Path(folder))


def machine() -> dict[str, str]:
    """Return what the figures depend on, and nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1024**3:.0f} GB",
        "Python": platform.python_version(),
        **{package: version(package) for package in ("dlt", "duckdb")},
    }


if __name__ == "__main__":
    bench()
