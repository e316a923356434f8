"""Read archive files of anybody: in bounded memory, and many files in one query."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import duckdb

from gaussdb_tasks.database.untrusted import empty_database

MAX_ROWS_PER_QUERY: Final = 25_000
"""A query costs as much as 1,000 rows."""
# All threads make a result of this size, without its texts. For what is left, only one does.
_RESULT_SIZE: Final = "64MB"
MEMORY_LIMIT: Final = "2GB"
MEMORY_LIMIT_REACHED: Final = "/1.8 GiB used)"
"""So DuckDB ends its message when it would need more than ``MEMORY_LIMIT``."""

Item = TypeVar("Item")


@contextmanager
def open_for_files() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory, with which many files can be read."""
    with empty_database({"memory_limit": MEMORY_LIMIT}) as connection:
        connection.execute(f"set streaming_buffer_size = '{_RESULT_SIZE}'")
        yield connection


def in_batches(items: Iterable[Item], row_count: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield items in batches of at most ``MAX_ROWS_PER_QUERY`` rows, or of one item."""
    batch, rows = list[Item](), 0
    for item in items:
        if batch and rows + row_count(item) > MAX_ROWS_PER_QUERY:
            yield batch
            batch, rows = [], 0
        batch.append(item)
        rows += row_count(item)
    if batch:
        yield batch
