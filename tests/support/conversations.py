"""Talking with a program that stays open: a line to it, a line from it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tool_environments import Environment

PYTHON = 'import sys, duckdb\nfor line in sys.stdin: exec(line); print(end="", flush=True)'
"""A Python that runs each line it is told."""


class Conversation:
    """A program that is listening."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take over a process with pipes."""
        self._process = process

    def tell(self, line: str) -> None:
        """Say something that has no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        """Say something, and return the one line that it answers."""
        assert self._process.stdout is not None
        self.tell(line)
        return self._process.stdout.readline().strip()


@contextmanager
def conversation(environment: Environment, folder: Path, *command: str) -> Iterator[Conversation]:
    """Start a program in a folder; it ends with the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment.variables(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Conversation(process)
        finally:
            process.kill()
