"""A table that is longer than the terminal goes through the pager; a pipe never does."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir


@pytest.mark.parametrize(
    ("rows", "arguments", "is_paged"),
    [
        (30, ("status",), False),
        (10, ("query", "--list"), True),
        (10, ("query", "tasks", "--raw"), True),
        (10, ("query", "tasks", "--raw", "--no-pager"), False),
        (10, ("query", "tasks", "--raw", "--format", "csv"), False),
        (10, ("query", "tasks", "--raw", "--output", "tasks.txt"), False),
    ],
)
def test_a_table_longer_than_the_terminal_goes_through_the_pager(
    data_dir: DataDir, rows: int, arguments: tuple[str, ...], *, is_paged: bool
) -> None:
    """The pager is that of PAGER, and gets all lines."""
    folder = data_dir.path.parent
    pager = folder / "pager"
    pager.write_text(f"#!/bin/sh\nexec cat > {folder}/paged.txt\n")
    pager.chmod(0o755)
    command = f"{sys.executable} -m gaussdb_tasks {' '.join(arguments)}"
    line = f"stty rows {rows} columns 100; exec {command}"
    written = _in_terminal(line, folder, {"PAGER": str(pager)})
    paged = folder / "paged.txt"
    assert paged.exists() is is_paged
    if is_paged:
        assert len(paged.read_text().splitlines()) > rows
        assert "task" not in written


def _in_terminal(line: str, folder: Path, env: dict[str, str]) -> str:
    """Run a command line in a terminal, and return what it wrote."""
    screen, program_side = pty.openpty()
    with subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", **env},
        stdin=program_side,
        stdout=program_side,
        stderr=program_side,
    ) as process:
        os.close(program_side)
        written = b""
        try:
            while chunk := os.read(screen, 65_536):
                written += chunk
        except OSError:
            pass  # Linux raises it when the program has ended
        assert process.wait() == 0, written
    os.close(screen)
    return written.decode()
