"""Being asked to stop: Ctrl-C, and the SIGTERM of schedulers and containers."""

import signal
from types import FrameType
from typing import NoReturn


class StopSignals:
    """Turns both signals into a KeyboardInterrupt, and remembers which one came.

    An exception alone would not do: libraries in between wrap it, or raise one of their own.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.received = number
        raise KeyboardInterrupt
