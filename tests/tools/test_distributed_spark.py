"""A Spark with two workers reads the published Delta tables, and its views answer as DuckDB's."""

from pathlib import Path

import pytest

from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.model.tables import LOAD_ID, LOADED_TABLES
from gaussdb_tasks.publication.delta import write_lane
from gaussdb_tasks.publication.delta_tables import DeltaTables
from gaussdb_tasks.publication.lane import Lane
from tests.support.engine_answers import in_order, rows_of
from tests.support.everything_archive import CLOCK, everything_archive
from tests.support.spark_cluster import (
    WORKERS,
    cluster,
    needs_java,
    published_tables,
    view_statements,
)
from tests.support.tool_environments import SPARK, environment

HEAD = "a" * 64


@needs_java
def test_spark_answers_as_duckdb(invented_archive: Path, tmp_path: Path) -> None:
    spark = environment(SPARK)
    pytest.importorskip("deltalake", reason="needs the extra [delta]")
    archive = everything_archive(invented_archive)
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
    for table in LOADED_TABLES:  # as dlt makes them
        column = f"{LOAD_ID.name} varchar default 'load'"
        archive.connection.execute(f"alter table task_center.{table.name} add column {column}")
    lane = Lane(HEAD, 1, HEAD, "2026-06-10T12:34:56Z", "0.2.0")
    write_lane(DeltaTables(str(tmp_path / "lake")), archive.connection, {1: HEAD}, lane)
    files = view_files()
    statements = published_tables(tmp_path / "lake", HEAD) + view_statements(str(CLOCK))
    with cluster(spark, tmp_path) as started:
        answers = started.run(statements, [file.name for file in files])
    assert answers["executors"] == WORKERS
    for file in files:
        rows, comments = answers["views"][file.name]
        assert (file.name, in_order(rows)) == (file.name, rows_of(archive, file.name))
        assert comments == [text for (*_, column), text in file.comments.items() if column]
