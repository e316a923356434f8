"""Rows that wait for the end of a load in a temporary file, not in memory."""

import threading
import weakref
from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Final

import pyarrow as pa

_MAX_BYTES_IN_MEMORY: Final = 8 * 1024 * 1024
_MIN_ROWS_AT_ONCE: Final = 20_000
"""Rows that are yielded at a time: each table that dlt takes costs milliseconds."""


class RowFile:
    """Rows of one table, each batch with its owner; several threads may write.

    A few rows stay in memory. The file has no name, so that nothing remains of it.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._file = SpooledTemporaryFile(max_size=_MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - as long as the object
        weakref.finalize(self, self._file.close)
        self._writer = pa.ipc.new_stream(self._file, schema)
        self._owners: list[int] = []
        self._lock = threading.Lock()

    def write(self, owner: int, rows: pa.Table) -> None:
        """Append rows of an owner."""
        with self._lock:
            for batch in rows.to_batches():
                self._writer.write_batch(batch)
                self._owners.append(owner)

    def read(self, select: Callable[[int, pa.Table], pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows in the order in which they were written; no more can be written.

        Args:
            select: returns the rows to yield, of some rows of an owner.
        """
        self._writer.close()
        self._file.seek(0)
        waiting: list[pa.Table] = []
        for owner, batch in zip(self._owners, pa.ipc.open_stream(self._file), strict=True):
            waiting.append(select(owner, pa.Table.from_batches([batch])))
            if sum(rows.num_rows for rows in waiting) >= _MIN_ROWS_AT_ONCE:
                yield pa.concat_tables(waiting)
                waiting = []
        if waiting:
            yield pa.concat_tables(waiting)
