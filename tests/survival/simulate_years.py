"""Load years of invented tasks, compare the archive with the expected history, print the cost.

Exits with 1 and lists the differences if there are any.
"""

import sys
import tempfile
import time
from pathlib import Path

import click
from rich.progress import track

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import InventedWorld
from gaussdb_tasks.model.times import DAY, parse_time
from tests.support.invented_loads import LoadSeries, invent_loads
from tests.support.loads import rows

_BEGIN = parse_time("2026-01-10T02:00:00Z", option="BEGIN")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--nights", default=400, show_default=True, help="Number of loads.")
@click.option("--seed", default=1, show_default=True, help="Seed of tasks and loads.")
@click.option("--tasks-per-day", default=40, show_default=True, help="Tasks a day in each project.")
def main(nights: int, seed: int, tasks_per_day: int) -> None:
    """Load years with missed loads, wrong clocks, new projects and forbidden projects."""
    world = InventedWorld(seed, tasks_per_day=tasks_per_day)
    loads = invent_loads(world, _BEGIN, nights, seed)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        series = LoadSeries(Path(name))
        series.load(world, track(loads, "loading"))
        differences = series.differences()
        versions = rows(Path(name), "select count(*) from task_history")[0][0]
        size = DataDir(Path(name)).database.stat().st_size / 1024**2
    click.echo(
        f"{nights:,} loads over {(loads[-1].now - loads[0].now) / DAY / 365:.1f} years, "
        f"{versions:,} versions, {size:.0f} MB, {time.monotonic() - started:.0f} s, "
        f"{sum(r.total('call_count') for r in series.reports):,} calls, "
        f"{len(differences):,} differences"
    )
    for difference in differences:
        click.echo(difference, err=True)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
