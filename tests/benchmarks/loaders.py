"""The loaders that are compared: this program, and short programs that load the same tasks."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.database.data_dir import DATABASE_NAME
from gaussdb_tasks.model.times import Micros, iso
from tests.benchmarks.processes import Cost, measure, python
from tests.benchmarks.tables import OURS, PEER
from tests.benchmarks.task_center import FIRST, NOW, PROJECT, TaskCenter

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "invented-token"
_TASKS: Final = "select count(*) from task_center.tasks"


@dataclass(frozen=True, slots=True)
class Loader:
    """A program that loads all tasks into a fresh DuckDB file.

    Attributes:
        module: of the package of peers; None for this program.
    """

    name: str
    module: str | None = None
    arguments: tuple[str, ...] = ()

    def load(self, center: TaskCenter, folder: Path, size: int) -> Cost:
        """Load a task center's tasks into an empty folder.

        Raises:
            RuntimeError: the program failed, or its table has another number of tasks.
        """
        center.calls()
        if self.module is None:
            return load_night(center, folder, NOW, size)
        url = f"{center.endpoint}/v3/{PROJECT}/tasks"
        url += f"?start_time={FIRST // 1_000}&end_time={NOW // 1_000}"
        module = f"tests.benchmarks.peers.{self.module}"
        command = python("-m", module, url, str(folder), *self.arguments)
        cost = measure(command, folder, environ_of(center))
        check_size(folder / "peer.duckdb", size)
        return replace(cost, calls=center.calls())


LOADERS: Final = (
    Loader(OURS),
    Loader("dlt rest_api, defaults", "rest_api"),
    Loader(PEER, "rest_api", ("parquet",)),
    Loader("dlt with Arrow, tasks only", "dlt_arrow"),
    Loader("no dlt, tasks only", "no_dlt"),
)


def load_night(center: TaskCenter, folder: Path, now: Micros, size: int) -> Cost:
    """Load with this program at some time; the folder may have the database of an earlier load."""
    center.calls()
    command = python("-m", "gaussdb_tasks", "load", "--data-dir", "data", "--now", iso(now))
    cost = measure(command, folder, environ_of(center))
    check_size(folder / "data" / DATABASE_NAME, size)
    return replace(cost, calls=center.calls())


def check_size(database: Path, size: int) -> None:
    """Refuse a database that does not have every task once.

    Raises:
        RuntimeError: it has another number of tasks.
    """
    with duckdb.connect(database, read_only=True) as connection:
        ((loaded,),) = connection.execute(_TASKS).fetchall()
    if loaded != size:
        message = f"{database.name} has {loaded:,} tasks instead of {size:,}"
        raise RuntimeError(message)


def environ_of(center: TaskCenter | None = None) -> dict[str, str]:
    """Return the variables of a measured command: no setting of this machine but the path."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "pipelines"))),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    if center is not None:
        environ |= {
            "GAUSSDB_TASKS_ENDPOINT": center.endpoint,
            "GAUSSDB_TASKS_REGION": "eu-de",
            "GAUSSDB_TASKS_PROJECT_ID": PROJECT,
            "OS_TOKEN": TOKEN,
        }
    return environ
