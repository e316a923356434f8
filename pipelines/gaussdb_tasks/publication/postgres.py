"""Publish to PostgreSQL, which DuckDB attaches."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.database.dialects import POSTGRES
from gaussdb_tasks.database.views import VIEW_SCHEMA
from gaussdb_tasks.errors import ConfigurationError, LockedError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.tables import AMENDMENTS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.publication.catalogue import (
    CATALOGUE,
    LANES_SQL,
    Catalogue,
    view_names,
)
from gaussdb_tasks.publication.engine_errors import one_error
from gaussdb_tasks.publication.extensions import connected_with, extension_files, roll_back
from gaussdb_tasks.publication.lane import Lane, Publication, TransientPublicationError
from gaussdb_tasks.publication.target import PASSWORD, PostgresServer, PostgresTarget

SECRET: Final = "server"  # noqa: S105 - the name of a secret of DuckDB
NULL_REPLACEMENT: Final = "\ufffd"
_LOCK: Final = "lock_of_catalogue"
# Any number that no other program takes in the same database.
_LOCK_KEY: Final = 0x6761757373
_BACKEND: Final = "select pg_backend_pid()"
_OTHER_COLUMNS: Final = re.compile("of view column|columns from view")
_DEFINITIONS: Final = f"""
    select viewname || ' ' || definition from pg_views where schemaname = '{VIEW_SCHEMA}'
"""
_OUR_VIEWS: Final = f"""
    with ours as (
        select oid, relname from pg_class
        where relnamespace = to_regnamespace('{VIEW_SCHEMA}') and relkind = 'v'
            and relname in ({{names}})
            and relowner = current_user::regrole
    )
"""
_LISTED: Final = f"select string_agg(format('{VIEW_SCHEMA}.%I', relname), ', ') from ours"
# A view depends on another one by its rule.
_FOREIGN_VIEW: Final = """
    select min(ev_class::regclass::text)
    from pg_depend inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
    where pg_depend.classid = 'pg_rewrite'::regclass
        and pg_depend.refobjid in (select oid from ours)
        and pg_rewrite.ev_class not in (select oid from ours)
"""
MAX_LOCK_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.5


class PostgresCatalogue(Catalogue):
    """Tables and views in a database of PostgreSQL."""

    def _run(self, script: str) -> None:
        """Create the views; those of an older version go before, unless somebody's view reads one.

        PostgreSQL replaces no view with other columns.

        Raises:
            ConfigurationError: a view that must be replaced so is read.
        """
        ours = _OUR_VIEWS.format(names=", ".join(map(quoted_text, view_names())))
        (reader,) = ask_server(self._connection, ours + _FOREIGN_VIEW)
        (views,) = ask_server(self._connection, ours + _LISTED)
        if reader is None and views is not None:
            run_on_server(self._connection, f"drop view {views}")
        try:
            run_on_server(self._connection, script)
        except duckdb.Error as error:
            if reader is None or _OTHER_COLUMNS.search(str(error)) is None:
                raise
            message = (
                f"{self._name}: a view has other columns in this version, and {visible(reader)} "
                "reads it; drop that one, publish, and create it again"
            )
            raise ConfigurationError(message) from None

    def _kept_views(self) -> Sequence[str]:
        # PostgreSQL qualifies the names in a definition that the path does not reach.
        ask_server(self._connection, "select set_config('search_path', '', true)")
        return ask_server(self._connection, _DEFINITIONS)

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring entries and the lane there; the server counts what is new at once.

        Without statistics of a first publication, the planner makes views slow. Later ones are
        few rows, which the server's own autovacuum counts.
        """
        super().publish(chain, first, lane)
        if first == 0:
            tables = ", ".join(f"{SCHEMA_NAME}.{table.name}" for table in LOADED_TABLES)
            with one_error(self._name):
                run_on_server(self._connection, f"analyze {tables}")

    def _clean(self) -> None:
        tables = (f"{SCHEMA_NAME}.{table.name}" for table in (*LOADED_TABLES, AMENDMENTS))
        rewrite_tables(self._connection, CATALOGUE, tables)

    def _create_tables(self) -> None:
        super()._create_tables()
        # A second row of an archive is an error, even without the lock.
        index = "create unique index if not exists published_archives_key"
        run_on_server(self._connection, f"{index} on {LANES_SQL} (archive_id)")


def run_on_server(connection: duckdb.DuckDBPyConnection, statements: str) -> None:
    """Run statements of PostgreSQL's own SQL, in the transaction."""
    connection.execute("call postgres_execute(?, ?)", [CATALOGUE, statements])


def ask_server(
    connection: duckdb.DuckDBPyConnection, sql: str, database: str = CATALOGUE
) -> list[Any]:
    """Return the values that a query of one column in PostgreSQL's own SQL gives."""
    rows = connection.execute("from postgres_query(?, ?)", [database, sql]).fetchall()
    return [value for (value,) in rows]


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
    server, name = target.server, target.name
    with attached_server(server, name, scratch, is_writing=is_writing) as connection:
        # PostgreSQL holds no U+0000.
        connection.execute("set pg_null_byte_replacement = ?", [NULL_REPLACEMENT])
        catalogue = PostgresCatalogue(
            connection, name, POSTGRES, scratch, null_replacement=NULL_REPLACEMENT
        )
        if not is_writing:
            connection.execute(f"use {CATALOGUE}; begin transaction")  # one snapshot
            yield catalogue
            return
        with server_lock(connection, server, name) as check:
            connection.execute(f"use {CATALOGUE}")
            catalogue.check_lock = check
            yield catalogue


@contextmanager
def attached_server(
    server: PostgresServer, name: str, scratch: Path, *, is_writing: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach a database of PostgreSQL as the catalogue; nothing is locked."""
    with connected_with(server_extensions(), scratch) as connection, one_error(name):
        create_secret(connection)
        options = f"type postgres, secret {SECRET}{'' if is_writing else ', read_only'}"
        connection.execute(f"attach {quoted_text(server.conninfo)} as {CATALOGUE} ({options})")
        yield connection


def server_extensions() -> Sequence[Path]:
    """Return the files of the extensions that PostgreSQL needs."""
    return extension_files("postgres", "postgres_scanner")


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
        backend = ask_server(holder, _BACKEND, _LOCK)

        def check() -> None:
            with one_error(name):
                if ask_server(holder, _BACKEND, _LOCK) != backend:
                    message = f"{name}: the connection with the lock was lost"
                    raise TransientPublicationError(message)

        yield check
    finally:
        roll_back(holder)
        holder.close()


def _wait_for(holder: duckdb.DuckDBPyConnection, name: str) -> None:
    end = time.monotonic() + MAX_LOCK_SECONDS
    while ask_server(holder, f"select pg_try_advisory_xact_lock({_LOCK_KEY})", _LOCK) != [True]:
        if time.monotonic() > end:
            message = f"another publication to {name} is running; run it again later"
            raise LockedError(message)
        time.sleep(_POLL_SECONDS)
