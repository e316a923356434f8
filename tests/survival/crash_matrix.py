"""Kill a load at every step it takes, and at random moments; print what was found, as a table.

A point that does not hold ends the run with the point's name and exit code 1.
"""

import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click
from rich.progress import track

from crash_points import Step, step_of
from doomed_loads import Aftermath, stage

_AT_ONCE: Final = 2
_LONGEST_LOAD_SECONDS: Final = 2.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--every", default=1, show_default=True, help="Kill at every n-th point only.")
@click.option("--moments", default=200, show_default=True, help="Kill so often at random moments.")
@click.option("--seed", default=1, show_default=True, help="What the random moments follow from.")
def main(every: int, moments: int, seed: int) -> None:
    """Kill a load at every step it takes, and see that nothing is lost and nothing doubled."""
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as survival:
        trials: list[tuple[str, Callable[[], Aftermath]]] = [
            (step_of(point), lambda point=point: survival.kill_at(point))  # type: ignore[misc]
            for point in survival.points()[::every]
        ]
        for _ in range(moments):
            seconds = dice.uniform(0, _LONGEST_LOAD_SECONDS)
            trials.append(("any moment", lambda s=seconds: survival.kill_after(s)))  # type: ignore[misc]
        with ThreadPoolExecutor(_AT_ONCE) as executor:
            outcomes = executor.map(lambda trial: (trial[0], trial[1]()), trials)
            tally: dict[str, list[Aftermath]] = defaultdict(list)
            for name, outcome in track(outcomes, "killing loads", len(trials)):
                tally[name].append(outcome)
    click.echo("| killed while it would | kills | last night stands | tonight stands | wrong |")
    click.echo("|---|---:|---:|---:|---:|")
    for name in (*Step, "any moment"):
        if name in tally:
            click.echo(_row(name, tally[name]))
    click.echo(_row("**together**", [each for each_name in tally for each in tally[each_name]]))


def _row(name: str, outcomes: Sequence[Aftermath]) -> str:
    killed = [each for each in outcomes if each.was_killed]
    published = sum(each.is_published for each in killed)
    # A trial that finds anything wrong raises: a table is only printed where there is nothing.
    return f"| {name} | {len(killed):,} | {len(killed) - published:,} | {published:,} | 0 |"


if __name__ == "__main__":
    sys.exit(main())
