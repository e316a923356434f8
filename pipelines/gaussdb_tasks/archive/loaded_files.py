"""Take over the files that a load's rows come from: they are written once.

A large file is digested while DuckDB loads it: each takes one core. So is the file of observations
made from a large file of tasks.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive.archive_tables import OF_A_LOAD, ArchiveTable, parquet_sql
from gaussdb_tasks.archive.parquet import Digests, digest, write_file
from gaussdb_tasks.database.connect import open_empty

_MIN_ROWS: Final = 50_000
"""Fewer rows are digested in the time in which two threads of Python wait for each other."""


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
        """Take over a file of each table before it is loaded, or write one with some columns of it.

        Its rows are in the order in which they are loaded.
        """
        # Only this needs the package, which dlt has imported.
        from pyarrow import parquet  # noqa: PLC0415

        self._folder.mkdir()
        for table in OF_A_LOAD:
            file = files.get(table.table)
            if file is None:
                continue
            metadata = parquet.read_metadata(file)
            taken = self._folder / table.file_name
            is_large = metadata.num_rows >= _MIN_ROWS
            names = tuple(metadata.schema.names)
            if names != table.column_names:
                if is_large and set(names).issuperset(table.column_names):
                    loaded = self._folder.with_name(file.name)  # dlt moves the file
                    _link(file, loaded)
                    self._submit(table, write_file, parquet_sql(loaded), taken)
            elif metadata.num_rows:
                _link(file, taken)
                if is_large:
                    self._submit(table, digest, parquet_sql(taken))

    @property
    def digests(self) -> Mapping[str, Digests]:
        """Wait for the digests, and return them by the name of the archive table."""
        return {name: running.result() for name, running in self._running.items()}

    def stop(self) -> None:
        """End the work that runs; work that waits does not begin."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for connection in self._connections:
            with suppress(duckdb.ConnectionException):  # it has ended
                connection.interrupt()

    def _submit(self, table: ArchiveTable, work: Callable[..., Digests], *arguments: Any) -> None:
        self._running[table.name] = self._executor.submit(self._run, work, table, *arguments)

    def _run(self, work: Callable[..., Digests], *arguments: Any) -> Digests:
        # A database of its own: a reader beside it would keep the load's from a checkpoint.
        with open_empty(None, {"threads": 1}) as connection:
            self._connections.append(connection)
            return work(connection, *arguments)


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
