"""Run a program in a pseudo-terminal: send keys and read its screen."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from tests.support.tool_environments import Environment

_MAX_WAIT_SECONDS = 60
_REPEAT_AFTER_SECONDS = 3


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, tool: Environment, line: str, folder: Path) -> None:
        """Start the program."""
        self._screen, program_side = pty.openpty()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f"stty rows 40 columns 150; exec {line}"],
            cwd=folder,
            env=tool.variables(folder),
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
            start_new_session=True,
        )
        os.close(program_side)

    def press_until(self, keys: str, text: str) -> None:
        """Press keys until a text appears; a program ignores keys while it starts.

        Raises:
            AssertionError: the text does not appear, or the program ends.
        """
        written, end = "", time.monotonic() + _MAX_WAIT_SECONDS
        while text not in written:
            assert time.monotonic() < end, f"no {text!r} in {written[-2_000:]!r}"
            os.write(self._screen, keys.encode())
            written += self._written_until(text, time.monotonic() + _REPEAT_AFTER_SECONDS)

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def _written_until(self, text: str, end: float) -> str:
        written = ""
        while text not in written and time.monotonic() < end:
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    written += os.read(self._screen, 65_536).decode(errors="replace")
                except OSError:  # Linux raises it after the program has ended
                    message = (
                        f"the program ended ({self._process.wait()}) after {written[-2_000:]!r}"
                    )
                    raise AssertionError(message) from None
        return written
