"""Run work in DuckDB so that Ctrl-C and SIGTERM interrupt it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import duckdb

_MAX_WAIT_SECONDS: Final = 5.0

_T = TypeVar("_T")


def run_interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], _T]) -> _T:
    """Run work that uses a connection, and return its result.

    It runs in a thread: Python handles signals in the main thread only, and not inside DuckDB.
    """
    running = ThreadPoolExecutor(1).submit(work)
    try:
        return running.result()
    except KeyboardInterrupt:
        connection.interrupt()
        with suppress(TimeoutError):  # writing to a pipe that nobody reads may never end
            running.exception(_MAX_WAIT_SECONDS)
        raise
