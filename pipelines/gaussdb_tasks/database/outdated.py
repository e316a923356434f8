"""Compare the views and comments of a database with those that a load of this version makes."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
from gaussdb_tasks.database.views import VIEW_SCHEMA, in_dependency_order, table_comments

# How DuckDB 1.4, 1.5 and 2.0 spell the same. No macro can have the name of a built-in function:
# each macro is a finding.
_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {" , ": " CROSS JOIN ", "CAST('t' AS BOOLEAN)": "true", "CAST('f' AS BOOLEAN)": "false"}
)
_BUILT_IN: Final = re.compile(r"""\bmain\.("?\w+"?\()""")


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
        elif not _is_same_view(connection, views[name], definition):
            yield CatalogFault("differs", where, "it differs from the view that a load creates")
    actual = comments_of(connection)
    tables = {(schema, name) for schema, name in tables_of(connection)}
    for target, comment in reference.comments.items():
        schema, name, column = target
        is_there = name in views if schema == VIEW_SCHEMA else (schema, name) in tables
        if is_there and actual.get(target) != comment:
            detail = "its comment differs from the one that a load writes"
            yield CatalogFault("differs", f"{schema}.{name}", detail, column)


def _is_same_view(connection: duckdb.DuckDBPyConnection, actual: str, expected: str) -> bool:
    """Compare definitions; other versions of DuckDB spell the same query differently."""
    return actual == expected or _parsed(connection, actual) == _parsed(connection, expected)


def _parsed(connection: duckdb.DuckDBPyConnection, definition: str) -> tuple[str, Any]:
    """Parse the query of a view, without running or binding it; a text that fails stays a text."""
    for spelling, usual in _SPELLINGS.items():
        definition = definition.replace(spelling, usual)
    head, _, query = _BUILT_IN.sub(r"\1", definition).partition(" AS ")
    row = connection.execute("select json_serialize_sql(?)", [query.rstrip(";")]).fetchone()
    tree = json.loads(row[0]) if row is not None else {}
    return head, definition if tree.get("error", True) else _without_locations(tree)


def _without_locations(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_locations(tree[key]) for key in tree if key != "query_location"}
    return [_without_locations(each) for each in tree] if isinstance(tree, list) else tree


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
