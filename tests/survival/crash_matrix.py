"""Kill a load at every step it takes, and at random moments; print what was found, as a table.

Exit code 1, with every point that does not hold, where a kill leaves anything wrong.
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
@click.option("--every", default=1, show_default=True, help="Kill at every n-th point only.")
@click.option("--step", type=click.Choice([step.name for step in Step]), help="Only in this step.")
@click.option("--moments", default=200, show_default=True, help="Kill so often at random moments.")
@click.option("--seed", default=1, show_default=True, help="What the random moments follow from.")
def main(every: int, step: str | None, moments: int, seed: int) -> None:
    """Kill a load at every step it takes, and see that nothing is lost and nothing doubled."""
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets
    tally: dict[str, list[Aftermath]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as survival:
        points = [each for each in survival.points() if step in (None, step_of(each).name)]
        dooms: list[CrashPoint | float] = [*points[::every]]
        dooms += (dice.uniform(0, _LONGEST_LOAD_SECONDS) for _ in range(moments))
        with ThreadPoolExecutor(_AT_ONCE) as executor:
            outcomes = executor.map(lambda doom: _kill(survival, doom), dooms)
            for doom, outcome in track(zip(dooms, outcomes, strict=True), "killing", len(dooms)):
                tally[_name(doom)].append(outcome)
                if outcome.fault is not None:
                    click.echo(f"{doom}: {outcome.fault}", err=True)
    everything = [outcome for outcomes in tally.values() for outcome in outcomes]
    click.echo("| killed while it would | kills | last night stands | tonight stands | wrong |")
    click.echo("|---|---:|---:|---:|---:|")
    for name in (*Step, _ANY_MOMENT):
        click.echo(_row(name, tally[name]))
    click.echo(_row("**together**", everything))
    sys.exit(1 if any(outcome.fault for outcome in everything) else 0)


def _kill(survival: Stage, doom: CrashPoint | float) -> Aftermath:
    if isinstance(doom, CrashPoint):
        return survival.kill_at(doom)
    return survival.kill_after(doom)


def _name(doom: CrashPoint | float) -> str:
    return step_of(doom) if isinstance(doom, CrashPoint) else _ANY_MOMENT


def _row(name: str, outcomes: Sequence[Aftermath]) -> str:
    killed = [each for each in outcomes if each.was_killed]
    before = sum(each.is_published is False for each in killed)
    after = sum(each.is_published is True for each in killed)
    wrong = sum(each.fault is not None for each in outcomes)
    return f"| {name} | {len(killed):,} | {before:,} | {after:,} | {wrong:,} |"


if __name__ == "__main__":
    main()
