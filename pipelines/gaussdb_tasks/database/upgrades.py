"""Upgrade the schema of older databases, and refuse newer ones.

A database holds the version of its schema. A load upgrades an older one step by step, in the clone:
the new schema is published with the load, or not at all. A new column is nullable, or its values
follow from other columns, since older entries of the archive do not have it and never change.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import (
    AMENDMENTS,
    LOAD_RUNS,
    LOADED_TABLES,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
)


def schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version of a database's schema; None if no load has filled the database."""
    sql = """
        select table_name from information_schema.tables
        where table_catalog = current_database() and table_schema = ?
    """
    names = {name for (name,) in connection.execute(sql, [SCHEMA_NAME]).fetchall()}
    if SCHEMA_VERSIONS.name in names:
        sql = f"select max(version) from {SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"  # noqa: S608 - a constant
        row = connection.execute(sql).fetchone()
        if row is not None and row[0] is not None:
            return int(row[0])
    # Version 1 had no table for its version.
    return 1 if "load_runs" in names else None


def refuse_unfilled(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a database of another program, or an empty one.

    Raises:
        ConfigurationError: no load has filled it.
    """
    if schema_version(connection) is None:
        message = (
            f"{path} is not a database of gaussdb-tasks: no load has filled it; name another "
            "directory with --data-dir"
        )
        raise ConfigurationError(message)


def refuse_newer(connection: duckdb.DuckDBPyConnection, what: object) -> None:
    """Refuse a database that a newer program has written.

    Raises:
        ConfigurationError: its schema has a newer version.
    """
    version = schema_version(connection)
    if version is not None and version > SCHEMA_VERSION:
        message = (
            f"{what} was written by a newer gaussdb-tasks (its schema has version {version}, this "
            f"program supports {SCHEMA_VERSION}); nothing was changed: upgrade gaussdb-tasks"
        )
        raise ConfigurationError(message)


def upgrade(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Upgrade a clone's schema; return its former version, or None if nothing was upgraded.

    A new database gets the current version.
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
    connection.execute(f"insert into {table} values (?)", [SCHEMA_VERSION])  # noqa: S608 - a constant
    return version


def with_project_name(relation: str) -> str:
    """Return SQL for a table or view whose ``project_name`` a database may lack: then it is null.

    Schemas of version 1 and 2 lack it until a load upgrades them.
    """
    return with_text_column(relation, "project_name")


def with_text_column(relation: str, name: str) -> str:
    """Return SQL for a table or view that an older database has without a column: it is null."""
    return f"(from {relation} union all by name select null::varchar as {name} where false)"


def _to_version_2(connection: duckdb.DuckDBPyConnection) -> None:
    """Add missing columns, and number the loads by their clocks."""
    present = _add_missing_columns(connection)
    if ("load_runs", "load_number") not in present:
        connection.execute(_NUMBER_LOADS)


def _add_missing_columns(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Add the columns that tables lack, with nulls; return those that were there before."""
    sql = "select table_name, column_name from duckdb_columns() where schema_name = ?"
    present = set(connection.execute(sql, [SCHEMA_NAME]).fetchall())
    tables = {table for table, _ in present}
    for table in (*LOADED_TABLES, AMENDMENTS):
        for column in table.columns:
            if table.name in tables and (table.name, column.name) not in present:
                connection.execute(
                    f"alter table {SCHEMA_NAME}.{table.name} "
                    f"add column {column.name} {column.sql_type}"
                )
    return present


def _to_version_4(connection: duckdb.DuckDBPyConnection) -> None:
    """Record the archive of each entry: the digest of the first one."""
    _add_missing_columns(connection)
    sql = f"select any_value(head_digest) from {SCHEMA_NAME}.load_runs where archive_sequence = 1"  # noqa: S608 - a constant
    (archive_id,) = connection.execute(sql).fetchone() or (None,)
    sql = "select table_name from duckdb_tables() where schema_name = ? and table_name in (?, ?)"
    names = [SCHEMA_NAME, LOAD_RUNS.name, AMENDMENTS.name]
    for (name,) in connection.execute(sql, names).fetchall():
        connection.execute(
            f"update {SCHEMA_NAME}.{name} set archive_id = ? where head_digest is not null",  # noqa: S608 - names of this package
            [archive_id],
        )


ADDED_NULLABLE: Final = frozenset({("load_runs", "load_number")})
"""Columns that an upgrade adds without ``not null``, although a new table has it."""


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
"""  # noqa: S608 - a constant

_STEPS: Final[dict[int, Callable[[duckdb.DuckDBPyConnection], object]]] = {
    2: _to_version_2,
    3: _add_missing_columns,  # load_runs.project_name
    4: _to_version_4,
}
