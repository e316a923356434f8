"""Stdout that is closed or full: every command that writes to it does the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Command

COMMANDS = (("status", "--check"), ("verify", "--format", "json"), ("report", "-"))
"""Commands that write lines, a JSON value, and a page."""


def run_with_stdout(arguments: list[str], stdout: int) -> subprocess.CompletedProcess[str]:
    """Run ``gaussdb-tasks`` in another process, with a file as its stdout."""
    return subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_reader_that_has_gone_does_not_change_the_exit_code(
    command: Command, original: Path, words: tuple[str, ...]
) -> None:
    """The rest is discarded, and nothing is said about it."""
    arguments = [*words, "--data-dir", str(original)]
    reader, writer = os.pipe()
    os.close(reader)
    run = run_with_stdout(arguments, writer)
    os.close(writer)
    expected = command(*arguments)
    assert run.returncode == expected.exit_code
    assert run.stderr.count("\n") == expected.stderr.count("\n")


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_full_stdout_is_named_in_one_sentence(original: Path, words: tuple[str, ...]) -> None:
    """The disk of the current folder is not called full."""
    with Path("/dev/full").open("wb") as full:
        run = run_with_stdout([*words, "--data-dir", str(original)], full.fileno())
    assert (run.returncode, run.stderr) == (
        1,
        "gaussdb-tasks: stdout cannot be written (No space left on device)\n",
    )


def test_no_file_takes_the_place_of_a_closed_stdout(original: Path) -> None:
    """A shell closes it with ``>&-``; the system gives its number to the next file."""
    command_line = f"{sys.executable} -m gaussdb_tasks report - --data-dir {original} >&-"
    run = subprocess.run(
        ["/bin/sh", "-c", command_line], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
