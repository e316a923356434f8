"""Compare definitions of views, which each version of DuckDB spells in its own way."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import duckdb

# How DuckDB 1.4, 1.5 and 2.0 spell the same. No macro can have the name of a built-in function:
# each macro is a finding.
_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {" , ": " CROSS JOIN ", "CAST('t' AS BOOLEAN)": "true", "CAST('f' AS BOOLEAN)": "false"}
)
_BUILT_IN: Final = re.compile(r"""\bmain\.("?\w+"?\()""")
_QUOTED_TYPE: Final = re.compile(r' AS "(DATE|DOUBLE)"\)')
_CREATE: Final = re.compile(
    r"create (?:or replace )?view (?:main\.)?(?P<name>\w+) as\b", re.IGNORECASE
)
_LOCATION: Final = re.compile(r'"query_location":\d+')


def is_current(connection: duckdb.DuckDBPyConnection, actual: str, statement: str) -> bool:
    """Check whether a view is as a statement would make it.

    Args:
        connection: any connection.
        actual: the definition of the view, as DuckDB shows it.
        statement: the statement of its file.
    """
    # Other versions of DuckDB spell the same query differently.
    one, other = _usual(actual), _usual(_spelled(connection, statement))
    return one == other or _parsed(connection, one) == _parsed(connection, other)


def _spelled(connection: duckdb.DuckDBPyConnection, definition: str) -> str:
    """Return a definition as DuckDB spells it, without binding it, which takes three times as long.

    A definition that is not the SQL of one view stays as it is.
    """
    head = _CREATE.search(definition)
    if head is None:
        return definition
    query = definition[head.end() :].strip().rstrip(";")
    sql = "select json_deserialize_sql(json_serialize_sql(?))"
    ((text,),) = connection.execute(sql, [query]).fetchall()
    return f"CREATE VIEW {head['name']} AS {text};"


def _usual(definition: str) -> str:
    for spelling, usual in _SPELLINGS.items():
        definition = definition.replace(spelling, usual)
    return _BUILT_IN.sub(r"\1", _QUOTED_TYPE.sub(r" AS \1)", definition))


def _parsed(connection: duckdb.DuckDBPyConnection, definition: str) -> tuple[str, str]:
    """Parse the query of a view, without running or binding it; a text that fails stays a text.

    The tree is a text without the places of its parts: it is compared much faster than objects.
    """
    head, _, query = definition.partition(" AS ")
    sql = "select tree, tree ->> 'error' from (select json_serialize_sql(?) as tree)"
    ((tree, has_failed),) = connection.execute(sql, [query.rstrip(";")]).fetchall()
    return head, definition if has_failed != "false" else _LOCATION.sub("", tree)
