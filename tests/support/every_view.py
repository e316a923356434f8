"""Print rows, types and comments of a database's views as JSON; run with each DuckDB."""

import json
import sys
from typing import Any

import duckdb

CLOCK = "2026-03-18 12:00:00"


def rows_as_text(connection: Any, view: str) -> list[list[str | None]]:
    """Return a view's rows as text, sorted.

    Percentiles of DuckDB 1 and 2 differ after the twelfth digit.
    """
    described = connection.execute(f"describe {view}").fetchall()
    values = ", ".join(
        f"printf('%.12g', {name})" if data_type == "DOUBLE" else f"{name}::varchar"
        for name, data_type, *_ in described
    )
    rows = connection.execute(f"select {values} from {view}").fetchall()
    return sorted(map(list, rows), key=repr)


def described(connection: Any) -> dict[str, list[list[str | None]]]:
    """Return the comment of every view, and the name, type and comment of its columns."""
    views = connection.execute(
        "select view_name, comment from duckdb_views() where schema_name = 'main' and not internal"
    ).fetchall()
    columns = connection.execute(
        "select table_name, column_name, data_type, comment from duckdb_columns() "
        "where schema_name = 'main' and not internal order by table_name, column_index"
    ).fetchall()
    return {
        view: [[comment], *(list(column[1:]) for column in columns if column[0] == view)]
        for view, comment in views
    }


def main(path: str) -> None:
    """Print the answers of this DuckDB."""
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
        views = described(connection)
        (time_zone,) = connection.execute("select current_setting('TimeZone')").fetchall()[0]
        answers = {
            "duckdb": duckdb.__version__,
            "time_zone": time_zone,
            "views": views,
            "rows": {view: rows_as_text(connection, view) for view in views},
        }
    print(json.dumps(answers))  # noqa: T201 - the output


if __name__ == "__main__":
    main(*sys.argv[1:])
