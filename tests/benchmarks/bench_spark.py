"""Measure every view on a Spark with two workers, beside DuckDB: ``make bench-spark``.

An invented archive is published as Delta tables. Spark reads their active Parquet files, computes
every value of a view and drops it; DuckDB reads its own file, and hashes every value. Each is the
second run of two. On one machine both share the same cores: the times say what distributing costs,
not what more machines bring. Ten million versions take 6 GB in ``TMPDIR``, and three quarters of an
hour on two cores.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import click
import duckdb

from tests.benchmarks.bench_views import (
    VIEWS,
    archive,
    archive_folder,
    consume,
    report_progress,
)
from tests.support.invented_archive import LAST_LOAD
from tests.support.spark_cluster import WORKERS, cluster, publish, view_statements
from tests.support.tool_environments import SPARK, environment

REPEATS = 2


@click.command()
@click.option("--tasks", "size", type=int, default=10_000_000)
@click.option("--view", "views", multiple=True, type=click.Choice(VIEWS), default=VIEWS)
@click.option("--memory", default="2g", help="Memory of each worker.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder whose archives are reused.")
def bench(size: int, views: Sequence[str], memory: str, keep: Path | None) -> None:
    """Print a table in Markdown: the seconds of each view on Spark and on DuckDB."""
    with archive_folder(keep) as kept, archive_folder(None) as folder:
        with duckdb.connect(archive(kept, size)) as connection:
            connection.execute("set enable_progress_bar = false")
            started = time.perf_counter()
            statements = publish(connection, folder / "lake") + view_statements(str(LAST_LOAD))
            seconds = time.perf_counter() - started
            report_progress(f"published in {seconds:.0f} s; measuring DuckDB, then Spark")
            local = {view: [consume(connection, view) for _ in range(REPEATS)] for view in views}
        with cluster(environment(SPARK), folder, memory) as started_cluster:
            answers = started_cluster.run(statements, views, repeats=REPEATS)
    click.echo(f"{size:,} tasks, {answers['executors']} of {WORKERS} workers\n")
    click.echo("| view | rows | DuckDB s | Spark s |\n|---|---:|---:|---:|")
    for view in views:
        rows, duckdb_seconds = local[view][-1]
        spark_seconds = answers["views"][view][-1]
        click.echo(f"| `{view}` | {rows:,} | {duckdb_seconds:.2f} | {spark_seconds:.2f} |")


if __name__ == "__main__":
    bench()
