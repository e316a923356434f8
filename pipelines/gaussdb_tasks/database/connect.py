"""Opening the database: the published one to read, its clone to write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.database import files
from gaussdb_tasks.database.upgrades import refuse_newer
from gaussdb_tasks.errors import ConfigurationError, DatabaseError, GaussdbTasksError

STAGING_SCHEMA: Final = "task_center_staging"

# A file that DuckDB 2.0 writes with its own defaults opens in no 1.x.
_STORAGE_VERSION: Final = "v1.4.0"


@contextmanager
def read_published(path: Path, **config: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database read-only.

    Raises:
        ConfigurationError: the file is missing or no DuckDB database.
        DatabaseError: another program has it open for writing.
    """
    if not path.exists():
        message = (
            f"there is no database {path} yet; name its directory with --data-dir, or make it with:"
            " gaussdb-tasks load"
        )
        raise ConfigurationError(message)
    connection = _connect(path, read_only=True, config=config)
    try:
        refuse_newer(connection, path)
        yield connection
    finally:
        connection.close()


@contextmanager
def writable_clone(published: Path | None, clone: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a clone of the published database for writing, or a new one where there is none.

    The clone is checkpointed and closed when the block ends without an error.
    """
    if published is not None and published.exists():
        refuse_unfinished_writes(published)
        with read_published(published):  # as long as it is open, nobody else can write to it
            files.clone(published, clone)
    connection = _connect(
        clone, read_only=False, config={"storage_compatibility_version": _STORAGE_VERSION}
    )
    try:
        connection.execute("set time zone 'UTC'")
        yield connection
        connection.execute(f"drop schema if exists {STAGING_SCHEMA} cascade")
        connection.execute("checkpoint")
    finally:
        connection.close()


def _connect(path: Path, *, read_only: bool, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(path, read_only=read_only, config=config)
    except duckdb.Error as error:
        raise _explained(path, error) from error


def refuse_unfinished_writes(published: Path) -> None:
    """Refuse to replace a database that somebody else has written to, or is writing to.

    Raises:
        DatabaseError: there is a journal beside it.
    """
    journal = published.with_name(published.name + ".wal")
    if journal.exists():
        # This program publishes checkpointed files only.
        message = (
            f"{journal} shows that another program writes to {published.name}; close it there, or "
            f"finish its work with: duckdb {published} -c checkpoint"
        )
        raise DatabaseError(message)


def _explained(path: Path, error: duckdb.Error) -> GaussdbTasksError:
    """Tell a lock, a permission, a version and damage apart; never is a record to be moved away."""
    said = str(error).partition("\n")[0]
    if "Could not set lock on file" in said:
        return DatabaseError(
            f"{path} is open for writing in another program; close it there and run it again "
            f"({said})"
        )
    if not os.access(path, os.R_OK):
        return ConfigurationError(f"{path} cannot be read by this user; mend its owner and mode")
    if "newer version" in said or "storage version" in said.lower() or "version number" in said:
        return ConfigurationError(
            f"{path} was written by another version of DuckDB; use a gaussdb-tasks that is as new "
            f"as the one that wrote it ({said})"
        )
    is_opened = isinstance(error, duckdb.IOException) and "not a valid DuckDB" not in said
    if is_opened or "Corrupt database file" in said:  # what DuckDB 2 says of a wrong checksum
        return ConfigurationError(
            f"{path} is damaged ({said}); keep it for inspection and restore it from a backup"
        )
    return ConfigurationError(
        f"{path} is not a DuckDB database ({said}); name another directory with --data-dir"
    )
