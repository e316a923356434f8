"""Rows that wait for the end of a load in a temporary file, not in memory."""

import threading
import weakref
from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Final

import pyarrow as pa

_MAX_BYTES_IN_MEMORY: Final = 8 * 1024 * 1024


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
        """Yield the rows batch by batch, as they were written; no more can be written.

        Args:
            select: returns the rows to yield, of some rows of an owner.
        """
        self._writer.close()
        self._file.seek(0)
        for owner, batch in zip(self._owners, pa.ipc.open_stream(self._file), strict=True):
            yield select(owner, pa.Table.from_batches([batch]))
