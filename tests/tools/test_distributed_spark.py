"""A Spark with two workers reads the published Delta tables, and its views answer as DuckDB's."""

from pathlib import Path

import pytest

from gaussdb_tasks.database.sql_files import view_files
from tests.support.engine_answers import in_order, rows_of
from tests.support.everything_archive import CLOCK, everything_archive
from tests.support.spark_cluster import (
    WORKERS,
    cluster,
    needs_java,
    publish,
    view_statements,
)
from tests.support.tool_environments import SPARK, environment


@needs_java
def test_spark_answers_as_duckdb(invented_archive: Path, tmp_path: Path) -> None:
    spark = environment(SPARK)
    pytest.importorskip("deltalake", reason="needs the extra [delta]")
    archive = everything_archive(invented_archive)
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
    files = view_files()
    statements = publish(archive.connection, tmp_path / "lake") + view_statements(str(CLOCK))
    with cluster(spark, tmp_path) as started:
        answers = started.run(statements, [file.name for file in files])
    assert answers["executors"] == WORKERS
    for file in files:
        rows, comments = answers["views"][file.name]
        assert (file.name, in_order(rows)) == (file.name, rows_of(archive, file.name))
        assert comments == [text for (*_, column), text in file.comments.items() if column]
