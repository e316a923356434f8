"""What the database knows of a project when a load begins."""

import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

import duckdb

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import Micros, to_datetime

# Projects are read by several threads, and a connection is for one.
_ONE_AT_A_TIME: Final = threading.Lock()
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
    -- What a load's clock had not reached yet cannot have been covered before it.
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
    where region = ? and project_id = ? and observed_at >= ?
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

_LAST_LOAD_NUMBER: Final = "select coalesce(max(load_number), 0) from task_center.load_runs"


def read_state(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey, visible_from: Micros
) -> ProjectState:
    """Return what is known of a project: of its tasks, those that can still be listed.

    Raises:
        ConfigurationError: the database knows the project under another region.
    """
    since = known_since(visible_from)
    if not has_tables(connection):
        return ProjectState(known_from=since)
    _refuse_other_region(connection, project)

    def ask(sql: str, *more: Any) -> Iterator[tuple[Any, ...]]:
        answer = connection.cursor().execute(sql, [*project, *more])
        return chain.from_iterable(iter(lambda: answer.fetchmany(_FETCH_SIZE), []))

    visible = _timestamp(visible_from)
    count, running, sweep, last_observed_at, gone = next(ask(_LAST_RUN), (*(None,) * 4, ""))
    rejected = dict(ask(_REJECTED, _timestamp(since)))
    return ProjectState(
        known_from=since,
        tasks=dict(
            _known(row)
            for row in ask(_KNOWN_TASKS + "and tasks.created_at >= ?", _timestamp(since))
        ),
        covered=merge(TimeRange(*bounds) for bounds in ask(_COVERED, visible)),
        rejected=rejected,
        gone_rejects=frozenset(gone.split()) & rejected.keys(),
        is_count_usable=count,
        is_running_listed=running,
        is_sweep_whole=sweep,
        last_full_read_at=next(ask(_LAST_FULL_READ, visible))[0],
        last_observed_at=last_observed_at,
        last_load_number=_number(connection.execute(_LAST_LOAD_NUMBER).fetchone()),
    )


def finder(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey
) -> Callable[[str, Micros], KnownTask | None]:
    """Return a function that finds the latest state of a task older than what is recalled."""

    def find(job_id: str, created_at: Micros) -> KnownTask | None:
        sql = _KNOWN_TASKS + "and tasks.job_id = ? and tasks.created_at = ?"
        with _ONE_AT_A_TIME:
            if not has_tables(connection):
                return None
            rows = connection.execute(sql, [*project, job_id, _timestamp(created_at)]).fetchall()
        return _known(rows[0])[1] if rows else None

    return find


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a load has ever filled this database."""
    sql = "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?"
    row = connection.execute(sql, ["task_center", "load_runs"]).fetchone()
    return row is not None and row[0] > 0


def _number(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])


def _known(row: tuple[Any, ...]) -> tuple[str, KnownTask]:
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
            f"the database knows project {project.project_id} under region {row[0]!r}, not "
            f"{project.region!r}; say --region {row[0]}, or every task would be kept twice"
        )
        raise ConfigurationError(message)


def _timestamp(instant: Micros) -> Any:
    """Return an instant as DuckDB compares it with its UTC timestamps, which carry no zone."""
    return to_datetime(instant).replace(tzinfo=None)
