"""Read a database that may have been tampered with, so that nothing of its catalog takes part.

The file is attached read-only to a new, empty database. Views there read the known columns of the
file's tables. So a query of ``task_center.tasks`` reads the table of the file, but macros, views
and types of the file have no effect on it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import duckdb

from gaussdb_tasks.database import connect
from gaussdb_tasks.database.upgrades import refuse_newer
from gaussdb_tasks.model.tables import ALL_TABLES, SCHEMA_NAME, stored_columns

UNTRUSTED: Final = "untrusted"
"""The name of the attached file in the new database."""

BELIEVING_NO_STATISTICS: Final = MappingProxyType(
    {"disabled_optimizers": "statistics_propagation,join_filter_pushdown"}
)
"""Settings of a connection that reads files of anybody.

By default DuckDB does not compute what the statistics in a file seem to answer: whether there is a
null, or a row that a join finds.
"""

# Such a column is computed, or compares texts by other rules. A text that only contains the words
# makes the check stricter.
_NOT_PLAIN: Final = ("GENERATED ALWAYS", "COLLATE")


@contextmanager
def read_untrusted(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database without its catalog: only the rows of known tables can be read.

    A table that is missing or not a plain table does not exist here, nor does a column of another
    type. ``catalog_faults`` names them.

    Raises:
        ConfigurationError: the file is missing, or it is not a DuckDB database.
        DatabaseError: another program has it open for writing.
    """
    with empty_database() as connection:
        connect.attach(connection, path, UNTRUSTED)
        create_reading_views(connection)
        refuse_newer(connection, path)
        yield connection


@contextmanager
def empty_database(
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory, with which files of anybody can be read.

    What does not fit into memory is in a temporary folder.
    """
    with (
        TemporaryDirectory() as folder,
        connect.open_empty(Path(folder), {**settings, **BELIEVING_NO_STATISTICS}) as connection,
    ):
        yield connection


def create_reading_views(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """Create a view for each known table of the attached file.

    Returns the columns of each view, as a SELECT names them.
    """
    connection.execute(f"create schema {SCHEMA_NAME}")
    definitions = dict(connection.execute(_DEFINITIONS, [UNTRUSTED, SCHEMA_NAME]).fetchall())
    present = {
        tuple(row) for row in connection.execute(_COLUMNS, [UNTRUSTED, SCHEMA_NAME]).fetchall()
    }
    selected = {}
    for table in ALL_TABLES:
        columns = [
            f'"{column.name}"'
            for column in stored_columns(table)
            if (table.name, column.name, column.sql_type) in present
        ]
        if columns and _is_plain(definitions.get(table.name)):
            selected[table.name] = ", ".join(columns)
    views = (
        f"create view {SCHEMA_NAME}.{name} as "  # noqa: S608 - names of this package
        f"select {columns} from {UNTRUSTED}.{SCHEMA_NAME}.{name}"
        for name, columns in selected.items()
    )
    connection.execute(";".join(views))
    return selected


_DEFINITIONS: Final = """
    select table_name, sql from duckdb_tables() where database_name = ? and schema_name = ?
"""
_COLUMNS: Final = """
    select table_name, column_name, lower(data_type)
    from duckdb_columns()
    where database_name = ? and schema_name = ?
"""


def _is_plain(definition: str | None) -> bool:
    return definition is not None and not any(words in definition for words in _NOT_PLAIN)
