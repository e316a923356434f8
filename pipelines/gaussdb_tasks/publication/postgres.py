"""Publish to PostgreSQL, which DuckDB attaches."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.database.dialects import POSTGRES
from gaussdb_tasks.errors import LockedError
from gaussdb_tasks.model.tables import AMENDMENTS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.publication.catalogue import (
    CATALOGUE,
    LANES_SQL,
    Catalogue,
    one_error,
)
from gaussdb_tasks.publication.extensions import connected_with, extension_files, roll_back
from gaussdb_tasks.publication.lane import Lane, Publication, TransientPublicationError
from gaussdb_tasks.publication.target import PASSWORD, PostgresServer, PostgresTarget

SECRET: Final = "server"  # noqa: S105 - the name of a secret of DuckDB
NULL_REPLACEMENT: Final = "\ufffd"
_LOCK: Final = "lock_of_catalogue"
# Any number that no other program takes in the same database.
_LOCK_KEY: Final = 0x6761757373
MAX_LOCK_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.5


class PostgresCatalogue(Catalogue):
    """Tables and views in a database of PostgreSQL."""

    def _run(self, script: str) -> None:
        self._drop_views()
        self._connection.execute("call postgres_execute(?, ?)", [CATALOGUE, script])

    def _drop_views(self) -> None:
        """Drop the views of an older version: PostgreSQL replaces none with other columns."""
        sql = """
            select string_agg(format('main.%I', viewname), ', ') from pg_views
            where schemaname = 'main' and viewowner = current_user
        """
        rows = self._connection.execute("from postgres_query(?, ?)", [CATALOGUE, sql]).fetchall()
        if rows[0][0] is not None:
            self._connection.execute(
                "call postgres_execute(?, ?)", [CATALOGUE, f"drop view {rows[0][0]}"]
            )

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring entries and the lane there; the server counts what is new at once.

        Without statistics of a first publication, the planner makes views slow. Later ones are
        few rows, which the server's own autovacuum counts.
        """
        super().publish(chain, first, lane)
        if first == 0:
            tables = ", ".join(f"{SCHEMA_NAME}.{table.name}" for table in LOADED_TABLES)
            with one_error(self._name):
                self._connection.execute(
                    "call postgres_execute(?, ?)", [CATALOGUE, f"analyze {tables}"]
                )

    def _clean(self) -> None:
        tables = (f"{SCHEMA_NAME}.{table.name}" for table in (*LOADED_TABLES, AMENDMENTS))
        rewrite_tables(self._connection, CATALOGUE, tables)

    def _create_tables(self) -> None:
        super()._create_tables()
        # A second row of an archive is an error, even without the lock.
        index = "create unique index if not exists published_archives_key"
        key = f"{index} on {LANES_SQL} (archive_id)"
        self._connection.execute("call postgres_execute(?, ?)", [CATALOGUE, key])


def rewrite_tables(
    connection: duckdb.DuckDBPyConnection, database: str, tables: Iterable[str]
) -> None:
    """Write tables again: a plain vacuum leaves old bytes in the free space of pages.

    Args:
        connection: has the database attached.
        database: its name there.
        tables: qualified names, as the server writes them.
    """
    # The planner's statistics hold common values. Only the owner of a database can rewrite them.
    for table in (*tables, "pg_catalog.pg_statistic"):
        connection.execute(
            "call postgres_execute(?, ?, use_transaction := false)",
            [database, f"vacuum (full, analyze) {table}"],
        )


@contextmanager
def open_postgres(
    target: PostgresTarget, scratch: Path, *, is_writing: bool
) -> Iterator[Publication]:
    """Open a PostgreSQL database; for writing, hold its lock."""
    files = extension_files("postgres", "postgres_scanner")
    with connected_with(files, scratch) as connection, one_error(target.name):
        create_secret(connection)
        options = f"type postgres, secret {SECRET}{'' if is_writing else ', read_only'}"
        connection.execute(
            f"attach {quoted_text(target.server.conninfo)} as {CATALOGUE} ({options})"
        )
        # PostgreSQL holds no U+0000.
        connection.execute("set pg_null_byte_replacement = ?", [NULL_REPLACEMENT])
        catalogue = PostgresCatalogue(
            connection, target.name, POSTGRES, scratch, null_replacement=NULL_REPLACEMENT
        )
        if not is_writing:
            connection.execute(f"use {CATALOGUE}; begin transaction")  # one snapshot
            yield catalogue
            return
        with server_lock(connection, target.server, target.name) as check:
            connection.execute(f"use {CATALOGUE}")
            catalogue.check_lock = check
            yield catalogue


def create_secret(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB sign in with the password of the settings; without one, libpq finds its own.

    The password is a parameter, so that no message can show it as a part of a statement.
    """
    password = read_secret(os.environ, PASSWORD)
    if password is None:
        connection.execute(f"create secret {SECRET} (type postgres)")
    else:
        connection.execute(f"create secret {SECRET} (type postgres, password ?)", [password])


@contextmanager
def server_lock(
    connection: duckdb.DuckDBPyConnection, server: PostgresServer, name: str
) -> Iterator[Callable[[], object]]:
    """Hold the lock of a database; yield a function that raises an error if it was lost.

    The server releases it when the connection ends, even if this process is killed.

    Raises:
        LockedError: another publication holds it for too long.
    """
    # With another isolation, the transaction would keep a snapshot, and so every row in it.
    connection.execute(
        f"attach {quoted_text(server.conninfo)} as {_LOCK} "
        f"(type postgres, secret {SECRET}, isolation_level 'read committed')"
    )
    holder = connection.cursor()
    holder.execute("begin transaction")
    try:
        _wait_for(holder, name)
        backend = _ask(holder, "pg_backend_pid()")

        def check() -> None:
            with one_error(name):
                if _ask(holder, "pg_backend_pid()") != backend:
                    message = f"{name}: the connection with the lock was lost"
                    raise TransientPublicationError(message)

        yield check
    finally:
        roll_back(holder)
        holder.close()


def _wait_for(holder: duckdb.DuckDBPyConnection, name: str) -> None:
    end = time.monotonic() + MAX_LOCK_SECONDS
    while not _ask(holder, f"pg_try_advisory_xact_lock({_LOCK_KEY})"):
        if time.monotonic() > end:
            message = f"another publication to {name} is running; run it again later"
            raise LockedError(message)
        time.sleep(_POLL_SECONDS)


def _ask(holder: duckdb.DuckDBPyConnection, expression: str) -> object:
    sql = f"select {expression}"
    (row,) = holder.execute("from postgres_query(?, ?)", [_LOCK, sql]).fetchall()
    return row[0]
