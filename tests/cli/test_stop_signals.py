"""Stop signals that the system delivers at a bad moment."""

import subprocess
import sys

import pytest

_SCRIPT = """
import signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from gaussdb_tasks.cli.stop_signals import StopSignals

main_thread = threading.get_ident()
is_over = threading.Event()
running = ThreadPoolExecutor(1).submit(is_over.wait)
waits = {"event": is_over.wait, "result of a thread": running.result}
is_ready = False

def signal_when_waiting():
    while not is_ready or sys._current_frames()[main_thread].f_code.co_name != "wait":
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

with StopSignals() as stop:
    threading.Thread(target=signal_when_waiting, daemon=True).start()
    try:
        is_ready = True
        waits[sys.argv[1]]()
    except KeyboardInterrupt:
        print("stopped by", stop.received)
    finally:
        is_over.set()
"""


@pytest.mark.parametrize("wait", ["event", "result of a thread"])
def test_a_signal_that_interrupts_no_wait_stops_all_the_same(wait: str) -> None:
    """The signal is delivered to another thread, so it does not wake the main thread.

    A signal to the main thread has the same effect if it arrives just before a wait begins.
    """
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT, wait],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (run.stdout, run.stderr) == ("stopped by 15\n", "")
