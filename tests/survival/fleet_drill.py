"""Run a fleet of loaders for some nights, with kills at any moment; check the union and targets.

Exits with 1 if anything is lost, doubled, or seen in part.
"""

import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb

from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from tests.support.fleet import Fleet, prepare_fleet
from tests.support.publishing import TABLES, VIEWS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--nights", default=8, show_default=True, help="Number of nights.")
@click.option("--tasks", default=200, show_default=True, help="Tasks of a project in a night.")
@click.option("--kills", default=10, show_default=True, help="Kills in a night.")
@click.option("--seed", type=int, help="Seed of the kills. Default: a random one.")
def main(nights: int, tasks: int, kills: int, seed: int | None) -> None:
    """Load and publish with five loaders at once, and kill them."""
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - not a secret
    click.echo(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder, prepare_fleet(Path(folder), seed) as fleet:
        click.echo(f"targets: {', '.join(each.kind for each in fleet.places) or 'none'}")
        for night in range(1, nights + 1):
            ended, seen = threading.Event(), list[str]()
            reader = threading.Thread(target=_read, args=(fleet, ended, seen))
            if night > 1:  # before, there is nothing to read
                reader.start()
            try:
                in_calls = kills // 2
                fleet.night(tasks=tasks, kills_in_calls=in_calls, kills_at_moments=kills - in_calls)
            finally:
                ended.set()
                if reader.is_alive():
                    reader.join()
            problems = [*seen, *_problems(fleet)]
            click.echo(f"night {night}: {fleet.kill_count} kills so far, {len(problems)} problems")
            if problems:
                sys.exit("\n".join(problems))


def _read(fleet: Fleet, ended: threading.Event, problems: list[str]) -> None:
    """Read all targets again and again, as analysts do."""
    while not ended.wait(0.1):
        for place in fleet.places:
            try:
                parts = fleet.parts_of_nights(place)
            except duckdb.Error as error:
                problems.append(f"{place.kind} cannot be read: {error}")
            else:
                problems += [
                    f"{place.kind} shows a part of a night: {each}" for each in parts.items()
                ]


def _problems(fleet: Fleet) -> Iterator[str]:
    with fleet.opened() as connection:
        found = fleet.versions(connection)
    for task in found.keys() | fleet.expected.keys():
        if found.get(task) != fleet.expected.get(task):
            yield f"{task}: {found.get(task)} in place of {fleet.expected.get(task)}"
    for data_dir in fleet.data_dirs:
        yield from map(str, verify(data_dir, VerifyOptions()).findings)
    yield from (f"differs from the union: {each}" for each in fleet.differences([*TABLES, *VIEWS]))


if __name__ == "__main__":
    main()
