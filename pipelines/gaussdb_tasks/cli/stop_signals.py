"""Signals that stop a command: Ctrl-C, and the SIGTERM of schedulers and containers."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Final, NoReturn, Self

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
_SECONDS_BETWEEN_WAKE_UPS: Final = 0.05


class StopSignals:
    """Turns both signals into a KeyboardInterrupt, and records the signal received.

    The exception alone is not enough: libraries wrap it or raise another one.

    Python runs a signal's handler in the main thread only. If the signal arrives just before that
    thread begins to wait, for a lock or an answer, it interrupts nothing, and the handler does not
    run before the wait ends. So a thread interrupts the waits of the main thread until the handler
    has run.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        for number in _STOPPING:
            signal.signal(number, self._receive)
        signal.signal(signal.SIGURG, _do_nothing)  # a signal without a handler interrupts no wait
        self._arrived, self._arriving = os.pipe()
        os.set_blocking(self._arriving, False)
        threading.Thread(target=self._wake_main_thread, name="stop", daemon=True).start()

    def __enter__(self) -> Self:
        """Watch for signals."""
        signal.set_wakeup_fd(self._arriving, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        """End the watch; the handlers stay."""
        signal.set_wakeup_fd(-1)
        os.close(self._arriving)

    def _wake_main_thread(self) -> None:
        main_thread = threading.main_thread().ident or 0
        with os.fdopen(self._arrived, "rb", buffering=0) as arrived:
            while numbers := arrived.read(1):
                while numbers[0] in _STOPPING and self.received is None:
                    signal.pthread_kill(main_thread, signal.SIGURG)
                    time.sleep(_SECONDS_BETWEEN_WAKE_UPS)

    def _receive(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.received = number
        raise KeyboardInterrupt


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
