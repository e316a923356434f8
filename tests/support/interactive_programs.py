"""Run a program that stays open: send it lines, and read its answers."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tool_environments import Environment

PYTHON = 'import sys, duckdb\nfor line in sys.stdin: exec(line); print(end="", flush=True)'
"""A Python program that executes each line of its input."""


class InteractiveProgram:
    """A running program with pipes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take over a process with pipes."""
        self._process = process

    def send(self, line: str) -> None:
        """Send a line that has no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        """Send a line, and return its answer of one line."""
        assert self._process.stdout is not None
        self.send(line)
        return self._process.stdout.readline().strip()


@contextmanager
def running(environment: Environment, folder: Path, *command: str) -> Iterator[InteractiveProgram]:
    """Start a program in a folder; kill it at the end of the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment.variables(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield InteractiveProgram(process)
        finally:
            process.kill()
