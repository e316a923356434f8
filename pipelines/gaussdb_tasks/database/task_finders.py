"""Find tasks that are older than the state of a project, while the project is read."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.database.state import KNOWN_TASKS, Row, as_timestamp, has_tables
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey
from gaussdb_tasks.model.times import Micros

# Several threads read projects, but only one at a time may use a connection.
_CONNECTION_LOCK: Final = threading.Lock()

_ONE_TASK: Final = f"""
    {KNOWN_TASKS} region = ? and project_id = ? and tasks.job_id = ? and tasks.created_at = ?
"""

# The bounds let DuckDB skip the rest of the archive.
_HASHES: Final = """
    select job_id, list(version_hash)
    from task_center.task_versions
    inner join wanted_tasks using (job_id, created_at)
    where region = ? and project_id = ? and created_at between ? and ?
    group by job_id
"""


def task_finder(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey
) -> Callable[[str, Micros], KnownTask | None]:
    """Return a function that finds the latest state of a task older than the project state."""

    def find(job_id: str, created_at: Micros) -> KnownTask | None:
        with _CONNECTION_LOCK:
            if not has_tables(connection):
                return None
            rows = connection.execute(_ONE_TASK, [*project, job_id, as_timestamp(created_at)])
            found = rows.fetchone()
        return _known_task(found[3:]) if found else None

    return find


def hash_finder(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey
) -> Callable[[Mapping[str, Micros]], Mapping[str, frozenset[str]]]:
    """Return a function that finds the version_hash of every version of some tasks."""

    def find(tasks: Mapping[str, Micros]) -> Mapping[str, frozenset[str]]:
        created = pa.array(tasks.values(), pa.timestamp("us"))
        wanted = pa.table({"job_id": pa.array(tasks, pa.string()), "created_at": created})
        bounds = [as_timestamp(bound) for bound in (min(tasks.values()), max(tasks.values()))]
        with _CONNECTION_LOCK, registered(connection, "wanted_tasks", wanted):
            found = connection.execute(_HASHES, [*project, *bounds]).fetchall()
        return {job_id: frozenset(hashes) for job_id, hashes in found}

    return find


def _known_task(row: Row) -> KnownTask:
    created_at, version, version_hash, status, first_seen_at, changed_at, vanished_at = row
    return KnownTask(
        created_at, version, version_hash, is_final(status), first_seen_at, changed_at, vanished_at
    )
