"""Open databases: the published one for reading, a clone of it for writing, empty ones."""

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import duckdb

from gaussdb_tasks.database import files
from gaussdb_tasks.database.upgrades import refuse_newer, refuse_unfilled
from gaussdb_tasks.errors import ConfigurationError, DatabaseError, GaussdbTasksError
from gaussdb_tasks.os_errors import explain, explain_machine

if TYPE_CHECKING:
    import pyarrow as pa

STAGING_SCHEMA: Final = "task_center_staging"

# DuckDB 2.0 writes a newer storage format by default; DuckDB 1.x cannot open it.
_STORAGE_VERSION: Final = "v1.4.0"

_NO_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType({})
_CLOSED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
    }
)

_MEMORY_SHARE: Final = 8
_MIN_MEMORY_BYTES: Final = 64 * 1024**2
_MAX_MEMORY_BYTES: Final = 128 * 1024**2


def open_database(
    path: Path | None = None,
    settings: Mapping[str, Any] = _NO_SETTINGS,
    *,
    read_only: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Open a database, or an empty one in memory; its queries print nothing.

    All connections of the package are made here, or are cursors of these.

    Args:
        path: the database; None for one in memory.
        settings: settings of DuckDB.
        read_only: whether it cannot be written.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    connection = duckdb.connect(path or ":memory:", read_only=read_only, config={**settings})
    # Where Python runs no file, as with python -c, DuckDB prints the progress of slow queries to
    # stdout. Only a connection has this setting, not its database. Cursors print nothing.
    connection.execute("set enable_progress_bar = false")
    return connection


@contextmanager
def read_published(path: Path, **config: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database read-only.

    Raises:
        ConfigurationError: the file is missing, or it is not a database of this program.
        DatabaseError: another program has it open for writing.
    """
    _refuse_missing(path)
    connection = _open_file(path, config, read_only=True)
    try:
        refuse_unfilled(connection, path)
        refuse_newer(connection, path)
        yield connection
    finally:
        connection.close()


@contextmanager
def open_empty(
    temporary: Path | None, settings: Mapping[str, Any] = _NO_SETTINGS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory that loads no extension and no secret by itself.

    Args:
        temporary: the folder for what does not fit into memory; None for none.
        settings: further settings of DuckDB.
    """
    folder = "" if temporary is None else str(temporary)
    with open_database(settings={**_CLOSED, **settings, "temp_directory": folder}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a database to another one, read-only.

    Raises:
        ConfigurationError: the file is missing, or it is not a DuckDB database.
        DatabaseError: another program has it open for writing.
    """
    _refuse_missing(path)
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"attach '{quoted}' as {name} (type duckdb, read_only)")
    except duckdb.Error as error:
        raise _explained(path, error) from error


def _refuse_missing(path: Path) -> None:
    """Refuse a database that is missing or closed, or whose files are of a kind that never ends.

    Raises:
        ConfigurationError: it is refused.
    """
    for each in (path, journal_of(path)):
        if each.exists() and not each.is_file():
            message = f"{each} is not a file, but a folder, a pipe or a device; remove it"
            raise ConfigurationError(message)
    try:
        path.open("rb").close()
    except FileNotFoundError as error:
        message = (
            f"there is no database {path} yet; name its directory with --data-dir, or make it with:"
            " gaussdb-tasks load"
        )
        raise ConfigurationError(message) from error
    except OSError as error:
        raise explain(error, path=path) from error


def journal_of(path: Path) -> Path:
    """Return the write-ahead log of a database; DuckDB applies it to what it reads."""
    return path.with_name(path.name + ".wal")


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, table: Any) -> Iterator[None]:
    """Let SQL read an Arrow table; list parameters of thousands of values take DuckDB seconds."""
    _finish_results(connection)
    connection.register(name, table)
    try:
        yield
    finally:
        _finish_results(connection)
        connection.unregister(name)


def _finish_results(connection: duckdb.DuckDBPyConnection) -> None:
    # DuckDB 2.0 registers nothing while rows of the last result are left; 1.5 has no such method.
    complete = getattr(connection, "complete", None)
    if complete is not None:
        complete()


def arrow_batches(reader: "pa.RecordBatchReader") -> Iterator["pa.RecordBatch"]:
    """Yield the batches of a result.

    Raises:
        duckdb.Error: the rows cannot be read, also after some of them were.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except MemoryError:  # Arrow's is one, too; the rows are not to blame
            raise
        except (OSError, pa.ArrowException) as error:  # so Arrow reports an error of DuckDB
            raise duckdb.IOException(str(error)) from error
        yield batch


@contextmanager
def writable_clone(published: Path | None, clone: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a clone of the published database for writing; without one, make a new database.

    The clone is checkpointed and closed if the block ends without an error.
    """
    if published is not None and published.exists():
        refuse_unfinished_writes(published)
        with read_published(published):  # while it is open, no other program can write to it
            files.clone(published, clone)
    connection = _open_file(clone, {"storage_compatibility_version": _STORAGE_VERSION})
    try:
        connection.execute("set time zone 'UTC'")
        yield connection
        connection.execute(f"drop schema if exists {STAGING_SCHEMA} cascade")
        connection.execute("checkpoint")
    finally:
        connection.close()


@contextmanager
def bounded_memory(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Limit the memory of DuckDB; what does not fit is in a folder beside the database.

    It is for work that DuckDB can do with any memory. It keeps all of a merge, for example.
    """
    # DuckDB's own limit follows the machine and the container.
    sql = """
        select limits.shown, parse_formatted_bytes(limits.shown)
        from (select current_setting('memory_limit') as shown) as limits
    """
    ((shown, duckdb_limit),) = connection.execute(sql).fetchall()
    connection.execute(f"set memory_limit = '{memory_bound(duckdb_limit)} bytes'")
    try:
        yield
    finally:
        # A reset changes only what the setting shows, which is rounded down to a tenth.
        number, unit = shown.split()
        connection.execute(f"set memory_limit = '{float(number) + 0.05:.2f} {unit}'")


@contextmanager
def sparing(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Limit the memory of DuckDB, and let it use one thread.

    Two threads that insert millions of rows take the same time as one, and twice the CPU time.
    """
    connection.execute("set threads = 1")
    try:
        with bounded_memory(connection):
            yield
    finally:
        connection.execute("reset threads")


def memory_bound(duckdb_limit: int) -> int:
    """Return the bytes that DuckDB may use: a share, since the process needs most outside of it.

    It is at most what a load of a million tasks can use. ``ulimit`` counts, too.
    """
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    available = min([duckdb_limit, *(each for each in limits if each != resource.RLIM_INFINITY)])
    return min(max(available // _MEMORY_SHARE, _MIN_MEMORY_BYTES), _MAX_MEMORY_BYTES)


def _open_file(
    path: Path, settings: Mapping[str, Any], *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    try:
        return open_database(path, settings, read_only=read_only)
    except duckdb.Error as error:
        raise _explained(path, error) from error


def refuse_unfinished_writes(published: Path) -> None:
    """Refuse to replace a database that another program has changed, or is changing.

    Raises:
        DatabaseError: there is a write-ahead log beside it.
    """
    journal = journal_of(published)
    if journal.exists():
        # A load publishes checkpointed files only, so the log is from another program.
        message = (
            f"{journal} shows that another program writes to {published.name}; close it there, or "
            f"finish its work with: duckdb {published} -c checkpoint"
        )
        raise DatabaseError(message)


def _explained(path: Path, error: duckdb.Error) -> GaussdbTasksError:
    """Distinguish a lock, a permission, a version and damage.

    No message may lead an operator to delete an intact database: it may be the only copy.
    """
    of_machine = explain_machine(error, path=path)
    if of_machine is not None:
        return of_machine
    reason = str(error).partition("\n")[0]
    if "Could not set lock on file" in reason:
        return DatabaseError(
            f"{path} is open for writing in another program; close it there and run it again "
            f"({reason})"
        )
    is_other_version = "newer version" in reason or "version number" in reason
    if is_other_version or "storage version" in reason.lower():
        return ConfigurationError(
            f"{path} was written by another version of DuckDB; use a gaussdb-tasks that is as new "
            f"as the one that wrote it ({reason})"
        )
    is_duckdb = isinstance(error, duckdb.IOException) and "not a valid DuckDB" not in reason
    if is_duckdb or "Corrupt database file" in reason:  # DuckDB 2 on a wrong checksum
        return ConfigurationError(
            f"{path} is damaged ({reason}); keep it for inspection and restore it from a backup"
        )
    return ConfigurationError(
        f"{path} is not a DuckDB database ({reason}); name another directory with --data-dir"
    )
