"""End answers that take too long or have no end, whatever they send and however slowly.

The timeouts of urllib3 count for each read: an answer of one byte a second never ends. Here each
read waits at most until the deadline of the whole answer, head and body together.
"""

import errno
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from socket import socket
from typing import Any, Final

import tenacity
from requests import Session
from requests.adapters import HTTPAdapter

from gaussdb_tasks.errors import LimitReachedError

_ATTEMPTS: Final = 4
PART_BYTES: Final = 256 * 1024
"""The most bytes of an answer that are read at once."""

# A page has some 60 kB. Each read is a wait in which all threads take turns.
_BUFFER_BYTES: Final = 64 * 1024


class Deadline:
    """A time by which something must have ended; without seconds it never passes."""

    def __init__(
        self, seconds: float = math.inf, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._at = monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(self._at - self._monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0

    def check(self) -> None:
        """Check that time is left.

        Raises:
            LimitReachedError: no time is left.
        """
        if self.has_passed:
            message = (
                f"the time limit of {self._seconds / 60:g} minutes was reached; run it "
                "again, or raise --max-minutes"
            )
            raise LimitReachedError(message)


_CURRENT: Final[ContextVar[tuple[Deadline, ...]]] = ContextVar("deadlines", default=())


@contextmanager
def ends_by(deadline: Deadline) -> Iterator[None]:
    """End the answers that this thread reads inside the block at a deadline.

    Blocks inside each other add up: the earliest deadline counts.
    """
    token = _CURRENT.set((*_CURRENT.get(), deadline))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def seconds_left() -> float:
    """Return the seconds until the earliest deadline of this thread; infinite without one."""
    return min((deadline.remaining() for deadline in _CURRENT.get()), default=math.inf)


def retrying(is_transient: Callable[[BaseException], bool]) -> tenacity.Retrying:
    """Return the retries of a call of a sign-in: a few, until the deadline of this thread."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        stop=lambda state: state.attempt_number >= _ATTEMPTS or seconds_left() <= 0,
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=20),
        sleep=lambda seconds: time.sleep(min(seconds, seconds_left())),
        reraise=True,
    )


class BoundedAdapter(HTTPAdapter):
    """Sends requests whose answers end by the deadline of the thread that reads them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _bound_answers(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy."""
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            _bound_answers(manager)
        return manager


def bounded_session(servers: int = 1, connections: int = 1) -> Session:
    """Return a session whose answers end by the deadline.

    Args:
        servers: that it keeps connections to.
        connections: that it keeps to each of them.
    """
    http = Session()
    adapter = BoundedAdapter(pool_connections=servers, pool_maxsize=connections)
    for scheme in ("https://", "http://"):
        http.mount(scheme, adapter)
    return http


def read_at_most(parts: Iterable[bytes], max_bytes: int) -> bytes | None:
    """Read the body of an answer; None if it is longer.

    Args:
        parts: of the body, decompressed; each of at most ``PART_BYTES``.
        max_bytes: the longest body, decompressed.
    """
    body = []
    left = max_bytes
    for part in parts:
        body.append(part)
        left -= len(part)
        if left < 0:
            return None
    return b"".join(body)  # not copied if it came at once


def _bound_answers(manager: Any) -> None:
    """Let all connections of a pool manager read their answers with a deadline."""
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _bounded(pool.ConnectionCls)})
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _bounded(connection: type[Any]) -> type[Any]:
    return type(connection.__name__, (connection,), {"response_class": _BoundedResponse})


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(BoundedReader(self.fp.detach(), sock), _BUFFER_BYTES)


class BoundedReader(io.RawIOBase):
    """Reads from a socket until the earliest deadline of the thread that reads."""

    def __init__(self, raw: io.RawIOBase, sock: socket) -> None:
        self._raw = raw
        self._socket = sock
        self._read_seconds = sock.gettimeout() or math.inf

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read into a buffer.

        Raises:
            TimeoutError: nothing arrived in time.
        """
        left = seconds_left()
        if left <= 0:
            raise _answer_too_slow()
        wait = min(left, self._read_seconds)
        self._socket.settimeout(None if wait == math.inf else wait)
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if seconds_left() <= 0:
                raise _answer_too_slow() from None
            raise

    def close(self) -> None:
        """Close the socket's file."""
        self._raw.close()
        super().close()


def _answer_too_slow() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "the answer was not complete in time")
