"""A standalone Spark on loopback, with a master and two workers, that reads published Delta tables.

Spark reads Delta only with further jars. Without them it reads the Parquet files that are active at
the versions of a lane.
"""

import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.database.dialects import SPARK
from gaussdb_tasks.database.views import view_script
from gaussdb_tasks.model.tables import LOAD_ID, LOADED_TABLES
from gaussdb_tasks.publication.delta_lanes import read_lane_rows
from gaussdb_tasks.publication.delta_tables import DeltaTables, active_files
from gaussdb_tasks.publication.delta_writer import OF_LANES, SHARED, LaneWriter
from gaussdb_tasks.publication.lane import Lane
from tests.support.tool_environments import Environment

WORKERS: Final = 2

_JOB: Final = Path(__file__).with_name("spark_job.py")
_MASTER: Final = re.compile(r"Starting Spark master at (spark://\S+)")
_REGISTERED: Final = re.compile(r"Successfully registered with master")

_TYPES: Final = {
    "text": "string",
    "json": "string",
    "bool": "boolean",
    "timestamp": "timestamp_ntz",
}

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    url: str
    environment: Environment
    folder: Path
    memory: str

    def run(
        self, statements: Sequence[str], views: Sequence[str], *, repeats: int = 0
    ) -> Mapping[str, Any]:
        """Run a job: create tables and views, then read each view.

        Args:
            statements: what creates them.
            views: the views to read.
            repeats: how often each view is computed, with the seconds as the answer; 0 for rows.
        """
        job, answers = self.folder / "job.json", self.folder / "answers.pickle"
        job.write_text(
            json.dumps(
                {
                    "statements": statements,
                    "views": views,
                    "repeats": repeats,
                    "memory": self.memory,
                }
            ),
        )
        run = subprocess.run(
            [self.environment.python, _JOB, self.url, job, answers],
            cwd=self.folder,
            env=_variables(self.environment, self.folder),
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        with answers.open("rb") as file:
            return pickle.load(file)  # type: ignore[no-any-return]  # noqa: S301 - of our own job


@contextmanager
def cluster(environment: Environment, folder: Path, memory: str = "1g") -> Iterator[Cluster]:
    """Run a master and its workers, which end with the block.

    Args:
        environment: has pyspark.
        folder: for logs, work and answers.
        memory: of each worker.
    """
    with ExitStack() as processes:
        (url,) = _start(processes, environment, folder, "master", _MASTER)
        for number in range(WORKERS):
            more = ("--cores", "1", "--memory", memory, "--work-dir", str(folder / "work"), url)
            _start(processes, environment, folder, f"worker-{number}", _REGISTERED, *more)
        yield Cluster(url, environment, folder, memory)


def _start(
    processes: ExitStack,
    environment: Environment,
    folder: Path,
    name: str,
    ready: "re.Pattern[str]",
    *more: str,
) -> tuple[str, ...]:
    """Start a daemon, and wait for the line of its log that says that it works."""
    kind = name.partition("-")[0]
    home = environment.answer("import pyspark; print(pyspark.__path__[0])", folder).strip()
    log = folder / f"{name}.log"  # a pipe that nobody reads on would stop the daemon
    with log.open("wb") as file:
        daemon = processes.enter_context(
            subprocess.Popen(
                [
                    f"{home}/bin/spark-class",
                    f"org.apache.spark.deploy.{kind}.{kind.title()}",
                    *("--host", "127.0.0.1", "--port", "0", "--webui-port", "0", *more),
                ],
                cwd=folder,
                env=_variables(environment, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )
        )
    processes.callback(daemon.terminate)
    while daemon.poll() is None:
        if found := ready.search(log.read_text()):
            return found.groups()
        time.sleep(0.1)
    pytest.fail(f"{name} of Spark did not start: {log.read_text()[-3000:]}")


def _variables(environment: Environment, folder: Path) -> dict[str, str]:
    return environment.variables(
        folder, SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_DIRS=str(folder / "local")
    )


def publish(connection: duckdb.DuckDBPyConnection, lake: Path) -> list[str]:
    """Publish an invented database as one lane; return statements that create its tables."""
    for table in LOADED_TABLES:  # as dlt makes them
        column = f"{LOAD_ID.name} varchar default 'load'"
        connection.execute(
            f"alter table task_center.{table.name} add column if not exists {column}"
        )
    lane = Lane("a" * 64, 1, "a" * 64, "2026-06-10T12:34:56Z", "0.2.0")
    LaneWriter(DeltaTables(str(lake)), lane, {1: lane.head_digest}, []).write(connection)
    return published_tables(lake, lane.archive_id)


def published_tables(lake: Path, archive_id: str) -> list[str]:
    """Return statements that create the tables of a lane, of its active Parquet files."""
    target = DeltaTables(str(lake))
    row = read_lane_rows(target)[archive_id]
    created = ["create schema task_center"]
    for table in OF_LANES:
        opened = target.open_known(table.name, row.versions[table.name])
        created.append(_table(table, active_files(opened, archive_id)))
    shared = {table: active_files(target.open_known(table.name)) for table in SHARED}
    return created + [_table(table, files) for table, files in shared.items()]


def _table(table: ArchiveTable, uris: Sequence[str]) -> str:
    """Return the statement for a table; Parquet files that are named have no partition's column."""
    no_rows = ", ".join(
        f"cast(null as {_TYPES.get(column.data_type, column.data_type)}) as {column.name}"
        for column in table.columns
    )
    columns = ", ".join(table.column_names)
    parts = [f"select {columns} from parquet.`{uri}`" for uri in uris]
    read = " union all ".join(parts or [f"select {no_rows} where false"])
    return f"create view task_center.{table.name} as {read}"


def view_statements(clock: str) -> list[str]:
    """Return the statements that create the views; Spark's clock is replaced by a time."""
    return split_statements(
        view_script(SPARK).replace("current_timestamp()", f"timestamp_ntz'{clock}'")
    )


def split_statements(script: str) -> list[str]:
    """Split a script at the semicolons outside comments and literals; remove the comments."""
    parts = re.findall(r"--[^\n]*|'(?:[^'\\]|\\.)*'|;|[^';-]+|-", script)
    code = ["\0" if part == ";" else part for part in parts if not part.startswith("--")]
    return [each for each in "".join(code).split("\0") if each.strip()]
