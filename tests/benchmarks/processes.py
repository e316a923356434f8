"""Run a command and measure what it costs."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children cost; seconds and megabytes."""

    wall: float
    cpu: float
    peak: float
    calls: int = 0


def python(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs this Python."""
    return (sys.executable, *arguments)


def measure(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Cost:
    """Run a command in a folder to its end.

    Raises:
        RuntimeError: it failed; the message has the end of its output.
    """
    output = folder / "output"
    started = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        message = f"{' '.join(command)}: code {process.returncode}: {output.read_text()[-2_000:]}"
        raise RuntimeError(message)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def cheapest(costs: Sequence[Cost]) -> Cost:
    """Return the least of each cost: what else ran on the machine only adds to it."""
    return Cost(
        min(cost.wall for cost in costs),
        min(cost.cpu for cost in costs),
        min(cost.peak for cost in costs),
        min(cost.calls for cost in costs),
    )
