"""`publish --grant` makes a role that reads everything that is published, and changes nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.publication.lane import LANES
from gaussdb_tasks.publication.readers import grant_reading
from gaussdb_tasks.publication.target import parse_target
from tests.support.commands import Command, Run
from tests.support.publishing import TABLES, VIEWS, Place, local_rows, new_place

LOADER: Final = "loader"
LANES_TABLE: Final = f"task_center.{LANES.name}"
EVERYTHING: Final = (*TABLES, *VIEWS, LANES_TABLE)
FORBIDDEN: Final = (
    "insert into task_center.task_types (task_name) values ('x')",
    "update task_center.tasks set status = 'Completed'",
    "delete from task_center.load_runs",
    "truncate task_center.coverage",
    "create table task_center.mine (a int)",
    "create view main.mine as select 1 as a",
    "create schema mine",
    "select * from private.salaries",
    "create trigger mine before insert on task_center.tasks execute function lower()",
)
OWNED: Final = ("drop view main.tasks", "drop table task_center.tasks", "drop schema main cascade")
HOSTILE: Final = (
    'Bi"; drop schema main cascade; --',
    "o'neil\\' {role} %I %1$s $1 $$",
    "r\u00f4le\u202e \n",
    "x" * 63,
)


@pytest.fixture(scope="module")
def template(
    request: pytest.FixtureRequest, original: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A database with all entries but the last one.

    Its user owns the database and may create roles, but is no administrator.
    """
    folder = tmp_path_factory.mktemp("template")
    for made in new_place("postgres", request, folder):
        assert made.server is not None
        made.user = LOADER
        made.server.run(f"create role {LOADER} login createrole")
        made.server.run(f"alter database {made.database} owner to {LOADER}")
        made.publish(without_last_entry(original, folder / "data"))
        private = "create schema private; create table private.salaries (a int)"
        made.server.run(private, made.database)
        yield made


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Iterator[Place]:
    """A copy of it."""
    assert template.server is not None
    name = f"copy_of_{template.database}"
    template.server.run(f"create database {name} template {template.database} owner {LOADER}")
    yield Place("postgres", tmp_path / "target", template.server, name, LOADER)
    template.server.run(f"drop database {name} with (force)")


def without_last_entry(original: Path, folder: Path) -> DataDir:
    """Copy a data directory with an archive that is one entry shorter."""
    data_dir = DataDir(folder)
    shutil.copytree(original, folder)
    shutil.rmtree(max(data_dir.archive.iterdir()))
    return data_dir


def publish(place: Place, data_dir: DataDir, command: Command, role: str) -> Run:
    return command("publish", "--data-dir", str(data_dir.path), *place.options, "--grant", role)


def grant(place: Place, role: str, scratch: Path) -> None:
    """Grant without a publication."""
    grant_reading(parse_target(place.url), role, scratch)


def as_member(place: Place, role: str, sql: str) -> str:
    """Run SQL as a user of its own that is a member of the role."""
    assert place.server is not None
    quoted = '"' + role.replace('"', '""') + '"'
    user = f"user_{place.database}"
    place.server.run(f"create role {user} login; grant {quoted} to {user}")
    try:
        return place.server.run(sql, f"dbname={place.database} user={user}")
    finally:
        place.server.run(f"drop role {user}")


def reads(place: Place, role: str) -> str:
    """Count the rows of each table and view, as a member of the role."""
    return as_member(place, role, ";".join(f"select count(*) from {name}" for name in EVERYTHING))


def test_the_planner_knows_the_tables_of_a_first_publication(template: Place) -> None:
    """Without statistics, views of many rows take minutes."""
    assert template.server is not None
    sql = """
        select string_agg(distinct tablename, ' ' order by tablename) from pg_stats
        where schemaname = 'task_center'
    """
    known = template.server.run(sql, template.database).split()
    assert {"task_versions", "tasks", "coverage", "load_runs"} <= set(known)


def test_the_role_reads_everything_and_changes_nothing(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    done = publish(place, data_dir, command, "bi")
    assert done.exit_code == 0, done.stderr
    assert "role bi can read it" in done.stderr
    assert "WARNING" not in done.stderr
    assert place.server is not None
    counts = ";".join(f"select count(*) from {name}" for name in EVERYTHING)
    assert reads(place, "bi") == place.server.run(counts, place.database)
    for sql in FORBIDDEN:
        with pytest.raises(AssertionError, match="permission denied"):
            as_member(place, "bi", sql)
    for sql in OWNED:
        with pytest.raises(AssertionError, match="must be owner"):
            as_member(place, "bi", sql)
    shown = "select rolcanlogin, rolpassword is null from pg_authid where rolname = 'bi'"
    assert place.server.run(shown).strip() == "f|t"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_role_has_any_name(place: Place, tmp_path: Path, name: str) -> None:
    """It can be granted again."""
    for _ in range(2):
        grant(place, name, tmp_path)
    assert reads(place, name)
    with pytest.raises(AssertionError, match="permission denied"):
        as_member(place, name, FORBIDDEN[0])


def test_later_publications_stay_readable(place: Place, data_dir: DataDir, tmp_path: Path) -> None:
    """A newer version of the program makes all views again, and another table."""
    grant(place, "bi", tmp_path)
    place.change(f"update {LANES_TABLE} set views_digest = 'of an older version'")
    place.change("drop table task_center.rejected_records cascade")
    before = place_views(place)
    assert place.publish(data_dir).entries == 1
    assert not before & place_views(place)
    assert reads(place, "bi")


def place_views(place: Place) -> set[str]:
    """Return the identifiers of the views: a view that is created again has another one."""
    assert place.server is not None
    sql = "select oid from pg_class where relnamespace = 'main'::regnamespace"
    return set(place.server.run(sql, place.database).split())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("alter role {role} superuser", "it administers the server"),
        ("alter role {role} createrole", "it administers the server"),
        ("grant {loader} to {role}", "it administers the server"),
        ("alter role {role} noinherit; grant {loader} to {role}", "it administers the server"),
        ("grant pg_write_all_data to {role}", "it may write"),
        ("alter role {role} noinherit; grant pg_write_all_data to {role}", "it may write"),
        ("grant postgres to {role}", "it administers the server"),
        ("grant pg_execute_server_program to {role}", "it may write files of the server"),
        ("grant pg_write_server_files to {role}", "it may write files of the server"),
        ("grant create on database {database} to {role}", "it may create schemas"),
        ("grant create on schema main to public", "it may create objects in schema main"),
        ("grant delete on task_center.coverage to public", "it may write task_center.coverage"),
        ("grant insert on task_center.tasks to public", "it may write task_center.tasks"),
        ("grant update (status) on task_center.tasks to public", "it may write task_center.tasks"),
        ("alter view main.tasks owner to {role}", r"it owns main\.tasks"),
    ],
)
def test_a_role_that_can_write_is_refused(
    place: Place, tmp_path: Path, change: str, fault: str
) -> None:
    """However it got the right; then nothing is granted."""
    assert place.server is not None
    names = {"role": "writer", "loader": LOADER, "database": place.database}
    place.server.run("create role writer")
    try:
        place.server.run(change.format(**names), place.database)
        with pytest.raises(ConfigurationError, match=f"not one that only reads: ({fault})"):
            grant(place, "writer", tmp_path)
        acl = "select count(*) from pg_class where relacl::text like '%writer=r/loader%'"
        assert place.server.run(acl, place.database).strip() == "0"
    finally:
        place.server.run("drop owned by writer cascade", place.database)
        place.server.run("drop role writer")


def test_rights_that_an_existing_role_was_given_are_taken_away(
    place: Place, tmp_path: Path
) -> None:
    assert place.server is not None
    place.server.run(
        "create role former_writer; grant all on schema main to former_writer; "
        "grant all on all tables in schema task_center to former_writer",
        place.database,
    )
    grant(place, "former_writer", tmp_path)
    with pytest.raises(AssertionError, match="permission denied"):
        as_member(place, "former_writer", FORBIDDEN[1])


def test_a_user_that_may_not_create_roles_is_told_what_to_do(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    assert place.server is not None
    place.server.run(f"alter role {LOADER} nocreaterole")
    refused = publish(place, data_dir, command, "readers")
    place.server.run(f"alter role {LOADER} createrole")
    assert refused.exit_code == 2
    assert "create role NAME nologin; the entries are published" in refused.stderr


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty DuckLake."""
    yield from new_place("lake", request, tmp_path)


def test_the_role_reads_a_lake(
    lake: Place, original: Path, data_dir: DataDir, command: Command, tmp_path: Path
) -> None:
    """The catalogue shares its schema with other tables, which stay closed."""
    assert lake.server is not None
    lake.server.run("create role analyst login; create table theirs (a int)", lake.database)
    done = publish(lake, without_last_entry(original, tmp_path / "earlier"), command, "analyst")
    assert done.exit_code == 0, done.stderr
    assert "files of the lake" in done.stderr
    assert lake.publish(data_dir).entries == 1
    lake.user = "analyst"
    assert lake.rows() == local_rows(data_dir)
    with pytest.raises(duckdb.Error, match="permission denied"):
        lake.change("update task_center.tasks set status = 'Completed'")
    for sql in ("select * from theirs", "drop table ducklake_snapshot", "create table t (a int)"):
        with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
            lake.server.run(sql, f"dbname={lake.database} user=analyst")


@pytest.mark.parametrize(
    ("target", "role", "cause"),
    [
        ("ducklake:lake", "bi", "has no roles"),
        ("folder", "bi", "has no roles"),
        ("postgresql://db.example/tasks", "public", "public cannot be the name"),
        ("postgresql://db.example/tasks", "pg_monitor", "pg_monitor cannot be the name"),
        ("postgresql://db.example/tasks", "\u00e4" * 32, "1 to 63 bytes"),
    ],
)
def test_what_cannot_be_granted_is_refused_first(
    command: Command, tmp_path: Path, target: str, role: str, cause: str
) -> None:
    """Nothing is opened, and nothing is made."""
    refused = command("publish", "--data-dir", "none", "--to", target, "--grant", role)
    assert refused.exit_code == 2
    assert cause in refused.stderr
    assert not list(tmp_path.iterdir())
