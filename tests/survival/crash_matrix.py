"""Kill a load at every point and at random moments; print the results as a table.

Exit code 1, with every such point, if a kill leaves anything wrong.
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
from tests.support.doomed_loads import Aftermath, Stage, stage

_AT_ONCE: Final = 2
_LONGEST_LOAD_SECONDS: Final = 2.0
_ANY_MOMENT: Final = "any moment"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--every", default=1, show_default=True, help="Kill only at every n-th point.")
@click.option("--step", type=click.Choice([step.name for step in Step]), help="Only in this step.")
@click.option(
    "--moments", default=200, show_default=True, help="Number of kills at random moments."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the random moments.")
def main(every: int, step: str | None, moments: int, seed: int) -> None:
    """Kill a load at every point; check that nothing is lost and nothing doubled."""
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets
    tally: dict[str, list[Aftermath]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as survival:
        points = [each for each in survival.points() if step in (None, step_of(each).name)]
        targets: list[CrashPoint | float] = [*points[::every]]
        targets += (dice.uniform(0, _LONGEST_LOAD_SECONDS) for _ in range(moments))
        with ThreadPoolExecutor(_AT_ONCE) as executor:
            outcomes = executor.map(lambda target: _kill(survival, target), targets)
            for target, outcome in track(
                zip(targets, outcomes, strict=True), "killing", len(targets)
            ):
                tally[_name(target)].append(outcome)
                if outcome.fault is not None:
                    click.echo(f"{target}: {outcome.fault}", err=True)
    everything = [outcome for outcomes in tally.values() for outcome in outcomes]
    click.echo("| killed before | kills | old load is published | new load is published | wrong |")
    click.echo("|---|---:|---:|---:|---:|")
    for name in (*Step, _ANY_MOMENT):
        click.echo(_row(name, tally[name]))
    click.echo(_row("**together**", everything))
    sys.exit(1 if any(outcome.fault for outcome in everything) else 0)


def _kill(survival: Stage, target: CrashPoint | float) -> Aftermath:
    if isinstance(target, CrashPoint):
        return survival.kill_at(target)
    return survival.kill_after(target)


def _name(target: CrashPoint | float) -> str:
    return step_of(target) if isinstance(target, CrashPoint) else _ANY_MOMENT


def _row(name: str, outcomes: Sequence[Aftermath]) -> str:
    killed = [each for each in outcomes if each.was_killed]
    before = sum(each.is_published is False for each in killed)
    after = sum(each.is_published is True for each in killed)
    wrong = sum(each.fault is not None for each in outcomes)
    return f"| {name} | {len(killed):,} | {before:,} | {after:,} | {wrong:,} |"


if __name__ == "__main__":
    main()
