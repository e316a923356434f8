"""Archive files are read back: a file whose rows are not those of the database stops the load."""

import errno
import os
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive import loaded_files as module
from gaussdb_tasks.archive.archive_tables import ArchiveTable, table_sql
from gaussdb_tasks.archive.canonical import digest_rows
from gaussdb_tasks.archive.loaded_files import loaded_files
from gaussdb_tasks.archive.parquet import write_rows
from gaussdb_tasks.archive.replay import create_tables
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import TASK_VERSIONS, TASKS
from tests.support.sample_archive import CREATED_AT, task, version

_TABLE = archive_tables.TASK_VERSIONS
_RELATION = table_sql(_TABLE)


class _FaultyDisk:
    """A connection that finds the files it has written changed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, change: str) -> None:
        self._connection = connection
        self._change = change

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run SQL; after a copy, change the rows of the file."""
        answer = self._connection.execute(sql)
        if sql.startswith("copy"):
            file = sql.partition(" to '")[2].partition("'")[0]
            rows = duckdb.connect().execute(self._change.format(file)).to_arrow_table()
            pq.write_table(rows, file)
        return answer


@pytest.fixture
def versions() -> duckdb.DuckDBPyConnection:
    """Make a database with three versions, one of them with many nulls."""
    rows = [
        version(job_id="a", progress_percent=-0.0, fail_reason=""),
        version(job_id="b", progress_percent=0.5, fail_reason=None),
        version(job_id="c", progress_percent=None, instance_id=None, ended_at=CREATED_AT),
    ]
    connection = duckdb.connect()
    create_tables(connection)
    connection.register("batch", pa.Table.from_pylist(rows, schema=TASK_VERSIONS.schema))
    connection.execute(f"insert into {_RELATION} select *, 'load-1' from batch")
    return connection


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("select * from '{}' where job_id <> 'b'", id="a row is missing"),
        pytest.param("select * from '{0}' union all from '{0}'", id="rows are doubled"),
        pytest.param("select * from '{}' order by job_id desc", id="rows are in another order"),
        pytest.param("select * replace (raw || ' ' as raw) from '{}'", id="a text differs"),
        pytest.param("select * replace ('' as fail_reason) from '{}'", id="a null is a text"),
        pytest.param(
            "select * replace (abs(progress_percent) as progress_percent) from '{}'",
            id="a sign is lost",
        ),
        pytest.param(
            "select * replace (created_at + interval 1 microsecond as created_at) from '{}'",
            id="a time differs",
        ),
    ],
)
def test_a_file_with_other_rows_than_were_written_stops_the_load(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, change: str
) -> None:
    faulty: Any = _FaultyDisk(versions, change)
    with pytest.raises(DatabaseError, match="read back with other rows"):
        write_rows(faulty, _TABLE, _RELATION, tmp_path / _TABLE.file_name)


def test_an_entry_takes_over_the_files_that_rows_were_loaded_from(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """It takes those that have rows, and the columns of a table to which loads append."""
    entry, names = tmp_path / "entry", ["task_versions", "tasks", "load_runs", "coverage"]
    loaded = {name: tmp_path / f"{name}.x.parquet" for name in names}
    for name, file in loaded.items():
        versions.execute(f"copy task_center.{name} to '{file}'")
    content = loaded["task_versions"].read_bytes()
    with loaded_files(entry) as files:
        files.take(loaded)
    (taken,) = entry.iterdir()
    written = write_rows(versions, _TABLE, _RELATION, entry / _TABLE.file_name)
    assert taken.name == written.file == "task_versions.parquet"
    assert taken.read_bytes() == content


def test_a_load_writes_its_versions_once(archive: Path) -> None:
    """The archive has the files that dlt wrote, with the types that it promises."""
    files = sorted((archive / "data" / "archive").glob("*/task_versions.parquet"))
    assert files
    for file in files:
        assert pq.read_metadata(file).created_by.startswith("parquet-cpp-arrow")
        types = {field.name: field.type for field in pq.read_schema(file)}
        assert types == {column.name: column.arrow_type for column in _TABLE.columns}


def test_a_loaded_file_with_other_rows_than_the_database_stops_the_load(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    loaded = tmp_path / "task_versions.x.parquet"
    versions.execute(f"copy {_RELATION} to '{loaded}'")
    versions.execute(f"update {_RELATION} set raw = '{{}}' where job_id = 'b'")
    entry = tmp_path / "entry"
    with loaded_files(entry) as files:
        files.take({"task_versions": loaded})
    with pytest.raises(DatabaseError, match="read back with other rows"):
        write_rows(versions, _TABLE, _RELATION, entry / _TABLE.file_name)


def test_a_large_file_is_digested_while_it_is_loaded(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests are those of the rows, which are compared with the file as any others."""
    monkeypatch.setattr(module, "_MIN_ROWS", 3)
    loaded, entry = tmp_path / "task_versions.x.parquet", tmp_path / "entry"
    versions.execute(f"copy {_RELATION} to '{loaded}'")
    with loaded_files(entry) as files:
        files.take({"task_versions": loaded})
    digests, file = files.digests[_TABLE.name], entry / _TABLE.file_name
    as_any_other = write_rows(versions, _TABLE, _RELATION, file)
    assert write_rows(versions, _TABLE, _RELATION, file, digests) == as_any_other
    versions.execute(f"update {_RELATION} set fail_reason = null where job_id = 'a'")
    with pytest.raises(DatabaseError, match="read back with other rows"):
        write_rows(versions, _TABLE, _RELATION, file, digests)


def test_an_error_of_the_load_is_reported_although_files_are_digested(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MIN_ROWS", 3)
    loaded = tmp_path / "task_versions.x.parquet"
    versions.execute(f"copy {_RELATION} to '{loaded}'")

    def fail_after_the_digest() -> None:
        with loaded_files(tmp_path / "entry") as files:
            files.take({"task_versions": loaded})
            assert files.digests
            raise OSError(errno.ENOSPC, "the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fail_after_the_digest()


def test_after_an_error_of_the_load_no_work_begins(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file would be digested for nothing, before the error is shown."""
    rows = pa.Table.from_pylist([task()], schema=TASKS.schema)
    pq.write_table(rows.append_column("_dlt_load_id", [["load-1"]]), tmp_path / "tasks.x.parquet")
    versions.execute(f"copy {_RELATION} to '{tmp_path}/task_versions.x.parquet'")
    files = {name: tmp_path / f"{name}.x.parquet" for name in ("task_versions", "tasks")}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    begun, is_begun, is_stopped, stop = list[str](), Event(), Event(), module.LoadedFiles.stop

    def work_until_stopped(_connection: object, table: ArchiveTable, *_others: object) -> None:
        begun.append(table.name)
        is_begun.set()
        assert is_stopped.wait(60)

    def stop_and_report(loaded: module.LoadedFiles) -> None:
        stop(loaded)
        is_stopped.set()

    def fail_during_the_first() -> None:
        with loaded_files(scratch / "entry") as taken:
            taken.take(files)
            assert is_begun.wait(60)
            raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(module, "_MIN_ROWS", 1)
    monkeypatch.setattr(module, "digest", work_until_stopped)
    monkeypatch.setattr(module, "write_file", work_until_stopped)
    monkeypatch.setattr(module.LoadedFiles, "stop", stop_and_report)
    with pytest.raises(OSError, match="the disk is full"):
        fail_during_the_first()
    assert len(begun) == 1


def test_observations_are_written_from_a_large_file_of_tasks(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of the database, which are compared with them."""
    monkeypatch.setattr(module, "_MIN_ROWS", 2)
    table, loaded = archive_tables.OBSERVATIONS, tmp_path / "tasks.x.parquet"
    rows = [task(job_id="b", version_count=2), task(job_id="a")]
    versions.register("latest", pa.Table.from_pylist(rows, schema=TASKS.schema))
    versions.execute(f"insert into {table_sql(table)} select *, 'load-1' from latest")
    versions.execute(f"copy {table_sql(table)} to '{loaded}'")
    entry, usual = tmp_path / "scratch" / "entry", tmp_path / "usual"
    entry.parent.mkdir()
    usual.mkdir()
    with loaded_files(entry) as files:
        files.take({"tasks": loaded})
    loaded.unlink()  # dlt moves it
    digests, file = files.digests[table.name], entry / table.file_name
    written = write_rows(versions, table, table_sql(table), file, digests)
    as_any_other = write_rows(versions, table, table_sql(table), usual / table.file_name)
    assert written.rows_sha256 == as_any_other.rows_sha256
    assert [path.name for path in entry.iterdir()] == [written.file] == [as_any_other.file]
    versions.execute(f"update {table_sql(table)} set version_count = 3 where job_id = 'a'")
    with pytest.raises(DatabaseError, match="read back with other rows"):
        write_rows(versions, table, table_sql(table), file, digests)


def test_a_file_is_copied_where_it_cannot_have_two_names(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    loaded, entry = tmp_path / "task_versions.x.parquet", tmp_path / "entry"
    versions.execute(f"copy {_RELATION} to '{loaded}'")
    with loaded_files(entry) as files:
        files.take({"task_versions": loaded})
    assert (entry / _TABLE.file_name).read_bytes() == loaded.read_bytes()


def test_the_digests_of_a_file_are_those_of_its_rows(
    versions: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    written = write_rows(versions, _TABLE, _RELATION, tmp_path / _TABLE.file_name)
    rows = digest_rows(versions, _TABLE, _RELATION)
    kept = digest_rows(versions, _TABLE, _RELATION, _TABLE.kept_columns)
    assert (written.row_count, written.rows_sha256) == rows
    assert written.kept_sha256 == kept.rows_sha256
    assert pq.read_metadata(tmp_path / str(written.file)).num_rows == written.row_count
