"""Kill a load at every point and at random moments; print the results as a table.

Exits with 1 and lists the points if a kill leaves a fault.
"""

import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click
from rich.progress import track

from tests.support.crash_points import CrashPoint, Step, step_of
from tests.support.killed_loads import KilledLoads, KillResult, prepare_killed_loads

_PARALLEL_KILLS: Final = 2
_MAX_LOAD_SECONDS: Final = 2.0
_ANY_MOMENT: Final = "any moment"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--every", default=1, show_default=True, help="Kill only at every n-th point.")
@click.option("--step", type=click.Choice([step.name for step in Step]), help="Only in this step.")
@click.option(
    "--moments", default=200, show_default=True, help="Number of kills at random moments."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the random moments.")
def main(every: int, step: str | None, moments: int, seed: int) -> None:
    """Kill a load at every point; check that no task is lost or duplicated."""
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    tally: dict[str, list[KillResult]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory() as copies,
        tempfile.TemporaryDirectory() as loaded,
        prepare_killed_loads(Path(copies), Path(loaded)) as killed_loads,
    ):
        points = [each for each in killed_loads.points() if step in (None, step_of(each).name)]
        targets: list[CrashPoint | float] = [*points[::every]]
        targets += (rng.uniform(0, _MAX_LOAD_SECONDS) for _ in range(moments))
        with ThreadPoolExecutor(_PARALLEL_KILLS) as executor:
            outcomes = executor.map(lambda target: _kill(killed_loads, target), targets)
            for target, outcome in track(
                zip(targets, outcomes, strict=True), "killing", len(targets)
            ):
                tally[_name(target)].append(outcome)
                if outcome.fault is not None:
                    click.echo(f"{target}: {outcome.fault}", err=True)
    everything = [outcome for outcomes in tally.values() for outcome in outcomes]
    click.echo("| killed before | kills | old load is published | new load is published | faults |")
    click.echo("|---|---:|---:|---:|---:|")
    for name in (*Step, _ANY_MOMENT):
        click.echo(_row(name, tally[name]))
    click.echo(_row("**total**", everything))
    sys.exit(1 if any(outcome.fault for outcome in everything) else 0)


def _kill(killed_loads: KilledLoads, target: CrashPoint | float) -> KillResult:
    if isinstance(target, CrashPoint):
        return killed_loads.kill_at(target)
    return killed_loads.kill_after(target)


def _name(target: CrashPoint | float) -> str:
    return step_of(target) if isinstance(target, CrashPoint) else _ANY_MOMENT


def _row(name: str, outcomes: Sequence[KillResult]) -> str:
    killed = [each for each in outcomes if each.was_killed]
    before = sum(each.is_published is False for each in killed)
    after = sum(each.is_published is True for each in killed)
    faults = sum(each.fault is not None for each in outcomes)
    return f"| {name} | {len(killed):,} | {before:,} | {after:,} | {faults:,} |"


if __name__ == "__main__":
    main()
