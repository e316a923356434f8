"""Databases of earlier versions, brought up to date inside the transaction of a night.

A database says which version of its schema it has. An older one is changed step by step, in the
clone, so that the night is published with the new schema or not at all; a newer one is refused.
What a version of the schema adds is nullable, or follows from what is there: the archive's older
entries lack it as well, and stay as they are.
"""

from collections.abc import Callable
from typing import Final

import duckdb

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import LOADED_TABLES, SCHEMA_NAME, SCHEMA_VERSION, SCHEMA_VERSIONS


def schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version of a database's schema; None of one that no load has filled."""
    sql = "select table_name from duckdb_tables() where schema_name = ?"
    names = {name for (name,) in connection.execute(sql, [SCHEMA_NAME]).fetchall()}
    if SCHEMA_VERSIONS.name in names:
        sql = f"select max(version) from {SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"  # noqa: S608 - our own
        row = connection.execute(sql).fetchone()
        if row is not None and row[0] is not None:
            return int(row[0])
    # The first version did not say so.
    return 1 if "load_runs" in names else None


def refuse_newer(connection: duckdb.DuckDBPyConnection, what: object) -> None:
    """Refuse a database that a newer program has written.

    Raises:
        ConfigurationError: it is newer than this program knows.
    """
    version = schema_version(connection)
    if version is not None and version > SCHEMA_VERSION:
        message = (
            f"{what} was written by a newer gaussdb-tasks (its schema has version {version}, this "
            f"program knows {SCHEMA_VERSION}); nothing was changed: upgrade gaussdb-tasks"
        )
        raise ConfigurationError(message)


def upgrade(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Bring a clone's schema up to date; return the version it had, if there was something to do.

    A new database gets its version, and had none.
    """
    version = schema_version(connection)
    if version == SCHEMA_VERSION:
        return None
    if version is not None:
        for step in range(version + 1, SCHEMA_VERSION + 1):
            _STEPS[step](connection)
    (column,) = SCHEMA_VERSIONS.columns
    table = f"{SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"
    connection.execute(f"create schema if not exists {SCHEMA_NAME}")
    connection.execute(f"create or replace table {table} ({column.ddl})")
    connection.execute(f"insert into {table} values (?)", [SCHEMA_VERSION])  # noqa: S608 - our own
    return version


def _to_version_2(connection: duckdb.DuckDBPyConnection) -> None:
    """Add what the first databases lacked, and number their loads in the order of their clocks."""
    sql = "select table_name, column_name from duckdb_columns() where schema_name = ?"
    present = set(connection.execute(sql, [SCHEMA_NAME]).fetchall())
    tables = {table for table, _ in present}
    for table in LOADED_TABLES:
        for column in table.columns:
            if table.name in tables and (table.name, column.name) not in present:
                connection.execute(
                    f"alter table {SCHEMA_NAME}.{table.name} "
                    f"add column {column.name} {column.sql_type}"
                )
    if ("load_runs", "load_number") not in present:
        connection.execute(_NUMBER_LOADS)


_NUMBER_LOADS: Final = f"""
    update {SCHEMA_NAME}.load_runs set load_number = numbered.load_number
    from (
        select
            run_id,
            row_number() over (order by min(observed_at), run_id) as load_number
        from {SCHEMA_NAME}.load_runs
        group by run_id
    ) as numbered
    where load_runs.run_id = numbered.run_id
"""  # noqa: S608 - a name of our own

_STEPS: Final[dict[int, Callable[[duckdb.DuckDBPyConnection], None]]] = {2: _to_version_2}
