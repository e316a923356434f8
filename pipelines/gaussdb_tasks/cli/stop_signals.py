"""Signals that stop a command: Ctrl-C, and the SIGTERM of schedulers and containers."""

import signal
from types import FrameType
from typing import NoReturn


class StopSignals:
    """Turns both signals into a KeyboardInterrupt, and records the signal received.

    The exception alone is not enough: libraries wrap it or raise another one.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.received = number
        raise KeyboardInterrupt
