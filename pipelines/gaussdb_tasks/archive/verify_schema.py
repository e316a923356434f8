"""Verify the tables and columns of the database."""

from collections.abc import Mapping, Sequence

import duckdb

from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    LOAD_ID,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    Column,
)


def verify_schema(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Find missing and additional tables and columns, and other types."""
    sql = """
        select table_name, column_name, lower(data_type)
        from duckdb_columns()
        where schema_name = ? and not starts_with(table_name, '_dlt')
    """
    actual: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(sql, [SCHEMA_NAME]).fetchall():
        actual.setdefault(table, {})[column] = data_type
    expected = {table.name: _column_types(table.columns) for table in ALL_TABLES}
    for table in sorted(expected.keys() | actual.keys()):
        where = f"{SCHEMA_NAME}.{table}"
        if table not in actual and table == SCHEMA_VERSIONS.name:
            continue  # a database of the first version, which no load has upgraded yet
        if table not in actual:
            found.add(Fault.MISSING, where, "the table is missing")
        elif table not in expected:
            found.add(Fault.EXTRA, where, "no load creates this table")
        else:
            _verify_columns(where, expected[table], actual[table], found)
    if SCHEMA_VERSIONS.name in actual:
        _verify_schema_version(connection, found)


def _verify_schema_version(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    where = f"{SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"
    versions = [version for (version,) in connection.execute(f"from {where}").fetchall()]
    if versions != [SCHEMA_VERSION]:
        detail = f"it is {versions}, not {SCHEMA_VERSION}"
        found.add(Fault.DIFFERS, where, detail, column="version")


def _column_types(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: column.sql_type for column in columns}


def _verify_columns(
    where: str, expected: Mapping[str, str], actual: Mapping[str, str], found: Verification
) -> None:
    for column in sorted(expected.keys() - actual.keys()):
        found.add(Fault.MISSING, where, "the column is missing", column=column)
    for column in sorted(actual.keys() - expected.keys() - {LOAD_ID.name}):
        found.add(Fault.EXTRA, where, "no load creates this column", column=column)
    for column in sorted(expected.keys() & actual.keys()):
        if expected[column] != actual[column]:
            detail = f"its type is {actual[column]}, not {expected[column]}"
            found.add(Fault.DIFFERS, where, detail, column=column)
