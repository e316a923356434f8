"""Describe the views and tables as sources of dbt."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import VIEW_SCHEMA
from gaussdb_tasks.model.tables import SCHEMA_NAME
from gaussdb_tasks.publication.lane import published_comments

_NAMES: Final = {VIEW_SCHEMA: "gaussdb_tasks", SCHEMA_NAME: "gaussdb_tasks_tables"}
_DESCRIPTIONS: Final = {
    VIEW_SCHEMA: "Views on the archive of the task center of GaussDB. All times are UTC.",
    SCHEMA_NAME: "Tables of the archive, which loads fill. All times are UTC.",
}


def dbt_sources() -> str:
    """Return ``sources.yml``: a source for each schema, with all comments as descriptions."""
    comments = published_comments()
    for file in view_files():
        comments |= file.comments
    sources = [
        {
            "name": name,
            "description": _DESCRIPTIONS[schema],
            "schema": schema,
            "tables": _tables(comments, schema),
        }
        for schema, name in _NAMES.items()
    ]
    return yaml.safe_dump({"version": 2, "sources": sources}, sort_keys=False, width=100)


def _tables(
    comments: Mapping[tuple[str, str, str | None], str], schema: str
) -> list[dict[str, Any]]:
    """Return the tables of a schema in the order of their columns, as dbt lists them."""
    tables: dict[str, dict[str, Any]] = {}
    for (of_schema, table, column), comment in comments.items():
        if of_schema == schema and column is None:
            tables[table] = {"name": table, "description": comment, "columns": []}
    for (of_schema, table, column), comment in comments.items():
        if of_schema == schema and column is not None:
            tables[table]["columns"].append({"name": column, "description": comment})
    return list(tables.values())
