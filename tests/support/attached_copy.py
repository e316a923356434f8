"""A database that is read as an untrusted one, and changed meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from gaussdb_tasks.database.untrusted import UNTRUSTED, create_reading_views


@contextmanager
def attached_copy(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach a database as ``read_untrusted`` does, but for writing too."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")  # more cost more for tables this small
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{path}' as {UNTRUSTED}")
        create_reading_views(connection)
        yield connection


@contextmanager
def edited(connection: duckdb.DuckDBPyConnection, *statements: str) -> Iterator[None]:
    """Change the attached database inside a transaction, which is rolled back."""
    connection.execute("begin transaction")
    try:
        connection.execute(f"use {UNTRUSTED}.task_center")
        for statement in statements:
            connection.execute(statement)
        connection.execute("use memory.main")
        yield
    finally:
        connection.execute("rollback")
        connection.execute("use memory.main")
