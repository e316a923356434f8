"""Record which process holds the lock of a data directory, for the message to others.

The file is only a hint. The lock itself belongs to the system, which releases it when a process
ends. So the file of a process that was killed stays, and says nothing while that process is gone.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.database.ownership import give_new_file
from gaussdb_tasks.model import times

_MAX_BYTES: Final = 4096
_MAX_PID: Final = 2**31
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_RUN_ID: Final = re.compile(r"[0-9A-Za-z-]{1,60}")


class _Holder(msgspec.Struct):
    pid: int
    host: str
    since: str
    run_id: str | None = None


@contextmanager
def recorded_holder(file: Path, run_id: str | None) -> Iterator[None]:
    """Record this process in a file while the block runs; the lock must be held."""
    holder = _Holder(os.getpid(), socket.gethostname(), times.iso(times.now()), run_id)
    with suppress(OSError):  # only a hint
        file.unlink(missing_ok=True)
        with file.open("xb") as opened:  # never through a link that another user put there
            give_new_file(opened.fileno(), file.parent)
            opened.write(msgspec.json.encode(holder))
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def read_holder(file: Path) -> str:
    """Return the end of the message that a lock is held: by which process, and what to do.

    Others can write the file, so only what has the expected form is shown.
    """
    holder = _read(file)
    if holder is None:
        return "; nothing was done; if it hangs, stop its process and run the load again"
    run = f", run {holder.run_id}" if holder.run_id else ""
    return (
        f": process {holder.pid} since {holder.since}{run}; nothing was done; if it hangs, stop it "
        f"(kill {holder.pid}) and run the load again"
    )


def _read(file: Path) -> _Holder | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            holder = msgspec.json.decode(opened.read(_MAX_BYTES), type=_Holder)
    except (OSError, ValueError):
        return None
    has_form = (
        1 < holder.pid < _MAX_PID
        and _TIME.fullmatch(holder.since)
        and (holder.run_id is None or _RUN_ID.fullmatch(holder.run_id))
    )
    return holder if has_form and _is_running(holder) else None


def _is_running(holder: _Holder) -> bool:
    """Check whether the process exists; False for a process of another machine or container."""
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
