"""Compare two databases: every table of loads and every view, row for row."""

from pathlib import Path
from typing import Any, Final

import duckdb

# Views depend on the clock; both databases are queried at the same time.
_CLOCK: Final = "set variable gaussdb_tasks_now = timestamp '2026-09-01 00:00:00'"
_OBJECTS: Final = """
    select schema_name || '.' || table_name from duckdb_tables()
    where not starts_with(table_name, '_dlt')
    union all
    select schema_name || '.' || view_name from duckdb_views()
    where not internal and schema_name = 'main'
    order by all
"""


def everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table, in their order in the table, and of every view."""
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(_CLOCK)
        names = [name for (name,) in connection.execute(_OBJECTS).fetchall()]
        found = {name: connection.execute(f"from {name}").fetchall() for name in names}
    # The order of merged tables has no meaning, and views have none.
    ordered = {"task_center.task_versions", "task_center.coverage", "task_center.load_runs"}
    return {
        name: rows if name in ordered else sorted(rows, key=repr) for name, rows in found.items()
    }
