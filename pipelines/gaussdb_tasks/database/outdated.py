"""Compare the views and comments of a database with those that a load of this version makes."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import duckdb

from gaussdb_tasks.database.catalog import (
    STORED_COLUMNS,
    CatalogFault,
    Target,
    comments_of,
    tables_of,
    with_tables,
)
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.untrusted import UNTRUSTED
from gaussdb_tasks.database.view_definitions import is_same_view
from gaussdb_tasks.database.views import VIEW_SCHEMA, in_dependency_order, table_comments


class _Reference(NamedTuple):
    """The views and comments of a database that this program makes."""

    views: Mapping[str, str]
    comments: Mapping[Target, str]


def outdated_objects(connection: duckdb.DuckDBPyConnection) -> Iterator[CatalogFault]:
    """Find views and comments that differ from those that a load of this version creates."""
    reference = _reference()
    views = _views(connection, UNTRUSTED)
    for name, definition in reference.views.items():
        where = f"{VIEW_SCHEMA}.{name}"
        if name not in views:
            yield CatalogFault("missing", where, "the view is missing")
        elif not is_same_view(connection, views[name], definition):
            yield CatalogFault("differs", where, "it differs from the view that a load creates")
    actual = comments_of(connection)
    tables = {(schema, name) for schema, name in tables_of(connection)}
    for target, comment in reference.comments.items():
        schema, name, column = target
        is_there = name in views if schema == VIEW_SCHEMA else (schema, name) in tables
        if is_there and actual.get(target) != comment:
            detail = "its comment differs from the one that a load writes"
            yield CatalogFault("differs", f"{schema}.{name}", detail, column)


def _views(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    sql = f"""
        select view_name, sql from duckdb_views()
        where database_name = ? and schema_name = '{VIEW_SCHEMA}'
        order by view_name
    """  # noqa: S608 - a constant
    return dict(connection.execute(sql, [database]).fetchall())


@cache
def _reference() -> _Reference:
    files = in_dependency_order(view_files())
    tables = (
        (name, ", ".join(column.ddl for column in STORED_COLUMNS[name])) for name in STORED_COLUMNS
    )
    with with_tables(tables) as blank:
        blank.execute("".join(file.definition for file in files))
        views = _views(blank, "memory")
    comments = table_comments()
    for file in files:
        comments |= file.comments
    return _Reference(views, comments)
