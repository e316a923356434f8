"""An invented archive of years, made by SQL as its loads would have made it; always the same.

Hashes of a task's number replace random numbers.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.contract import TASK_TYPES
from tests.support.sample_archive import Archive, task_type

LOADS: Final = 2_190
TASKS: Final = 10_000
LAST_LOAD: Final = datetime(2026, 5, 18, 2)  # noqa: DTZ001 - as the database holds it: UTC

# How often a kind occurs in a hundred tasks, and the seconds that it typically takes.
_KINDS: Final = {
    "BackupSnapshotGaussDBV5InInstance": (52, 540),
    "StopBackupGaussDBV5InInstance": (14, 25),
    "EnlargeGaussDBV5Volume": (8, 180),
    "ResizeGaussDBV5Flavor": (6, 1_050),
    "RestoreGaussDBV5InInstanceToExistedInst": (4, 1_700),
    "RestoreGaussDBV5InInstance": (3, 1_500),
    "UpgradeGaussDBV5Instance": (3, 2_500),
    "HotPatchGaussDBV5Instance": (2, 330),
    "GaussDBV5ExpandClusterCN": (2, 1_100),
    "GaussDBV5ExpandClusterDN": (2, 3_100),
    "CreateGaussDBV5Instance": (2, 830),
    "DeleteGaussDBV5Instance": (1, 230),
    "CloneGaussDBV5NewInstance": (1, 1_300),
}

# Each beginning with each end makes a pattern.
_REASON_BEGINNINGS: Final = (
    "Backup {id} was not written",
    "Node {address}:{number} did not answer within {number} s",
    "Volume 'data-{number}' of {instance} is full at {number}.{number} GB",
    "Replica dn_{number} of instance {id}in14 stayed behind",
    "An exception occurs when the ECS {id} processes services",
    'Lock on "{name}" was not granted since {time}',
    "DBS.280021: quota of {number} shards is used up",
    "Peer [fd00::{hex}:1] refused the connection",
)
_REASON_ENDS: Final = (
    ".",
    "; try again after {number} min.",
    ", see request {id}.",
    " (task {id}, attempt {number}).",
    ": can't reach {address}.",
)

# A second hash is needed: DuckDB's combined hash of two values is not random enough.
_MACROS: Final = """
    create temp macro chance(n, what) as (hash(hash(n, what)) >> 11) / 9007199254740992;
    create temp macro below(n, what, bound) as cast(floor(chance(n, what) * bound) as bigint);
    create temp macro id(n, what) as md5(concat(what, n));
    create temp macro uuid(n, what) as cast(cast(id(n, what) as uuid) as varchar);
    create temp macro next_load_after(seconds) as seconds // 86400 + 1;
    create temp macro load_time(number) as
        getvariable('archive_begins_at') + to_days(cast(number as integer));
    create temp macro time_at(seconds) as
        getvariable('archive_begins_at') + to_seconds(seconds);
"""

# All tasks, observed by a load or not: one row per task, in order of creation.
_TASK_HISTORIES: Final = """
    create temp view task_histories as
    with starts as (
        select
            range as n,
            -- a few instances are busy, most are not
            cast(floor(300 * power(chance(n, 'instance'), 2)) as bigint) as instance,
            1 + below(n, 'kind', 100) as kind,
            chance(n, 'result') as result,
            below(n, 'later', 1000) as later,
            cast(floor(
                (n + chance(n, 'start')) * getvariable('loads') * 86400 / getvariable('tasks')
            ) as bigint) as started,
            case
                -- these never end, one of the last among them
                when (getvariable('tasks') - n) % 20000 = 5 then 1e9
                else greatest(1, getvariable('typical_seconds')[kind] * exp(
                    0.6 * sqrt(-2 * ln(1 - chance(n, 'u'))) * cos(2 * pi() * chance(n, 'v'))
                ))
            end as seconds
        from range(getvariable('tasks'))
    ),

    -- Records change after the end, too, with the state of their instance.
    timed as (
        select
            *,
            started + cast(seconds as bigint) as ended,
            next_load_after(started) as first_load,
            next_load_after(ended) as end_load,
            case when later < 5 then 2 when later < 45 then 1 else 0 end as later_versions,
            cast(end_load > first_load as bigint) as running_versions
        from starts
    )

    select
        *,
        1 + running_versions + later_versions as versions_in_the_end,
        running_versions + greatest(
            0, least(1 + later_versions, getvariable('loads') - end_load + 1)
        ) as version_count
    from timed
"""

# The versions that loads observed: one row per version.
_STATES: Final = """
    create temp view states as
    with versions as (
        select *, unnest(range(1, version_count + 1)) as version from task_histories
    ),

    outcomes as (
        select
            *,
            version > running_versions as is_final,
            is_final and result < 0.03 as is_failed,
            case
                when is_final then end_load + version - 1 - running_versions
                else first_load
            end as observed_load
        from versions
    )

    select
        *,
        'eu-de' as region,
        id(instance % 3, 'project') as project_id,
        uuid(n, 'job') as job_id,
        getvariable('kinds')[kind] as task_name,
        case
            when is_failed then 'Failed' when not is_final then 'Running'
            when result > 0.998 then 'Canceled' else 'Completed'
        end as status,
        case when not is_final then cast(below(n, 'progress', 100) as double) end as progress,
        id(instance, 'instance') || 'in14' as instance_id,
        ['orders', 'billing', 'ledger', 'stock', 'loyalty'][1 + instance % 5] || '-' || instance
            as instance_name,
        ['BACKING UP', 'MODIFYING', 'normal'][greatest(1, 3 - versions_in_the_end + version)]
            as instance_status,
        case when is_failed then
            replace(replace(replace(replace(replace(replace(replace(
                getvariable('reasons')[1 + below(n, 'reason', len(getvariable('reasons')))],
                '{id}', id(n, 'object')),
                '{number}', cast(below(n, 'number', 900) as varchar)),
                '{address}', '10.0.' || below(n, 'net', 9) || '.' || below(n, 'host', 250)),
                '{hex}', printf('%x', below(n, 'hex', 60000))),
                '{name}', 'table ' || below(n, 'table', 100)),
                '{instance}', instance_name),
                '{time}', strftime(time_at(started), '%Y-%m-%dT%H:%M:%SZ'))
        end as fail_reason,
        time_at(started) as created_at,
        case when is_final then time_at(ended) end as ended_at,
        case when is_final then (ended - started) * 1000 end as duration_ms,
        load_time(observed_load) as observed_at,
        sha256(concat(job_id, version)) as version_hash
    from outcomes
"""

_TASK_VERSIONS: Final = """
    insert into task_center.task_versions by name
    select
        region, project_id, job_id, version, observed_at, task_name, status,
        progress as progress_percent, fail_reason, created_at, ended_at,
        cast(created_at as date) as created_date, duration_ms, instance_id, instance_name,
        instance_status, version_hash,
        concat(
            '{"instance_info":{"instance_id":"', instance_id, '","instance_name":"', instance_name,
            '","instance_status":"', instance_status, '"},"job_id":"', job_id, '","name":"',
            task_name, '","status":"', status, '","process":', coalesce(progress::varchar, 'null'),
            ',"fail_reason":', coalesce(to_json(fail_reason)::varchar, 'null'),
            ',"created_at":"', strftime(created_at, '%Y-%m-%dT%H:%M:%S+0000'), '","ended_at":',
            coalesce(strftime(ended_at, '"%Y-%m-%dT%H:%M:%S+0000"'), 'null'), '}'
        ) as raw
    from (select * from states order by observed_load, n)
"""

_TASKS: Final = """
    insert into task_center.tasks by name
    select
        region, project_id, job_id, task_name, status, progress as progress_percent, fail_reason,
        created_at, ended_at, cast(created_at as date) as created_date, duration_ms, instance_id,
        instance_name, instance_status, version_hash, version_count,
        load_time(first_load) as first_seen_at,
        observed_at as last_changed_at,
        case
            when is_final then observed_at
            -- a task without an end is listed until it leaves the month of the service
            else load_time(least(first_load + 29, getvariable('loads')))
        end as last_seen_at
    from (select * from states where version = version_count order by observed_load, n)
"""

_LOAD_RUNS: Final = """
    insert into task_center.load_runs by name
    with found as (
        select
            project_id, observed_at,
            count(*) filter (where version = 1) as new_count,
            count(*) filter (where version > 1) as changed_count
        from task_center.task_versions
        group by project_id, observed_at
    )

    select
        'eu-de' as region,
        id(project, 'project') as project_id,
        'run-' || number as run_id,
        number as load_number,
        load_time(number) as observed_at,
        case when below(number, project, 300) = 0 then 'incomplete' else 'complete' end as outcome,
        coalesce(new_count, 0) as new_count,
        coalesce(changed_count, 0) as changed_count,
        coalesce(new_count + changed_count, 0) as seen_count,
        0 as rejected_count,
        0 as vanished_count,
        3 + coalesce(new_count, 0) // 100 as call_count,
        30 * 86400000::bigint as horizon_ms,
        true as is_count_usable,
        true as is_running_listed,
        true as is_sweep_whole,
        '0.1.0' as tool_version
    from range(1, getvariable('loads') + 1) as loads(number)
    cross join range(3) as projects(project)
    left join found on
        found.project_id = id(project, 'project') and found.observed_at = load_time(number)
    order by number, project
"""

# A window of an incomplete load is never read again, so it is a gap.
_COVERAGE: Final = """
    insert into task_center.coverage by name
    select
        region, project_id, run_id, observed_at,
        'new' as purpose,
        observed_at - to_minutes(1455) as window_from,
        observed_at + to_minutes(15) as window_to,
        window_from as covered_from,
        observed_at as covered_to,
        outcome = 'complete' as is_complete,
        seen_count as distinct_count,
        seen_count + cast(not is_complete as bigint) as total_count,
        case when not is_complete then 'the API counts one more' end as reason
    from task_center.load_runs
    order by load_number
"""

_VANISHED_TASKS: Final = """
    insert into task_center.vanished_tasks by name
    select
        region, project_id, job_id, created_at,
        load_time(observed_load + 3) as vanished_at,
        case when below(n, 'back', 10) = 0 then load_time(observed_load + 5) end as reappeared_at,
        'run-' || observed_load + 3 as run_id
    from states
    where
        is_final and version = version_count
        and below(n, 'vanished', 1000) = 0 and observed_load + 5 <= getvariable('loads')
    order by observed_load
"""

_REJECTED_RECORDS: Final = """
    insert into task_center.rejected_records by name
    select
        region, project_id, observed_at,
        'run-' || observed_load as run_id,
        'job_id is missing or empty' as reason,
        '{"name":"' || task_name || '","number":' || n || '}' as raw,
        sha256(raw) as record_hash
    from states
    where version = 1 and n % 10000 = 0
    order by n
"""

_TABLES: Final = (
    _TASK_VERSIONS,
    _TASKS,
    _LOAD_RUNS,
    _COVERAGE,
    _VANISHED_TASKS,
    _REJECTED_RECORDS,
)


def invent_archive(path: Path, task_count: int) -> None:
    """Make a database with this number of tasks and all views, checkpointed and closed."""
    archive = Archive(str(path))
    kinds = [task_type(kind.name, kind.label, kind.category) for kind in TASK_TYPES]
    archive.insert(task_types=kinds)
    connection = archive.connection
    connection.execute("set enable_progress_bar = false")
    for name, value in _variables(task_count).items():
        connection.execute(f"set variable {name} = $value", {"value": value})
    connection.execute(_MACROS)
    for sql in (_TASK_HISTORIES, _STATES, *_TABLES):
        connection.execute(sql)
    connection.execute("checkpoint")
    connection.close()


def _variables(task_count: int) -> dict[str, object]:
    """Return the variables of the SQL; a kind is repeated in proportion to its frequency."""
    return {
        "tasks": task_count,
        "loads": LOADS,
        "archive_begins_at": LAST_LOAD - timedelta(days=LOADS),
        "kinds": [name for name, (part, _) in _KINDS.items() for _ in range(part)],
        "typical_seconds": [float(s) for part, s in _KINDS.values() for _ in range(part)],
        "reasons": [begin + end for begin in _REASON_BEGINNINGS for end in _REASON_ENDS],
    }


@pytest.fixture(scope="session")
def invented_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invent an archive with ``TASKS`` tasks once; open it read-only."""
    path = tmp_path_factory.mktemp("invented") / "archive.duckdb"
    invent_archive(path, TASKS)
    return path
