"""Compare the views and comments of a database with those that a load of this version makes."""

from collections.abc import Iterator

import duckdb

from gaussdb_tasks.database.catalog import CatalogFault, comments_of, tables_of
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.untrusted import UNTRUSTED
from gaussdb_tasks.database.view_definitions import is_current
from gaussdb_tasks.database.views import VIEW_SCHEMA, definitions_in, table_comments


def outdated_objects(connection: duckdb.DuckDBPyConnection) -> Iterator[CatalogFault]:
    """Find views and comments that differ from those that a load of this version creates."""
    files, views = view_files(), definitions_in(connection, UNTRUSTED)
    for file in files:
        where = f"{VIEW_SCHEMA}.{file.name}"
        if file.name not in views:
            yield CatalogFault("missing", where, "the view is missing")
        elif not is_current(connection, views[file.name], file.definition):
            yield CatalogFault("differs", where, "it differs from the view that a load creates")
    actual, expected = comments_of(connection), table_comments()
    for file in files:
        expected |= file.comments
    tables = {(schema, name) for schema, name in tables_of(connection)}
    for target, comment in expected.items():
        schema, name, column = target
        is_there = name in views if schema == VIEW_SCHEMA else (schema, name) in tables
        if is_there and actual.get(target) != comment:
            detail = "its comment differs from the one that a load writes"
            yield CatalogFault("differs", f"{schema}.{name}", detail, column)
