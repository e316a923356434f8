"""What a database may hold is a closed list; a load refuses the rest before it builds on it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.database import catalog
from gaussdb_tasks.database.catalog import foreign_objects
from gaussdb_tasks.database.data_dir import DATABASE_NAME, DataDir
from gaussdb_tasks.database.outdated import outdated_objects
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import ALL_TABLES
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE
from tests.support.attached_copy import attached_copy, edited
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.golden_archive import GOLDEN
from tests.support.loads import load
from tests.support.verified_database import FAST, FULL, edit, findings

_HAS_TRIGGERS = duckdb.__version__ >= "2"


@pytest.fixture(scope="module")
def attached(
    original: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach a copy of the loaded database once for all edits by SQL."""
    copy = tmp_path_factory.mktemp("attached") / "copy.duckdb"
    shutil.copy(DataDir(original).database, copy)
    with attached_copy(copy) as connection:
        yield connection


@pytest.mark.parametrize("loaded_by", ["dlt", "rebuild"])
def test_what_loads_and_rebuilds_create_is_on_the_list(
    data_dir: DataDir, tmp_path: Path, loaded_by: str
) -> None:
    if loaded_by == "rebuild":
        data_dir = DataDir(tmp_path / "golden")
        shutil.copytree(GOLDEN, data_dir.archive)
        rebuild(data_dir)
    with read_untrusted(data_dir.database) as connection:
        assert list(foreign_objects(connection)) == []
        assert list(outdated_objects(connection)) == []


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("create schema untrusted.more", "schema more"),
        ("create schema untrusted.task_center_staging", "schema task_center_staging"),
        ("create table untrusted.main.notes (note varchar)", "main.notes"),
        ("create table verdicts (v int)", "task_center.verdicts"),
        ('create table "Tasks2" (v int)', "task_center.Tasks2"),
        ("create table _dlt_more (v int)", "task_center._dlt_more"),
        ("create view untrusted.main.my_own as select 1", "main.my_own"),
        ("create view untrusted.main.failed_last_night as select 1", "main.failed_last_night"),
        ("create view task_center.more as select 1", "task_center.more"),
        ("create macro untrusted.main.trim(x) as 'ok'", "macro main.trim"),
        ("create macro task_center.sha256(x) as 'ok'", "macro task_center.sha256"),
        ("create macro untrusted.main.duckdb_tables() as table select 1",
         "macro main.duckdb_tables"),
        ("create macro untrusted.main.count() as 0", "macro main.count"),
        ("create type task_center.verdict as enum ('ok')", "type task_center.verdict"),
        ('create type task_center."VARCHAR" as integer', "type task_center.VARCHAR"),
        ("create type untrusted.main.verdict as integer", "type main.verdict"),
        ("create sequence task_center.numbers", "sequence task_center.numbers"),
        ("create index fast on tasks (status)", "index task_center.fast"),
        ("alter table tasks add column verdict varchar", "task_center.tasks.verdict"),
        ("alter table tasks alter status set default 'Completed'", "task_center.tasks"),
        ("alter table tasks alter status drop not null", None),
        ("alter table tasks alter job_id drop not null", "task_center.tasks"),
        ("alter table coverage alter reason type blob", "task_center.coverage.reason"),
        ("alter table tasks rename status to state", "task_center.tasks.status"),
        ("drop table vanished_tasks", "task_center.vanished_tasks"),
        ("drop table schema_version", "task_center.schema_version"),
        ("alter table _dlt_loads add column more varchar", "task_center._dlt_loads"),
        ("alter table _dlt_version drop column engine_version", "task_center._dlt_version"),
        ("comment on table _dlt_loads is 'x'", "task_center._dlt_loads"),
        ("comment on column tasks._dlt_load_id is 'x'", "task_center.tasks._dlt_load_id"),
        ("insert into schema_version values (2)", "task_center.schema_version.version"),
        ("update schema_version set version = 0", "task_center.schema_version.version"),
        ("delete from schema_version", "task_center.schema_version.version"),
    ],
)  # fmt: skip
def test_objects_that_no_load_creates(
    attached: duckdb.DuckDBPyConnection, statement: str, where: str | None
) -> None:
    """Each is named; the statements that change nothing are not."""
    with edited(attached, statement):
        found = {fault.name for fault in foreign_objects(attached)}
    assert found >= ({where} if where else set())
    assert where or not found


_REPLACEMENTS = {
    "check": "create or replace table {0} ({1}, check (job_id <> ''))",
    "unique": "create or replace table {0} ({1}, unique (job_id))",
    "primary key": "create or replace table {0} ({1}, primary key (job_id))",
    "default": "create or replace table {0} ({1}, more varchar default 'x')",
    "generated": "create or replace table {0} ({2}, raw varchar generated always as ('x'))",
    "collation": "create or replace table {0} ({2}, raw varchar collate nocase not null)",
    "foreign key": "create or replace table {0} ({1}, foreign key (job_id) references keys (k))",
}


@pytest.mark.parametrize("kind", sorted(_REPLACEMENTS))
def test_definitions_that_no_load_makes(attached: duckdb.DuckDBPyConnection, kind: str) -> None:
    """A table with the right columns and types has a finding if its definition differs."""
    (table,) = (each for each in ALL_TABLES if each.name == "task_versions")
    columns = [column.ddl for column in table.columns] + ["_dlt_load_id varchar not null"]
    others = [each for each in columns if not each.startswith("raw ")]
    statement = _REPLACEMENTS[kind].format(table.name, ", ".join(columns), ", ".join(others))
    with edited(attached, "create table keys (k varchar primary key)", statement):
        assert "task_center.task_versions" in {fault.where for fault in foreign_objects(attached)}


@pytest.mark.parametrize(
    ("shown", "is_foreign"),
    [("raw VARCHAR USING COMPRESSION ZSTD NOT NULL", False), ("raw VARCHAR DEFAULT('x')", True)],
)
def test_only_the_compression_may_differ(
    attached: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
    shown: str,
    is_foreign: bool,  # noqa: FBT001 - a parameter
) -> None:
    """DuckDB 2 shows it in the definition of a table, and tables of 0.1.0 have none."""
    definitions = {
        name: re.sub(r"raw VARCHAR( USING COMPRESSION \w+)? NOT NULL", shown, sql)
        for name, sql in catalog.tables_of(attached).items()
    }
    assert any(shown in sql for sql in definitions.values())
    monkeypatch.setattr(catalog, "tables_of", lambda _connection: definitions)
    assert bool(list(foreign_objects(attached))) is is_foreign


@pytest.mark.skipif(not _HAS_TRIGGERS, reason="this DuckDB has no triggers")
def test_triggers_are_found(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    with duckdb.connect(path, config={"storage_compatibility_version": "latest"}) as connection:
        connection.execute("create table a (x int)")
        connection.execute("create table b (x int)")
        connection.execute(
            "create trigger more after insert on a referencing new table as n "
            "for each statement insert into b select x from n"
        )
    with attached_copy(path) as connection:
        assert "trigger main.more" in {fault.name for fault in foreign_objects(connection)}


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("create or replace view untrusted.main.tasks as select * from task_center.tasks",
         "main.tasks"),
        ("drop view untrusted.main.failure_reasons", "main.failure_reasons"),
        ("comment on view untrusted.main.tasks is 'x'", "main.tasks"),
        ("comment on view untrusted.main.tasks is null", "main.tasks"),
        ("comment on column untrusted.main.tasks.status is 'x'", "main.tasks.status"),
        ("comment on table coverage is 'x'", "task_center.coverage"),
        ("comment on column tasks.status is null", "task_center.tasks.status"),
    ],
)  # fmt: skip
def test_views_and_comments_that_differ(
    attached: duckdb.DuckDBPyConnection, statement: str, where: str
) -> None:
    """A load creates them again, so it does not refuse them."""
    with edited(attached, statement):
        assert where in {fault.name for fault in outdated_objects(attached)}
        assert list(foreign_objects(attached)) == []


def test_a_version_excuses_nothing(data_dir: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding says which version wrote the last load, and what to do."""
    edit(data_dir, "drop view failure_reasons")
    monkeypatch.setattr("gaussdb_tasks.archive.verification.verify_catalog.VERSION", "9.9.9")
    (finding,) = findings(data_dir, FAST)
    assert finding.where == "main.failure_reasons"
    assert "wrote the last load, this is 9.9.9: a load or gaussdb-tasks rebuild" in finding.detail


_DECEPTIONS = {
    "a view in place of a table": (
        "alter table task_center.tasks rename to hidden",
        (
            "create view task_center.tasks as select * replace ('Completed' as status) "
            "from task_center.hidden"
        ),
    ),
    "a macro that hides what is read": (
        "update task_center.task_versions set raw = '{}'",
        "create macro main.sha256(x) as 'a'",
        "create macro main.concat(a) as ''",
        "create macro main.coalesce(a, b) as ''",
        "create macro main.strlen(a) as 1",
    ),
    "table functions that hide the catalog": (
        "create macro main.duckdb_functions() as table select 1 where false",
        "create macro main.duckdb_schemas() as table select 'main' as schema_name",
        "create macro main.duckdb_tables() as table select 1 where false",
    ),
    "a collation under which values are equal": (
        "alter table task_center.task_versions rename to hidden",
        (
            "create table task_center.task_versions as select * replace "
            "(upper(status) collate nocase as status) from task_center.hidden"
        ),
        "drop table task_center.hidden",
    ),
    "a generated column": (
        "alter table task_center.task_types rename to hidden",
        (
            "create table task_center.task_types (task_name varchar not null, task_label varchar "
            "not null, stored varchar, category varchar generated always as (stored), "
            "_dlt_load_id varchar not null)"
        ),
        (
            "insert into task_center.task_types by name "
            "select * rename (category as stored) from task_center.hidden"
        ),
        "drop table task_center.hidden",
    ),
}


@pytest.mark.parametrize("name", sorted(_DECEPTIONS))
def test_deceptions(data_dir: DataDir, name: str) -> None:
    """Nothing in the file takes part in its verification; both levels find it."""
    edit(data_dir, *_DECEPTIONS[name])
    for options in (FAST, FULL):
        assert findings(data_dir, options)


def test_a_hidden_change_is_found_beside_the_macros(data_dir: DataDir) -> None:
    edit(data_dir, *_DECEPTIONS["a macro that hides what is read"])
    found = {(each.where, each.column) for each in findings(data_dir)}
    assert ("task_center.task_versions", "raw") in found
    assert ("macro main.sha256", None) in found


def test_a_load_refuses_foreign_objects(data_dir: DataDir) -> None:
    """It makes no call and changes nothing; rebuild makes the database without them."""
    edit(data_dir, "create macro main.trim(x) as 'ok'", "create view main.my_own as select 1")
    before = data_dir.database.read_bytes()
    world = FixedWorld({PROJECT: [record(8, NOW + 3 * DAY, NOW + 3 * DAY + HOUR)]})
    with Emulator(world, clock=SettableClock(NOW + 5 * DAY)) as emulator:
        with pytest.raises(DatabaseError) as refusal:
            load(emulator, data_dir.path, NOW + 5 * DAY)
        assert list(emulator.calls) == []
        for part in ("main.my_own", "macro main.trim", "nothing was changed", "rebuild --replace"):
            assert part in str(refusal.value)
        assert data_dir.database.read_bytes() == before
        rebuild(data_dir, is_replacing=True)
        assert findings(data_dir) == []
        load(emulator, data_dir.path, NOW + 5 * DAY)
    assert findings(data_dir) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("load", "--dry-run", "--now", "2026-03-23T12:00:00Z"),
        ("evidence", "00000000-0000-4000-8000-000000000004"),
    ],
)
def test_commands_that_refuse_them(
    data_dir: DataDir, command: Command, arguments: tuple[str, ...]
) -> None:
    """One line, code 1; a name of control characters is not printed as it is."""
    edit(data_dir, 'create view main."\x1b[2J" as select 1')
    world = FixedWorld({PROJECT: []})
    with Emulator(world, clock=SettableClock(NOW + 5 * DAY)) as emulator:
        run = command(*arguments, "--data-dir", data_dir.path, env=token_env(emulator))
    assert run.exit_code == 1
    assert "objects that no load creates" in run.last_line
    assert "\x1b" not in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_load_refuses_a_database_of_another_program(
    tmp_path: Path, command: Command, more: tuple[str, ...]
) -> None:
    with duckdb.connect(tmp_path / DATABASE_NAME) as connection:
        connection.execute("create table customers (name text)")
    with Emulator(FixedWorld({PROJECT: []}), clock=SettableClock(NOW)) as emulator:
        run = command("load", *more, "--data-dir", tmp_path, env=token_env(emulator))
        assert list(emulator.calls) == []
    assert run.exit_code == 2
    assert "is not a database of gaussdb-tasks" in run.last_line


def test_a_load_creates_changed_views_again(data_dir: DataDir) -> None:
    """They are of another version, or were changed by hand; nothing reads them before."""
    edit(data_dir, "create or replace view main.tasks as select 1", "drop view failure_reasons")
    with Emulator(FixedWorld({PROJECT: []}), clock=SettableClock(NOW + 5 * DAY)) as emulator:
        load(emulator, data_dir.path, NOW + 5 * DAY)
    assert findings(data_dir, FAST) == []


def test_changed_rows_of_dlt_change_no_load(data_dir: DataDir) -> None:
    """A load takes neither a state nor a schema from the database: here it would fail with them."""
    edit(
        data_dir,
        "create table task_center._dlt_pipeline_state (version bigint not null, engine_version "
        "bigint not null, pipeline_name varchar not null, state varchar not null, created_at "
        "timestamptz not null, version_hash varchar, _dlt_load_id varchar not null, "
        "_dlt_id varchar not null)",
        "insert into task_center._dlt_pipeline_state "
        "select 9999, 4, 'gaussdb_tasks', 'no state', now(), 'x', max(load_id), 'x' "
        "from task_center._dlt_loads where status = 0",
        "update task_center._dlt_version set version = 9999, schema = '{}'",
    )
    at = NOW + 5 * DAY
    world = FixedWorld({PROJECT: [record(18, at - HOUR, at - MINUTE)]})
    with Emulator(world, clock=SettableClock(at)) as emulator:
        load(emulator, data_dir.path, at)
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        sql = "select count(*) from tasks where created_at = make_timestamp(?)"
        assert connection.execute(sql, [at - HOUR]).fetchone() == (1,)
    assert findings(data_dir) == []


def test_no_view_reads_the_tables_of_dlt() -> None:
    assert [file.name for file in view_files() if "_dlt_loads" in file.text] == []
    assert [file.name for file in view_files() if "_dlt_version" in file.text] == []
    assert [file.name for file in view_files() if "_dlt_pipeline_state" in file.text] == []


def test_verify_says_what_it_does_not_look_at(data_dir: DataDir, command: Command) -> None:
    full = command("verify", "--data-dir", data_dir.path)
    fast = command("verify", "--fast", "--data-dir", data_dir.path)
    assert "dlt's own tables (_dlt_*) were not verified" in full.stderr
    assert "not read: the bytes of archive files" not in full.stderr
    assert "not read: the bytes of archive files" in fast.stderr
    assert (full.exit_code, fast.exit_code) == (0, 0)
