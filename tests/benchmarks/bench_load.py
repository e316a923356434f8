"""Measure a first load and a daily load with few new tasks: ``make bench``.

The task center runs in a separate process, so that its work is not counted. The number of calls is
the first column, because gateways limit them; then time and memory. ``--latency`` delays each
answer, as a network does. Compare only numbers of the same machine.
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
class Delay:
    """Delay every answer."""

    seconds: float

    def fault_for(self, _call: int, _now: int, /) -> Fault | None:
        """Delay the call."""
        return Fault(delay_seconds=self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Measured:
    """The cost of a load."""

    calls: int
    seconds: float
    peak_megabytes: float


@click.command()
@click.option("--tasks", "sizes", multiple=True, type=int, default=(1_000, 10_000, 100_000))
@click.option("--latency", type=float, default=0.0, help="Delay of each answer, in seconds.")
@click.option("--connections", type=int, default=8)
def bench(sizes: tuple[int, ...], latency: float, connections: int) -> None:
    """Print a table: for each size the first load, and the load of the next day."""
    click.echo(f"{'tasks':>9}  {'load':<12}{'calls':>7}{'min':>7}{'seconds':>9}{'peak MB':>9}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            first, daily = measure(size, latency, connections, Path(folder))
        min_calls = ceil(size / 100)
        click.echo(row(size, "first", first, min_calls))
        click.echo(row(size, "next day", daily, 1))


def row(size: int, load: str, measured: Measured, min_calls: int) -> str:
    """Format one line of the table."""
    return (
        f"{size:>9,}  {load:<12}{measured.calls:>7,}{min_calls:>7,}"
        f"{measured.seconds:>9.1f}{measured.peak_megabytes:>9.0f}"
    )


def measure(size: int, latency: float, connections: int, folder: Path) -> tuple[Measured, Measured]:
    """Load this number of tasks, then the few tasks of the next day."""
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
    ours.send("next day")
    ours.recv()
    daily = load(NOW + DAY)
    server.terminate()
    server.join()
    return first, daily


def serve(size: int, latency: float, pipe: Connection) -> None:
    """Serve a task center until terminated."""
    rng = Random(size)  # noqa: S311 - invented data
    world = FixedWorld({PROJECT: [invented(rng, NOW - 29 * DAY, NOW) for _ in range(size)]})
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock, faults=[Delay(latency)]) as emulator:
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
        world.add(PROJECT, *(invented(rng, NOW, NOW + DAY - MINUTE) for _ in range(NEW_TASKS)))
        pipe.send("done")
        time.sleep(3600)


def invented(rng: Random, start: int, end: int) -> dict[str, Any]:
    """Invent a completed backup that was created between two times."""
    created_at = rng.randrange(start, end - 20 * MINUTE) // SECOND * SECOND
    written: Callable[[int], str] = lambda at: f"{to_datetime(at):%Y-%m-%dT%H:%M:%S}+0000"  # noqa: E731
    return {
        "instance_info": {
            "instance_id": f"{rng.getrandbits(128):032x}in14",
            "instance_name": f"orders-{rng.randrange(100)}",
            "instance_status": "normal",
        },
        "job_id": str(UUID(int=rng.getrandbits(128))),
        "name": "BackupSnapshotGaussDBV5InInstance",
        "status": "Completed",
        "process": None,
        "fail_reason": None,
        "created_at": written(created_at),
        "ended_at": written(created_at + rng.randrange(1, 1200) * SECOND),
    }


if __name__ == "__main__":
    bench()
