"""Several databases are queried as if they were one, with the protections of foreign files."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.database import catalog
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.database.sql_files import example_files, view_files
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.errors import ConfigurationError, DatabaseError
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import from_datetime
from tests.support.everything_archive import CLOCK, everything_archive
from tests.support.sample_archive import Archive, at, load_run, task
from tests.support.shared_out import share_out

VIEWS = tuple(file.name for file in view_files())
# The others read views only.
QUESTIONS = tuple(each.name for each in example_files() if "task_center." in each.text)


@pytest.fixture(scope="module")
def everything(invented_archive: Path) -> Archive:
    """All rows in one database."""
    archive = everything_archive(invented_archive)
    archive.connection.execute("set TimeZone = 'UTC'")
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
    return archive


@pytest.fixture(scope="module")
def together(
    everything: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same rows, shared out among three databases."""
    parts = share_out(everything.connection, tmp_path_factory.mktemp("parts"), 3)
    with open_together(paths(parts), from_datetime(CLOCK)) as connection:
        yield connection


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[DataDir]:
    """Three databases with a project each."""
    archive = Archive()
    names = ("a", "b", "c", "d", "e", "f", "g", "h")
    archive.insert(
        load_runs=[load_run(project_id=name) for name in names],
        tasks=[task(project_id=name, job_id=name) for name in names],
    )
    return share_out(archive.connection, tmp_path_factory.mktemp("originals"), 3)


@pytest.fixture
def parts(originals: Sequence[DataDir], tmp_path: Path) -> list[DataDir]:
    """Copies that a test can change."""
    copies = [DataDir(tmp_path / each.path.name) for each in originals]
    for original, copy in zip(originals, copies, strict=True):
        shutil.copytree(original.path, copy.path)
    return copies


def paths(data_dirs: Sequence[DataDir]) -> list[Path]:
    """Return the databases."""
    return [each.database for each in data_dirs]


def change(data_dir: DataDir, sql: str) -> None:
    """Change a database as another program can."""
    with duckdb.connect(data_dir.database) as connection:
        connection.execute(sql)


def answer(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the sorted rows of an answer, or the error."""
    try:
        cursor = run_query(connection, query)
        return sorted(repr(row) for row in cursor.fetchall()), cursor.description
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize("view", VIEWS)
def test_views_answer_as_over_one_database(
    everything: Archive, together: duckdb.DuckDBPyConnection, view: str
) -> None:
    expected = answer(everything.connection, view)
    assert expected[0], "an empty view proves nothing"
    assert answer(together, view) == expected


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_answer_as_over_one_database(
    everything: Archive, together: duckdb.DuckDBPyConnection, question: str
) -> None:
    assert answer(together, question) == answer(everything.connection, question)


def test_tables_answer_as_over_one_database(
    everything: Archive, together: duckdb.DuckDBPyConnection
) -> None:
    for table in ("load_runs", "archive_acts", "task_types", "rejected_records"):
        sql = f"select count(*) from task_center.{table}"
        assert answer(together, sql) == answer(everything.connection, sql)


def test_a_single_database_is_opened_itself(parts: Sequence[DataDir]) -> None:
    """With its own views, as without this module."""
    change(parts[0], "create view main.mine as select 42 as answer")
    sql = "select database_name, path from duckdb_databases() where not internal"
    with open_for_queries(parts[0].database) as connection:
        usual = connection.execute(sql).fetchall()
    with open_together([parts[0].database]) as connection:
        assert connection.execute(sql).fetchall() == usual
        assert run_query(connection, "mine").fetchall() == [(42,)]


def test_each_project_shows_the_head_of_its_own_archive(parts: Sequence[DataDir]) -> None:
    for number, part in enumerate(parts):
        change(
            part,
            f"update task_center.load_runs set archive_id = 'archive {number}', "
            f"archive_sequence = 1 + {number}, head_digest = 'head {number}'",
        )
    with open_together(paths(parts)) as connection:
        rows = run_query(connection, "select distinct archive_id, head_digest from archive_status")
        assert sorted(rows.fetchall()) == [(f"archive {n}", f"head {n}") for n in range(3)]


def test_nothing_else_can_be_read_or_changed(parts: Sequence[DataDir], tmp_path: Path) -> None:
    before = [path.read_bytes() for path in paths(parts)]
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with open_together(paths(parts)) as connection:
        for sql in (f"from read_csv('{secret}')", f"from '{secret}'", "from glob('*')"):
            with pytest.raises(ConfigurationError, match="disabled by configuration"):
                run_query(connection, sql)
        for sql in (f"attach '{secret}'", "create table t (a int)", "set threads = 1"):
            with pytest.raises(ConfigurationError, match="is not one SELECT"):
                run_query(connection, sql)
        for sql in ("set enable_external_access = true", "reset memory_limit"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("delete from database_1.task_center.tasks")
    assert [path.read_bytes() for path in paths(parts)] == before


@pytest.mark.parametrize(
    "sql",
    [
        "create macro main.trim(a) as 'x'",
        "create view task_center.mine as select 1",
        "create schema other",
        "alter table task_center.tasks add column mine int",
        "drop table task_center.coverage",
        "create type main.mood as enum ('a')",
    ],
)
def test_a_database_with_foreign_objects_is_refused(parts: Sequence[DataDir], sql: str) -> None:
    change(parts[1], sql)
    with pytest.raises(DatabaseError, match="no load creates") as raised, _opened(parts):
        pass
    assert str(parts[1].database) in str(raised.value)


def test_each_kind_of_object_is_listed_once_for_all_databases(
    parts: Sequence[DataDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign one in the third of five is found, and names its database and no other."""
    five = [DataDir(tmp_path / f"one-of-five-{number}") for number in range(5)]
    for each in five:
        shutil.copytree(parts[0].path, each.path)
    change(five[2], "create macro main.trim(a) as 'x'; create type main.mood as enum ('a')")
    asked: list[Any] = []
    original = catalog._other_objects

    def counting(*given: Any) -> Any:
        asked.append(given[1])
        return original(*given)

    monkeypatch.setattr(catalog, "_other_objects", counting)
    with pytest.raises(DatabaseError) as raised, _opened(five):
        pass
    assert "macro main.trim, type main.mood;" in str(raised.value)
    assert [str(each.path) in str(raised.value) for each in five] == [0, 0, 1, 0, 0]
    assert [len(databases) for databases in asked] == [5]


def test_a_project_in_two_directories_is_refused(parts: Sequence[DataDir]) -> None:
    """Both are named: its tasks would count twice. The region does not matter."""
    ((project_id,), *_) = _rows(parts[0], "select project_id from task_center.load_runs")
    change(
        parts[2],
        "insert into task_center.load_runs by name "
        f"from (select * replace ('{project_id}' as project_id, 'eu-nl' as region) "
        "from task_center.load_runs limit 1)",
    )
    with pytest.raises(ConfigurationError) as raised, _opened(parts):
        pass
    both = f"project {project_id} is in {parts[0].path} and in {parts[2].path}"
    assert both in str(raised.value)


def test_a_copy_of_a_directory_is_refused(parts: Sequence[DataDir], tmp_path: Path) -> None:
    shutil.copytree(parts[0].path, tmp_path / "copy")
    both = [parts[0], DataDir(tmp_path / "copy")]
    with pytest.raises(ConfigurationError, match="would count twice"), _opened(both):
        pass


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("update task_center.schema_version set version = 2", "its schema has version 2"),
        ("drop table task_center.schema_version", "its schema has version 1"),
        (f"update task_center.schema_version set version = {SCHEMA_VERSION + 1}", "newer"),
        ("drop schema task_center cascade", "no load has filled it"),
    ],
)
def test_another_schema_version_is_refused(
    parts: Sequence[DataDir], sql: str, message: str
) -> None:
    change(parts[1], sql)
    with pytest.raises(ConfigurationError, match=message) as raised, _opened(parts):
        pass
    assert str(parts[1].database) in str(raised.value)


def test_a_database_that_cannot_be_opened_is_named(parts: Sequence[DataDir]) -> None:
    """It is missing, or not a database."""
    for damage in (lambda path: path.write_bytes(b"x" * 9000), os.remove):
        damage(parts[2].database)
        with pytest.raises(ConfigurationError) as raised, _opened(parts):
            pass
        assert str(parts[2].database) in str(raised.value)


@pytest.mark.parametrize("count", [6, pytest.param(50, marks=pytest.mark.thorough)])
def test_many_databases_are_read_together(
    parts: Sequence[DataDir], tmp_path: Path, count: int
) -> None:
    copies = []
    for number in range(count):
        copies.append(DataDir(tmp_path / f"copy-{number}"))
        shutil.copytree(parts[1].path, copies[-1].path)
        change(
            copies[-1],
            f"update task_center.load_runs set project_id = project_id || {number}; "
            f"update task_center.tasks set project_id = project_id || {number}",
        )
    with open_together(paths(copies)) as connection:
        rows = run_query(connection, "select count(*), count(distinct project_id) from tasks")
        (per_copy,) = _rows(parts[1], "select count(*) from tasks")[0]
        assert rows.fetchall() == [(count * per_copy, count * per_copy)]


def _opened(data_dirs: Sequence[DataDir]) -> Any:
    return open_together(paths(data_dirs), from_datetime(at("2026-04-01")))


def _rows(data_dir: DataDir, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        return connection.execute(sql).fetchall()
