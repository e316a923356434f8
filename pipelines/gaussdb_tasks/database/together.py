"""Query the databases of several data directories as if they were one, without copying them.

Each database is attached read-only. Only the rows of its known tables are read, as by
``read_untrusted``. The views are those of this program.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.database import connect
from gaussdb_tasks.database.catalog import foreign_relations, refuse, refuse_other_objects
from gaussdb_tasks.database.query import open_for_queries, restrict
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.untrusted import (
    UNTRUSTED,
    create_reading_views,
    empty_database,
)
from gaussdb_tasks.database.upgrades import refuse_newer, schema_version
from gaussdb_tasks.database.views import in_dependency_order
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    LOAD_RUNS,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    TASK_TYPES,
)
from gaussdb_tasks.model.times import Micros

# They are about the program, not about its archive: each database has the same rows.
_SAME_EVERYWHERE: Final = (TASK_TYPES, SCHEMA_VERSIONS)


@contextmanager
def open_together(
    databases: Sequence[Path], now: Micros | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open published databases for SQL that users wrote; a single one as ``open_for_queries`` does.

    Args:
        databases: the published databases.
        now: the time that views use as the present; None for the machine's clock.

    Raises:
        ConfigurationError: a file is missing, is not a DuckDB database or has another schema
            version; or two have the same project.
        DatabaseError: a file is open for writing elsewhere, or has objects that no load creates.
    """
    if len(databases) == 1:
        with open_for_queries(databases[0], now) as connection:
            yield connection
        return
    with empty_database() as connection:
        names = {f"database_{number}": path for number, path in enumerate(databases, start=1)}
        columns = {name: _columns_of(connection, path) for name, path in names.items()}
        for name, path in names.items():
            connect.attach(connection, path, name)
        refuse_other_objects(connection, names)
        _refuse_shared_projects(connection, names)
        _create_tables(connection, columns)
        for view in in_dependency_order(view_files()):
            view.execute(connection)
        connection.execute("set enable_external_access = false")
        restrict(connection, now)
        yield connection


def _columns_of(connection: duckdb.DuckDBPyConnection, path: Path) -> Mapping[str, str]:
    """Return the known columns of each table; refuse a database that does not fit others."""
    connect.attach(connection, path, UNTRUSTED)
    connection.execute("begin transaction")
    columns = create_reading_views(connection)
    refuse_newer(connection, path)
    version = schema_version(connection)
    if version != SCHEMA_VERSION:
        found = "no load has filled it" if version is None else f"its schema has version {version}"
        message = (
            f"{path} cannot be read together with others: {found}, and version {SCHEMA_VERSION} is "
            "needed; run gaussdb-tasks load there once"
        )
        raise ConfigurationError(message)
    refuse(path, foreign_relations(connection))
    connection.execute("rollback")
    connection.execute(f"detach {UNTRUSTED}")
    return columns


def _refuse_shared_projects(
    connection: duckdb.DuckDBPyConnection, names: Mapping[str, Path]
) -> None:
    projects = " union all ".join(
        f"select distinct project_id, '{name}' as name from {name}.{SCHEMA_NAME}.{LOAD_RUNS.name}"  # noqa: S608 - names of this package
        for name in names
    )
    sql = f"""
        select project_id, list(name order by name) from ({projects})
        group by project_id
        having count(*) > 1
        order by project_id
    """  # noqa: S608 - names of this package
    shared = connection.execute(sql).fetchone()
    if shared is not None:
        project_id, holders = shared
        first, second = (names[name].parent for name in holders[:2])
        message = (
            f"project {visible(project_id)} is in {first} and in {second}, so its tasks would "
            "count twice; give --data-dir for one of them only"
        )
        raise ConfigurationError(message)


def _create_tables(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, Mapping[str, str]]
) -> None:
    """Create a view for each known table, with the rows of all attached databases."""
    connection.execute(f"create schema {SCHEMA_NAME}")
    for table in ALL_TABLES:
        rows = " union all by name ".join(
            f"select {each[table.name]} from {name}.{SCHEMA_NAME}.{table.name}"  # noqa: S608 - names of this package
            for name, each in columns.items()
        )
        if table in _SAME_EVERYWHERE:
            key = ", ".join(table.primary_key)
            rows = f"select distinct on ({key}) * from ({rows}) order by all"  # noqa: S608 - names of this package
        connection.execute(f"create view {SCHEMA_NAME}.{table.name} as {rows}")
