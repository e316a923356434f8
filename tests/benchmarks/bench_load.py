"""Measure a first load and a quiet night: ``make bench``.

The task center runs in a process of its own, so that its work is not counted. Calls come first,
since gateways ration them; then time and memory. ``--latency`` makes each answer late, as a network
does. Numbers are of the machine at hand, and only good for comparing runs on it.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import click

from gaussdb_tasks.emulator import Emulator, Fault, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, MINUTE, SECOND, iso, parse_time, to_datetime

NOW = parse_time("2026-05-18T02:00:00Z", option="NOW")
PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
NEW_TASKS = 45


@dataclass(frozen=True)
class Late:
    """Makes every answer late."""

    seconds: float

    def fault_for(self, _call: int, _now: int, /) -> Fault | None:
        """Delay the call."""
        return Fault(delay_seconds=self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Measured:
    """What a load took."""

    calls: int
    seconds: float
    peak_megabytes: float


@click.command()
@click.option("--tasks", "sizes", multiple=True, type=int, default=(1_000, 10_000, 100_000))
@click.option("--latency", type=float, default=0.0, help="Seconds that each answer takes longer.")
@click.option("--connections", type=int, default=8)
def bench(sizes: tuple[int, ...], latency: float, connections: int) -> None:
    """Print a table: for each size the first load, and the night after it."""
    click.echo(f"{'tasks':>9}  {'load':<12}{'calls':>7}{'least':>7}{'seconds':>9}{'peak MB':>9}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            first, quiet = measure(size, latency, connections, Path(folder))
        least = ceil(size / 100)
        click.echo(row(size, "first", first, least))
        click.echo(row(size, "quiet night", quiet, 1))


def row(size: int, load: str, measured: Measured, least: int) -> str:
    """Write one line of the table."""
    return (
        f"{size:>9,}  {load:<12}{measured.calls:>7,}{least:>7,}"
        f"{measured.seconds:>9.1f}{measured.peak_megabytes:>9.0f}"
    )


def measure(size: int, latency: float, connections: int, folder: Path) -> tuple[Measured, Measured]:
    """Load so many tasks, then the few that a night adds."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(size, latency, theirs), daemon=True)
    server.start()
    environment: dict[str, str] = ours.recv()

    def load(now: int) -> Measured:
        command = [sys.executable, "-m", "gaussdb_tasks", "load", "--now", iso(now)]
        options = ["--connections", str(connections), "--format", "json"]
        started = time.monotonic()
        with (folder / "report").open("w+b") as report:
            process = subprocess.Popen(
                [*command, *options], cwd=folder, env=environment, stdout=report
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            report.seek(0)
            (project,) = json.load(report)["projects"]
        return Measured(project["calls"], seconds, usage.ru_maxrss / 1024)

    first = load(NOW)
    ours.send("a night passes")
    ours.recv()
    quiet = load(NOW + DAY)
    server.terminate()
    server.join()
    return first, quiet


def serve(size: int, latency: float, pipe: Connection) -> None:
    """Be a task center until terminated."""
    dice = Random(size)  # noqa: S311 - invented data
    world = FixedWorld({PROJECT: [invented(dice, NOW - 29 * DAY, NOW) for _ in range(size)]})
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock, faults=[Late(latency)]) as emulator:
        pipe.send(
            {
                "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
                "GAUSSDB_TASKS_PROJECT_ID": PROJECT,
                "OS_TOKEN": emulator.token,
                "HOME": "/nonexistent",
            }
        )
        pipe.recv()
        clock.set(NOW + DAY)
        world.add(PROJECT, *(invented(dice, NOW, NOW + DAY - MINUTE) for _ in range(NEW_TASKS)))
        pipe.send("done")
        time.sleep(3600)


def invented(dice: Random, start: int, end: int) -> dict[str, Any]:
    """Invent a finished backup that was started between two instants."""
    created_at = dice.randrange(start, end - 20 * MINUTE) // SECOND * SECOND
    written: Callable[[int], str] = lambda at: f"{to_datetime(at):%Y-%m-%dT%H:%M:%S}+0000"  # noqa: E731
    return {
        "instance_info": {
            "instance_id": f"{dice.getrandbits(128):032x}in14",
            "instance_name": f"orders-{dice.randrange(100)}",
            "instance_status": "normal",
        },
        "job_id": str(UUID(int=dice.getrandbits(128))),
        "name": "BackupSnapshotGaussDBV5InInstance",
        "status": "Completed",
        "process": None,
        "fail_reason": None,
        "created_at": written(created_at),
        "ended_at": written(created_at + dice.randrange(1, 1200) * SECOND),
    }


if __name__ == "__main__":
    bench()
