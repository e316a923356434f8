"""The rows of a published database without the identifiers of loads, to compare two databases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.database.checks import Severity, run_checks
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import ALL_TABLES

Contents = Mapping[str, list[tuple[Any, ...]]]

# These columns differ between two loads with the same result.
_LOAD_IDENTIFIERS: Final = ("_dlt_load_id", "run_id", "call_count", "head_digest", "archive_id")
_RECORDS_OF_LOADS: Final = frozenset({"coverage", "load_runs"})


def contents(folder: Path) -> Contents:
    """Return the rows of every published table, sorted; an empty mapping before the first load.

    Raises:
        AssertionError: a data check fails, or a working schema is left in the file.
    """
    database = DataDir(folder).database
    if not database.exists():
        return {}
    with duckdb.connect(database, read_only=True) as connection:
        schemas = connection.execute("select distinct schema_name from duckdb_tables()").fetchall()
        assert schemas == [("task_center",)]
        failed = [f for f in run_checks(connection) if f.severity is Severity.FAIL]
        assert not failed, failed
        return {table.name: _rows(connection, table.name) for table in ALL_TABLES}


def evidence(all_contents: Contents) -> Contents:
    """Return the contents without the tables to which a repeated load adds rows."""
    kept = {name: rows for name, rows in all_contents.items() if name not in _RECORDS_OF_LOADS}
    for name in _RECORDS_OF_LOADS & all_contents.keys():
        assert all_contents[name]
    return kept


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    columns = connection.execute(f"from task_center.{table} limit 0").description
    names = [column[0] for column in columns if column[0] not in _LOAD_IDENTIFIERS]
    sql = f"select {', '.join(names)} from task_center.{table} order by all"
    return connection.execute(sql).fetchall()
