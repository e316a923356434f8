"""Reading, ordering and creating the views, and the errors of wrong SQL files."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.replay import create_tables
from gaussdb_tasks.database import checks, sql_files, views
from gaussdb_tasks.database.checks import run_checks
from gaussdb_tasks.database.sql_files import SqlFile, SqlFileError, check_files, view_files
from gaussdb_tasks.database.views import apply_views, in_dependency_order, table_comments
from tests.support.sample_archive import Archive, given, task


def view(name: str, query: str) -> SqlFile:
    """Make the file of a view."""
    return SqlFile(name, f"create or replace view main.{name} as\n{query};\n")


def names(files: Iterable[SqlFile]) -> list[str]:
    """Return the names of SQL files."""
    return [file.name for file in files]


def use_views(monkeypatch: pytest.MonkeyPatch, *files: SqlFile) -> None:
    """Replace the files of views by these."""
    monkeypatch.setattr(views, "view_files", lambda: files)


def test_every_file_of_the_folder_is_read() -> None:
    folder = Path(str(sql_files._sql_folder()))
    assert names(view_files()) == sorted(path.stem for path in folder.glob("*.sql"))
    assert names(check_files()) == sorted(path.stem for path in folder.glob("checks/*.sql"))
    assert view_files()
    assert check_files()


def test_an_installed_package_uses_its_own_sql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sql" / "checks").mkdir(parents=True)
    (tmp_path / "sql" / "installed.sql").write_text("select 'ä'", encoding="utf-8")
    (tmp_path / "sql" / "notes.txt").write_text("no SQL", encoding="utf-8")
    monkeypatch.setattr(sql_files, "files", lambda _package: tmp_path)
    assert view_files() == (SqlFile("installed", "select 'ä'"),)
    assert check_files() == ()


def test_an_include_is_replaced_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sql" / "fragments").mkdir(parents=True)
    (tmp_path / "sql" / "fragments" / "one.sql").write_text("select 1 as x\n")
    include = "{% include 'fragments/one.sql' %}"
    (tmp_path / "sql" / "a.sql").write_text(f"with b as (\n    {include}\n)\nselect x from b")
    monkeypatch.setattr(sql_files, "files", lambda _package: tmp_path)
    (file,) = view_files()
    assert file.text == "with b as (\n    select 1 as x\n)\nselect x from b"


def test_every_include_of_the_views_is_replaced() -> None:
    assert not [file.name for file in view_files() if "{%" in file.text]


def test_missing_sql_is_an_error_with_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_files, "files", lambda _package: tmp_path)
    monkeypatch.setattr(sql_files, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(SqlFileError, match="neither in"):
        view_files()


def test_views_come_after_the_views_they_select_from() -> None:
    views = [
        view("a", "select 1 from main.b inner join main.c on b.x = c.x"),
        view("b", "select 1 from task_center.tasks left join\n    main.d on true"),
        view("c", "with e as (select 1 from main.d) select 1 from e"),
        view("d", "select 1 as x"),
    ]
    assert names(in_dependency_order(views)) == ["d", "b", "c", "a"]


@pytest.mark.parametrize(
    "harmless",
    [
        "select 1 -- from nowhere",
        "select 'it''s from nowhere -- at all'",
        "select 1 is distinct from x as y, 1 is not distinct from x as z",
        "select n from range(3) as r(n)",
        "select * from task_center.load_runs",
    ],
)
def test_comments_literals_predicates_and_table_functions_are_not_references(harmless: str) -> None:
    assert names(in_dependency_order([view("a", harmless)])) == ["a"]


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ("select 1 from main.missing", "main.missing"),
        ("select 1 from task_center.missing", "task_center.missing"),
        ("select 1 from elsewhere.tasks", "elsewhere.tasks"),
        ("select 1 from a", "a"),
        ("select 1 from main.a inner join b on true", "b"),
    ],
)
def test_an_unknown_or_unqualified_reference_is_refused(query: str, reference: str) -> None:
    views = [view("a", "select 1"), view("b", query)]
    with pytest.raises(SqlFileError, match=rf"^b\.sql selects from {reference}, which is"):
        in_dependency_order(views)


def test_a_circle_of_views_is_refused() -> None:
    views = [view("a", "select 1 from main.b"), view("b", "select 1 from main.a")]
    with pytest.raises(SqlFileError, match=r"circle: (a -> b -> a|b -> a -> b)"):
        in_dependency_order(views)


def test_a_view_that_does_not_run_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names the file, and the connection can still be used."""
    archive = Archive()
    use_views(monkeypatch, view("tasks", "select 1 as one"), view("z", "select missing"))
    with pytest.raises(SqlFileError, match=r"^z\.sql does not run: .*missing"):
        apply_views(archive.connection)
    archive.insert(tasks=[task()])
    assert archive.only_row("tasks")["job_id"] == "job-1"


def test_a_view_that_others_use_can_change_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = duckdb.connect()
    use_views(monkeypatch, view("a", "select 1 as x"), view("b", "select * from main.a"))
    apply_views(connection)
    use_views(monkeypatch, view("a", "select 'y' as y, 2 as z"), view("b", "select * from main.a"))
    apply_views(connection)
    assert connection.execute("select y, z from b").fetchone() == ("y", 2)


class _Recorder:
    """A connection that keeps the statements it was given."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    def execute(self, sql: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        """Run SQL."""
        self.statements.append(sql)
        return self._connection.execute(sql, *parameters)


def catalog_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return the views and the comments of a database."""
    sql = """
        select view_name, null, sql, comment from duckdb_views() where not internal
        union all
        select table_name, column_name, null, comment from duckdb_columns() where not internal
        order by all
    """
    return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a file with all views and no rows."""
    path = tmp_path_factory.mktemp("views") / "views.duckdb"
    with duckdb.connect(path) as connection:
        create_tables(connection)
        apply_views(connection)
    return path


def test_views_that_are_current_are_not_made_again(database: Path) -> None:
    with duckdb.connect(database) as connection:
        before = catalog_of(connection)
        recorder: Any = _Recorder(connection)
        apply_views(recorder, unless_current=True)
        assert catalog_of(connection) == before
    assert not any("create" in each or "comment on" in each for each in recorder.statements)


@pytest.mark.parametrize(
    "change",
    [
        "create or replace view main.failed_tasks as from main.tasks where not is_failed",
        "create or replace view main.last_loads(region) as select 'eu-de'",
        "drop view main.slow_tasks",
        "comment on view main.tasks is 'changed'",
        "comment on column main.tasks.job_id is null",
        "create view main.other as select 1",
    ],
)
def test_views_that_differ_are_made_again(database: Path, tmp_path: Path, change: str) -> None:
    """As long as one view or comment differs, every view is made."""
    path = tmp_path / "changed.duckdb"
    shutil.copyfile(database, path)
    with duckdb.connect(path) as connection:
        before = catalog_of(connection)
        connection.execute(change)
    with duckdb.connect(path) as connection:
        apply_views(connection, unless_current=True)
        connection.execute("drop view if exists main.other")
    with duckdb.connect(path) as connection:
        assert catalog_of(connection) == before


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "-- severity: error\n-- Something is wrong.\nselect 1",
        "-- severity: fail\nselect 1",
        "\n-- severity: fail\n-- Something is wrong.\nselect 1",
    ],
)
def test_a_check_without_a_head_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check_files", lambda: [SqlFile("odd", text)])
    with pytest.raises(SqlFileError, match=r"^odd\.sql does not begin with"):
        run_checks(given().connection)


def test_a_check_that_does_not_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    check = SqlFile("odd", "-- severity: warn\n-- Something is odd.\nselect missing")
    monkeypatch.setattr(checks, "check_files", lambda: [check])
    with pytest.raises(SqlFileError, match=r"^odd\.sql does not run: "):
        run_checks(given().connection)


def test_tables_and_columns_have_comments_and_wrong_ones_are_replaced() -> None:
    archive = given()
    sql = """
        select comment from duckdb_tables() where schema_name = 'task_center'
        union all
        select comment from duckdb_columns() where schema_name = 'task_center'
    """
    before = archive.query(sql)
    assert all(row["comment"] for row in before)
    archive.connection.execute("comment on column task_center.tasks.job_id is 'wrong'")
    apply_views(archive.connection)
    assert archive.query(sql) == before


def test_the_comments_of_a_file_are_those_that_the_database_gets() -> None:
    """verify compares a database with them, without running every comment."""
    sql = """
        select schema_name, view_name as name, null, comment from duckdb_views()
        union all
        select schema_name, table_name, null, comment from duckdb_tables()
        union all
        select schema_name, table_name, column_name, comment from duckdb_columns()
    """
    rows = given().connection.execute(f"from ({sql}) where comment is not null").fetchall()
    written = {(schema, name, column): comment for schema, name, column, comment in rows}
    expected = table_comments()
    for file in view_files():
        expected |= file.comments
    assert written == expected
    assert not any("comment on" in file.definition for file in view_files())
