"""The views answer the same in every engine as in DuckDB."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.database.dialects import POSTGRES
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import view_script
from tests.support import postgres
from tests.support.everything_archive import CLOCK, everything_archive
from tests.support.sample_archive import Archive

VIEWS = tuple(file.name for file in view_files())


@pytest.fixture(scope="module")
def everything(invented_archive: Path) -> Archive:
    """An archive that has everything in it."""
    archive = everything_archive(invented_archive)
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
    return archive


@pytest.fixture(scope="module")
def server(everything: Archive) -> Iterator[postgres.Server]:
    """A server with two databases: one has everything, and one has no rows."""
    with postgres.server() as started:
        for name, archive in (("everything", everything), ("nothing", Archive())):
            started.copy(name, archive.connection)
            started.run(view_script(POSTGRES), name)
            started.run(f"alter database {name} set gaussdb_tasks.now = '{CLOCK}'")
        yield started


def rows_of(archive: Archive, view: str) -> list[tuple[Any, ...]]:
    """Return the rows of a view in DuckDB, sorted."""
    return in_order(archive.connection.execute(f"from main.{view}").fetchall())


def in_order(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Sort rows; engines, and versions of DuckDB, differ after the twelfth digit of percentiles."""
    rounded = (
        tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row)
        for row in rows
    )
    return sorted(rounded, key=repr)


def rows_of_postgres(
    server: postgres.Server, database: str, archive: Archive, view: str
) -> list[tuple[Any, ...]]:
    """Return the rows of a view in PostgreSQL, sorted; values as those of DuckDB's columns."""
    described = archive.connection.execute(f"describe main.{view}").fetchall()
    columns = {name: data_type for name, data_type, *_ in described}
    listed = ", ".join(
        f"cast({name} as text) as {name}" if data_type == "JSON" else name
        for name, data_type in columns.items()
    )
    lines = server.run(
        f"select row_to_json(answers) from (select {listed} from main.{view}) as answers", database
    )
    found = [json.loads(line) for line in lines.splitlines()]
    assert all(list(row) == list(columns) for row in found)
    return in_order([value_of(row[name], columns[name]) for name in columns] for row in found)


def value_of(value: Any, data_type: str) -> Any:
    """Return a value of JSON as DuckDB returns it."""
    if value is not None and data_type == "TIMESTAMP":
        return datetime.fromisoformat(value)
    if value is not None and data_type == "DATE":
        return date.fromisoformat(value)
    return float(value) if value is not None and data_type == "DOUBLE" else value


@postgres.needs_postgres
@pytest.mark.parametrize("view", VIEWS)
def test_postgres_answers_as_duckdb(
    server: postgres.Server, everything: Archive, view: str
) -> None:
    expected = rows_of(everything, view)
    assert expected, "an empty view proves nothing"
    assert rows_of_postgres(server, "everything", everything, view) == expected
    assert rows_of_postgres(server, "nothing", everything, view) == []
