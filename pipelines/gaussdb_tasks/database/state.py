"""Read the state of a project before a load, and the time lost since the last one."""

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import Micros, to_datetime

# Several threads read projects, but only one at a time may use a connection.
_CONNECTION_LOCK: Final = threading.Lock()
_FETCH_SIZE: Final = 10_000

_KNOWN_TASKS: Final = """
    select
        tasks.job_id,
        epoch_us(tasks.created_at),
        tasks.version_count,
        tasks.version_hash,
        tasks.status,
        epoch_us(tasks.first_seen_at),
        epoch_us(tasks.last_changed_at),
        epoch_us(vanished.vanished_at)
    from task_center.tasks as tasks
    left join (
        select region, project_id, job_id, created_at, max(vanished_at) as vanished_at
        from task_center.vanished_tasks
        where reappeared_at is null
        group by all
    ) as vanished using (region, project_id, job_id, created_at)
    where tasks.region = ? and tasks.project_id = ?
"""

# The bounds let DuckDB skip the rest of the archive.
_HASHES: Final = """
    select job_id, list(version_hash)
    from task_center.task_versions
    inner join wanted_tasks using (job_id, created_at)
    where region = ? and project_id = ? and created_at between ? and ?
    group by job_id
"""

_COVERED: Final = """
    with loads as (
        select
            region,
            project_id,
            run_id,
            min(observed_at) over (
                order by load_number rows between 1 following and unbounded following
            ) as next_clock
        from task_center.load_runs
        where region = ? and project_id = ?
    )
    -- A load covers nothing after the clock of a later load.
    select
        epoch_us(coverage.covered_from),
        epoch_us(least(coverage.covered_to, loads.next_clock))
    from task_center.coverage
    inner join loads using (region, project_id, run_id)
    where coverage.is_complete and coverage.covered_to > ?
"""

_LAST_FULL_READ: Final = """
    select epoch_us(max(observed_at)) from (
        select any_value(observed_at) as observed_at
        from task_center.coverage
        where region = ? and project_id = ? and purpose = 'horizon' and covered_to > ?
        group by run_id
        having bool_and(is_complete)
    )
"""

_REJECTED: Final = """
    select record_hash, epoch_us(created_at)
    from task_center.rejected_records
    where region = ? and project_id = ? and (observed_at >= ? or created_at is null)
"""

_LAST_RUN: Final = """
    select
        is_count_usable,
        is_running_listed,
        is_sweep_whole,
        epoch_us(observed_at),
        coalesce(gone_rejects, '')
    from task_center.load_runs
    where region = ? and project_id = ? and outcome <> 'failed'
    order by load_number desc
    limit 1
"""

_NEWLY_LOST: Final = """
    select epoch_us(gaps.gap_from), epoch_us(gaps.gap_to)
    from main.coverage_gaps as gaps
    inner join main.last_loads as last_loads using (region, project_id)
    where
        gaps.is_lost
        and region = ?
        and project_id = ?
        and gaps.gap_to > ? - to_milliseconds(last_loads.horizon_ms)
    order by gaps.gap_from
"""

_EXCESS: Final = """
    select coalesce(sum(coverage.total_count - coverage.distinct_count), 0)::bigint
    from task_center.coverage
    inner join task_center.load_runs as loads using (region, project_id, run_id)
    where
        region = ?
        and project_id = ?
        and coverage.is_complete
        and coverage.reason is not null
        and coverage.total_count > coverage.distinct_count
        and loads.load_number = (
            select max(last.load_number)
            from task_center.load_runs as last
            where
                last.region = coverage.region
                and last.project_id = coverage.project_id
                and last.outcome <> 'failed'
        )
"""

_LAST_LOAD_NUMBER: Final = "select coalesce(max(load_number), 0) from task_center.load_runs"


def read_state(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey, visible_from: Micros
) -> ProjectState:
    """Return the state of a project, with the tasks that the API can still list.

    Raises:
        ConfigurationError: the database has the project under another region.
    """
    since = known_since(visible_from)
    if not has_tables(connection):
        return ProjectState(known_from=since)
    _refuse_other_region(connection, project)

    def fetch(sql: str, *more: Any) -> Iterator[tuple[Any, ...]]:
        cursor = connection.cursor().execute(sql, [*project, *more])
        return chain.from_iterable(iter(lambda: cursor.fetchmany(_FETCH_SIZE), []))

    visible = _timestamp(visible_from)
    count, running, sweep, last_observed_at, gone = next(fetch(_LAST_RUN), (*(None,) * 4, ""))
    rejected = dict(fetch(_REJECTED, _timestamp(since)))
    return ProjectState(
        known_from=since,
        tasks=dict(
            _known_task(row)
            for row in fetch(_KNOWN_TASKS + "and tasks.created_at >= ?", _timestamp(since))
        ),
        covered=merge(TimeRange(*bounds) for bounds in fetch(_COVERED, visible)),
        rejected=rejected,
        gone_rejects=frozenset(gone.split()) & rejected.keys(),
        is_count_usable=count,
        is_running_listed=running,
        is_sweep_whole=sweep,
        last_full_read_at=next(fetch(_LAST_FULL_READ, visible))[0],
        last_observed_at=last_observed_at,
        excess_count=next(fetch(_EXCESS))[0],
        last_load_number=_number(connection.execute(_LAST_LOAD_NUMBER).fetchone()),
    )


def task_finder(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey
) -> Callable[[str, Micros], KnownTask | None]:
    """Return a function that finds the latest state of a task older than the project state."""

    def find(job_id: str, created_at: Micros) -> KnownTask | None:
        sql = _KNOWN_TASKS + "and tasks.job_id = ? and tasks.created_at = ?"
        with _CONNECTION_LOCK:
            if not has_tables(connection):
                return None
            rows = connection.execute(sql, [*project, job_id, _timestamp(created_at)]).fetchall()
        return _known_task(rows[0])[1] if rows else None

    return find


def hash_finder(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey
) -> Callable[[Mapping[str, Micros]], Mapping[str, frozenset[str]]]:
    """Return a function that finds the version_hash of every version of some tasks."""

    def find(tasks: Mapping[str, Micros]) -> Mapping[str, frozenset[str]]:
        created = pa.array(tasks.values(), pa.timestamp("us"))
        # DuckDB reads a table at once; thousands of list parameters take it seconds.
        wanted = pa.table({"job_id": pa.array(tasks, pa.string()), "created_at": created})
        bounds = [_timestamp(bound) for bound in (min(tasks.values()), max(tasks.values()))]
        with _CONNECTION_LOCK:
            connection.register("wanted_tasks", wanted)
            found = connection.execute(_HASHES, [*project, *bounds]).fetchall()
            connection.unregister("wanted_tasks")
        return {job_id: frozenset(hashes) for job_id, hashes in found}

    return find


def newly_lost(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey, since: Micros
) -> list[TimeRange]:
    """Return the time ranges that left the horizon unread after an earlier load's clock."""
    rows = connection.execute(_NEWLY_LOST, [*project, _timestamp(since)]).fetchall()
    return [TimeRange(*bounds) for bounds in rows]


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a load has ever filled this database."""
    sql = "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?"
    row = connection.execute(sql, ["task_center", "load_runs"]).fetchone()
    return row is not None and row[0] > 0


def _number(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])


def _known_task(row: tuple[Any, ...]) -> tuple[str, KnownTask]:
    job_id, created_at, version, version_hash, status, first_seen_at, changed_at, vanished_at = row
    known = KnownTask(
        created_at, version, version_hash, is_final(status), first_seen_at, changed_at, vanished_at
    )
    return job_id, known


def _refuse_other_region(connection: duckdb.DuckDBPyConnection, project: ProjectKey) -> None:
    sql = """
        select any_value(region) from task_center.load_runs
        where project_id = ? and region <> ? and outcome <> 'failed'
    """
    row = connection.execute(sql, [project.project_id, project.region]).fetchone()
    if row is not None and row[0] is not None:
        message = (
            f"the database has project {project.project_id} under region {row[0]!r}, not "
            f"{project.region!r}; use --region {row[0]}, or every task would be kept twice"
        )
        raise ConfigurationError(message)


def _timestamp(time: Micros) -> Any:
    """Convert a time for comparison with DuckDB's UTC timestamps, which have no zone."""
    return to_datetime(time).replace(tzinfo=None)
