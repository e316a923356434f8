"""Print all that the views of a file hold, as JSON; run with each DuckDB."""

import json
import sys
from typing import Any

import duckdb

CLOCK = "2026-03-18 12:00:00"


def rows_as_text(connection: Any, view: str) -> list[list[str | None]]:
    """Read a view as text, in an order of its own.

    DuckDB 2 interpolates percentiles with other last digits than 1 does, beyond the twelfth.
    """
    described = connection.execute(f"describe {view}").fetchall()
    values = ", ".join(
        f"printf('%.12g', {name})" if data_type == "DOUBLE" else f"{name}::varchar"
        for name, data_type, *_ in described
    )
    rows = connection.execute(f"select {values} from {view}").fetchall()
    return sorted(map(list, rows), key=repr)


def described(connection: Any) -> dict[str, list[list[str | None]]]:
    """Say of every view what it is: its columns, their types and the comments."""
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
    """Print the answers of one DuckDB."""
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
    print(json.dumps(answers))  # noqa: T201 - printing is its job


if __name__ == "__main__":
    main(*sys.argv[1:])
