"""Take over the files that a load's rows come from: they are written once.

A large file is digested while DuckDB loads it: each takes one core.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import APPENDED, ArchiveTable, parquet_sql
from gaussdb_tasks.archive.parquet import Digests, digest
from gaussdb_tasks.database.connect import opened_in_memory

_MIN_ROWS: Final = 5_000
"""Fewer rows are digested faster than a database in memory is opened."""


class LoadedFiles:
    """The files of a load's rows, in the folder of its entry.

    Attributes:
        digests: of the files that were digested, by the name of the archive table.
    """

    def __init__(self, folder: Path, executor: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._executor = executor
        self._connections: list[duckdb.DuckDBPyConnection] = []
        self._running: dict[str, Future[Digests]] = {}

    def take(self, files: Mapping[str, Path]) -> None:
        """Take over files before they are loaded.

        Args:
            files: a file for each table, with its rows in the order in which they are loaded.
        """
        # Only this needs the package, which dlt has imported.
        from pyarrow import parquet  # noqa: PLC0415

        self._folder.mkdir()
        for table in APPENDED:  # a merge stores rows in another order
            file = files.get(table.table)
            if file is None:
                continue
            metadata = parquet.read_metadata(file)
            if tuple(metadata.schema.names) != table.column_names or not metadata.num_rows:
                continue
            taken = self._folder / table.file_name
            _link(file, taken)
            if metadata.num_rows >= _MIN_ROWS:
                self._running[table.name] = self._executor.submit(self._digest, table, taken)

    @property
    def digests(self) -> Mapping[str, Digests]:
        """Wait for the digests, and return them by the name of the archive table."""
        return {name: running.result() for name, running in self._running.items()}

    def stop(self) -> None:
        """End the work that runs."""
        for connection in self._connections:
            connection.interrupt()

    def _digest(self, table: ArchiveTable, file: Path) -> Digests:
        # A database of its own: a reader beside it would keep the load's from a checkpoint.
        with opened_in_memory() as connection:
            self._connections.append(connection)
            return digest(connection, table, parquet_sql(file))


@contextmanager
def loaded_files(folder: Path) -> Iterator[LoadedFiles]:
    """Take over files into the folder of an entry, which is made; an error ends the work."""
    with ThreadPoolExecutor(1, thread_name_prefix="digest") as executor:
        files = LoadedFiles(folder, executor)
        try:
            yield files
        except BaseException:
            files.stop()
            raise


def _link(file: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no links."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
