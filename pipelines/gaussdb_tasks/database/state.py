"""Read the state of a project before a load, and the time lost since the last one."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import Micros, to_datetime

_FETCH_SIZE: Final = 10_000

Row: TypeAlias = tuple[Any, ...]

KNOWN_TASKS: Final = """
    select
        tasks.region,
        tasks.project_id,
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
    where
"""
_VISIBLE_TASKS: Final = f"""
    {KNOWN_TASKS} (region, project_id) in (from wanted_projects) and tasks.created_at >= ?
"""
_BY_PROJECT: Final = "order by tasks.region, tasks.project_id"
# All projects are read at once: with a scan for each, a night of a thousand takes a thousand scans.
_LAST_RUNS: Final = f"""
    select region, project_id, unnest(last_run)
    from (
        select
            region,
            project_id,
            arg_max(
                {{
                    'is_count_usable': is_count_usable,
                    'is_running_listed': is_running_listed,
                    'is_sweep_whole': is_sweep_whole,
                    'last_observed_at': epoch_us(observed_at),
                    'gone_rejects': coalesce(gone_rejects, ''),
                    'project_name': project_name
                }},
                load_number
            ) as last_run
        from {with_project_name("task_center.load_runs")}
        where
            outcome <> 'failed'
            and project_id in (select project_id from wanted_projects)
        group by region, project_id
    )
"""  # noqa: S608 - constants

# Constant bounds let DuckDB skip the loads before the first one whose coverage is visible.
_FIRST_VISIBLE_LOAD: Final = """
    select coalesce(min(load_number), 0) from task_center.load_runs
    where run_id in (
        select run_id from task_center.coverage where is_complete and covered_to > ?
    )
"""

_COVERED: Final = """
    with loads as (
        select
            region,
            project_id,
            run_id,
            min(observed_at) over (
                partition by region, project_id
                order by load_number rows between 1 following and unbounded following
            ) as next_clock
        from task_center.load_runs
        semi join wanted_projects using (region, project_id)
        where load_number >= ?
    )
    -- A load covers nothing after the clock of a later load.
    select
        region,
        project_id,
        epoch_us(coverage.covered_from),
        epoch_us(least(coverage.covered_to, loads.next_clock))
    from task_center.coverage
    inner join loads using (region, project_id, run_id)
    where coverage.is_complete and coverage.covered_to > ?
"""

_LAST_FULL_READS: Final = """
    select region, project_id, epoch_us(max(observed_at)) from (
        select region, project_id, any_value(observed_at) as observed_at
        from task_center.coverage
        semi join wanted_projects using (region, project_id)
        where purpose = 'horizon' and covered_to > ?
        group by region, project_id, run_id
        having bool_and(is_complete)
    )
    group by region, project_id
"""

_REJECTED: Final = """
    select region, project_id, record_hash, epoch_us(created_at)
    from task_center.rejected_records
    semi join wanted_projects using (region, project_id)
    where observed_at >= ? or created_at is null
"""

_EXCESS: Final = """
    with last_runs as (
        select
            region,
            project_id,
            arg_max(run_id, load_number) as run_id,
            arg_max(
                if(outcome = 'complete', greatest(reported_count - expected_count, 0), null),
                load_number
            ) as counted
        from task_center.load_runs
        semi join wanted_projects using (region, project_id)
        where outcome <> 'failed'
        group by region, project_id
    ),
    listed as (
        select
            region,
            project_id,
            run_id,
            coalesce(sum(total_count - distinct_count) filter (
                where is_complete and reason is not null and total_count > distinct_count
            ), 0) as excess,
            bool_or(purpose = 'horizon') as is_horizon_read
        from task_center.coverage
        semi join last_runs using (region, project_id, run_id)
        group by region, project_id, run_id
    )
    -- A full read knows better than the comparison of counts that led to it.
    select
        region,
        project_id,
        if(is_horizon_read, excess, greatest(excess, coalesce(counted, 0)))::bigint
    from last_runs
    inner join listed using (region, project_id, run_id)
"""

_NEWLY_LOST: Final = """
    select region, project_id, epoch_us(gaps.gap_from), epoch_us(gaps.gap_to)
    from main.coverage_gaps as gaps
    inner join main.last_loads as last_loads using (region, project_id)
    inner join earlier_clocks using (region, project_id)
    where
        gaps.is_lost
        and gaps.gap_to > earlier_clocks.observed_at - to_milliseconds(last_loads.horizon_ms)
    order by region, project_id, gaps.gap_from
"""

_LAST_LOAD_NUMBER: Final = "select coalesce(max(load_number), 0) from task_center.load_runs"


def read_state(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey, visible_from: Micros
) -> ProjectState:
    """Return the state of a project, with the tasks that the API can still list.

    Raises:
        ConfigurationError: the database has the project under another region.
    """
    state = read_states(connection, [project], visible_from)[project]
    if isinstance(state, ConfigurationError):
        raise state
    return state


def read_states(
    connection: duckdb.DuckDBPyConnection, projects: Sequence[ProjectKey], visible_from: Micros
) -> Mapping[ProjectKey, ProjectState | ConfigurationError]:
    """Return the state of each project, with the tasks that the API can still list.

    A project that the database has under another region has an error in place of a state.
    """
    since = known_since(visible_from)
    if not has_tables(connection):
        return dict.fromkeys(projects, ProjectState(known_from=since))
    with registered(connection, "wanted_projects", _keys_table(projects)):
        return _read_states(connection, projects, visible_from)


def _read_states(
    connection: duckdb.DuckDBPyConnection, projects: Sequence[ProjectKey], visible_from: Micros
) -> Mapping[ProjectKey, ProjectState | ConfigurationError]:
    def fetch(sql: str, *parameters: Any) -> Mapping[ProjectKey, Sequence[Row]]:
        return _by_project(connection.execute(sql, parameters))

    visible, since = as_timestamp(visible_from), known_since(visible_from)
    last_runs = fetch(_LAST_RUNS)
    tasks = _tasks_by_project(connection, len(projects), since)
    first_load = _number(connection.execute(_FIRST_VISIBLE_LOAD, [visible]).fetchone())
    covered = fetch(_COVERED, first_load, visible)
    full_reads = fetch(_LAST_FULL_READS, visible)
    rejected = fetch(_REJECTED, as_timestamp(since))
    excess = fetch(_EXCESS)
    last_load_number = _number(connection.execute(_LAST_LOAD_NUMBER).fetchone())

    def state_of(project: ProjectKey) -> ProjectState:
        (last_run,) = last_runs.get(project, [(*(None,) * 4, "", None)])
        count, running, sweep, last_observed_at, gone, name = last_run
        rejects: dict[str, Micros | None] = dict(rejected.get(project, ()))
        return ProjectState(
            known_from=since,
            tasks=tasks.get(project, {}),
            covered=merge(TimeRange(*bounds) for bounds in covered.get(project, ())),
            rejected=rejects,
            gone_rejects=frozenset(gone.split()).intersection(rejects),
            is_count_usable=count,
            is_running_listed=running,
            is_sweep_whole=sweep,
            last_full_read_at=full_reads.get(project, [(None,)])[0][0],
            last_observed_at=last_observed_at,
            excess_count=excess.get(project, [(0,)])[0][0],
            last_load_number=last_load_number,
            name=name,
        )

    refused = _other_regions(projects, last_runs)
    return {project: refused.get(project) or state_of(project) for project in projects}


def newly_lost(
    connection: duckdb.DuckDBPyConnection, clocks: Mapping[ProjectKey, Micros | None]
) -> tuple[tuple[ProjectKey, TimeRange], ...]:
    """Return the time ranges of projects that left the horizon unread since an earlier load.

    Args:
        connection: a database with its views.
        clocks: clock of the earlier load of each project; None if there was none.
    """
    earlier = _keys_table(clocks).append_column(
        "observed_at", pa.array(clocks.values(), pa.timestamp("us"))
    )
    with registered(connection, "earlier_clocks", earlier):
        found = _by_project(connection.execute(_NEWLY_LOST))
    return tuple((key, TimeRange(*bounds)) for key, rows in found.items() for bounds in rows)


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a load has ever filled this database."""
    sql = "select count(*) from duckdb_tables() where schema_name = ? and table_name = ?"
    row = connection.execute(sql, ["task_center", "load_runs"]).fetchone()
    return row is not None and row[0] > 0


def _number(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])


def _keys_table(projects: Iterable[ProjectKey]) -> pa.Table:
    keys = list(projects)
    return pa.table(
        {
            "region": pa.array([key.region for key in keys], pa.string()),
            "project_id": pa.array([key.project_id for key in keys], pa.string()),
        }
    )


def _by_project(cursor: duckdb.DuckDBPyConnection) -> Mapping[ProjectKey, Sequence[Row]]:
    """Group rows by their first two columns."""
    found: dict[ProjectKey, list[Row]] = {}
    for region, project_id, *values in chain.from_iterable(
        iter(lambda: cursor.fetchmany(_FETCH_SIZE), [])
    ):
        found.setdefault(ProjectKey(region, project_id), []).append(tuple(values))
    return found


def _tasks_by_project(
    connection: duckdb.DuckDBPyConnection, project_count: int, since: Micros
) -> Mapping[ProjectKey, Mapping[str, KnownTask]]:
    sql = _VISIBLE_TASKS if project_count == 1 else _VISIBLE_TASKS + _BY_PROJECT
    columns = connection.execute(sql, [as_timestamp(since)]).to_arrow_table()
    names = ["status" if name == "is_final" else name for name in known_tasks.SCHEMA.names]
    columns = columns.rename_columns(["region", "project_id", *names])
    statuses = columns["status"].combine_chunks().dictionary_encode()
    finals = [at for at, status in enumerate(statuses.dictionary.to_pylist()) if is_final(status)]
    is_ended = pc.is_in(statuses.indices, pa.array(finals, pa.int32()))
    columns = columns.append_column("is_final", is_ended)
    known = columns.select(known_tasks.SCHEMA.names).cast(known_tasks.SCHEMA)
    keys = columns.select(["region", "project_id"])
    counts = keys.group_by(keys.column_names, use_threads=False).aggregate([([], "count_all")])
    # Arrow's groups have no order; the rows are ordered by bytes, as Arrow sorts.
    counts = counts.sort_by([(name, "ascending") for name in keys.column_names])
    found: dict[ProjectKey, Mapping[str, KnownTask]] = {}
    first = 0
    for region, project_id, count in zip(*counts.to_pydict().values(), strict=True):
        found[ProjectKey(region, project_id)] = known_tasks.of_columns(known.slice(first, count))
        first += count
    return found


def _other_regions(
    projects: Sequence[ProjectKey], recorded: Iterable[ProjectKey]
) -> Mapping[ProjectKey, ConfigurationError]:
    """Return an error for each project that is recorded under another region."""
    regions: dict[str, set[str]] = {}
    for key in recorded:
        regions.setdefault(key.project_id, set()).add(key.region)
    refused = {}
    for project in projects:
        for region in sorted(regions.get(project.project_id, set()) - {project.region})[:1]:
            refused[project] = ConfigurationError(
                f"the database has project {project.project_id} under region {region!r}, not "
                f"{project.region!r}; use --region {region}, or every task would be kept twice"
            )
    return refused


def as_timestamp(time: Micros) -> Any:
    """Convert a time for comparison with DuckDB's UTC timestamps, which have no zone."""
    return to_datetime(time).replace(tzinfo=None)
