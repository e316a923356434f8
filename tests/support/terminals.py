"""A program on a screen of its own: keys go in, and what it writes is looked at."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from tests.support.tool_environments import Environment

_PATIENCE_SECONDS = 60
_AGAIN_AFTER_SECONDS = 3


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, tool: Environment, line: str, folder: Path) -> None:
        """Start it."""
        self._screen, inside = pty.openpty()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"stty rows 40 columns 150; exec {line}"],
            cwd=folder,
            env=tool.variables(folder),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)

    def press_until(self, keys: str, text: str) -> None:
        """Press keys until a text appears, since a program that is starting drops them.

        Raises:
            AssertionError: it does not appear.
        """
        written, end = "", time.monotonic() + _PATIENCE_SECONDS
        while text not in written:
            assert time.monotonic() < end, f"no {text!r} in {written[-2_000:]!r}"
            os.write(self._screen, keys.encode())
            written += self._written_until(text, time.monotonic() + _AGAIN_AFTER_SECONDS)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def _written_until(self, text: str, end: float) -> str:
        written = ""
        while text not in written and time.monotonic() < end:
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    written += os.read(self._screen, 65_536).decode(errors="replace")
                except OSError:  # what Linux says once the program has ended
                    message = f"it ended ({self._process.wait()}) after {written[-2_000:]!r}"
                    raise AssertionError(message) from None
        return written
