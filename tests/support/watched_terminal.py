"""Run a command line in a pseudo-terminal, read its screen, and press Ctrl-C."""

import os
import pty
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self


class WatchedTerminal:
    """A command line in a pseudo-terminal, whose screen is read."""

    def __init__(self, folder: Path, line: str, variables: Mapping[str, str]) -> None:
        self._screen, self._program_side = pty.openpty()
        # The leader of a session that opens a terminal is controlled by it. Ctrl-C then reaches
        # all that it starts.
        terminal = os.ttyname(self._program_side)
        opened = f"exec <{terminal} >{terminal} 2>&1; stty rows 20 columns 150"
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"{opened}; exec {line}"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", **variables},
            start_new_session=True,
        )
        self.written = ""

    def wait_for(self, text: str) -> None:
        """Read until a text appears."""
        self._read_until(lambda: text in self.written)
        self.written = self.written.partition(text)[2]

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        os.write(self._screen, b"\x03")
        return self._process.wait(timeout=60)

    def __enter__(self) -> Self:
        """Return the terminal."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the watch, if it still runs."""
        self._process.kill()
        self._process.wait()
        os.close(self._screen)
        os.close(self._program_side)

    def _read_until(self, is_done: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not is_done():
            assert time.monotonic() < end, self.written[-2000:]
            self.written += os.read(self._screen, 65_536).decode(errors="replace")
