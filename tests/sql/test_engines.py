"""The views answer the same in every engine as in DuckDB."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from gaussdb_tasks.database.dialects import DIALECTS, DUCKLAKE, POSTGRES
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import view_script
from gaussdb_tasks.model.tables import ALL_TABLES
from tests.support import postgres
from tests.support.engine_answers import in_order, rows_of
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


def test_postgres_has_every_comment(server: postgres.Server) -> None:
    counted = server.run(
        "select count(*), count(col_description(attrelid, attnum)), "
        "count(distinct obj_description(attrelid, 'pg_class')) "
        "from pg_attribute where attrelid in "
        "(select oid from pg_class where relnamespace = 'main'::regnamespace)",
        "everything",
    )
    column_count = sum(len(file.comments) - 1 for file in view_files())
    assert counted.strip() == f"{column_count}|{column_count}|{len(VIEWS)}"


def test_ducklake_answers_as_duckdb(everything: Archive, tmp_path: Path) -> None:
    extension = pytest.importorskip(
        "duckdb_extension_ducklake", reason="needs the wheel duckdb-extension-ducklake"
    )
    found = Path(extension.__path__[0]).rglob(f"v{duckdb.__version__}/*.duckdb_extension")
    file = next(found, None)
    if file is None:
        pytest.skip("the wheel duckdb-extension-ducklake is for another version of DuckDB")
    lake = Archive()
    lake.connection.execute(f"load '{file}'")
    lake.connection.execute(
        f"attach 'ducklake:{tmp_path / 'catalogue'}' as lake (data_path '{tmp_path / 'files'}')"
    )
    lake.connection.execute("use lake; create schema task_center")
    for name, path in tables_as_files(everything, tmp_path):
        lake.connection.execute(f"create table task_center.{name} as from '{path}'")
    lake.connection.execute(view_script(DUCKLAKE))
    lake.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
    for view in VIEWS:
        assert (view, rows_of(lake, view)) == (view, rows_of(everything, view))


def tables_as_files(archive: Archive, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write each table as a Parquet file; yield its name and file."""
    for table in ALL_TABLES:
        path = folder / f"{table.name}.parquet"
        archive.connection.execute(f"copy task_center.{table.name} to '{path}'")
        yield table.name, path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_script_can_be_parsed_in_its_dialect(dialect: str) -> None:
    language = "duckdb" if dialect == "ducklake" else dialect
    parsed = sqlglot.parse(view_script(DIALECTS[dialect]), dialect=language)
    created = [
        each.this.this.name if dialect == "spark" else each.this.name
        for each in parsed
        if isinstance(each, sqlglot.exp.Create) and each.kind == "VIEW"
    ]
    assert sorted(created) == sorted(VIEWS)
    assert not any(isinstance(each, sqlglot.exp.Command) for each in parsed)


def test_comments_are_in_the_order_of_columns(everything: Archive) -> None:
    """Clauses of Spark's views name the columns by position."""
    for file in view_files():
        described = everything.connection.execute(f"describe main.{file.name}").fetchall()
        named = [column for _, _, column in file.comments if column is not None]
        assert named == [name for name, *_ in described]
