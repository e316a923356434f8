"""An archive of invented nights: SQL makes their rows, which are written as loads write them.

Three projects have tasks that appear, change, stay in flight, vanish and return, each at its own
night. Hashes of a task's number replace random numbers.
"""

import shutil
from pathlib import Path
from typing import Final

import duckdb
import pytest

from gaussdb_tasks.archive.replay import create_tables
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.write import chain_head, write_load_entry
from gaussdb_tasks.database.connect import writable_clone
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.extract.arrow_rows import task_types
from tests.support.made_once import made_once

NIGHTS: Final = 9

# A task appears at night `born`, is in flight until `ended`, vanishes at `gone`, returns at `back`.
_LIVES: Final = f"""
    create temp table lives as
    select
        'eu-de' as region, 'project-' || i % 3 as project_id, 'job-' || i as job_id, i,
        1 + i % {NIGHTS} as born, born + hash(i) % 5 as ended,
        ended + 1 + hash(i + 1) % 3 as gone, gone + 1 + hash(i + 2) % 2 as back,
        timestamp '2026-01-01' + to_days(cast(born as integer)) - to_hours(cast(i % 40 as integer))
            as created_at
    from range({NIGHTS * 6}) as each(i)
"""
_NIGHT: Final = """
    set variable clock = timestamp '2026-01-01 02:00:00' + to_days({night});
    set variable load_id = '{night}.0';

    insert into task_center.task_versions by name
    select
        region, project_id, job_id, case when {night} = born then 1 else 2 end as version,
        getvariable('clock') as observed_at,
        case when {night} < ended then 'Running' else 'Completed' end as status,
        created_at, cast(created_at as date) as created_date,
        'record ' || i || ' of night ' || {night} as raw, sha256(raw) as version_hash,
        getvariable('load_id') as _dlt_load_id
    from lives where {night} in (born, ended);

    insert into task_center.tasks by name
    select
        versions.* exclude (version, observed_at, raw), version as version_count,
        observed_at as first_seen_at, observed_at as last_changed_at, observed_at as last_seen_at
    from task_center.task_versions as versions where observed_at = getvariable('clock');
    create temp table earlier as
    select * from task_center.tasks
    where job_id in (select job_id from lives where {night} > born and {night} <= ended)
    qualify row_number() over (partition by job_id order by last_seen_at) = 1;
    create temp table latest as
    select * from task_center.tasks
    where job_id in (select job_id from earlier)
    qualify row_number() over (partition by job_id order by last_seen_at desc) = 1;
    delete from task_center.tasks where job_id in (select job_id from earlier);
    insert into task_center.tasks by name
    select
        latest.* replace (
            earlier.first_seen_at as first_seen_at, getvariable('clock') as last_seen_at,
            getvariable('load_id') as _dlt_load_id
        )
    from latest inner join earlier using (job_id);
    drop table earlier;
    drop table latest;

    insert into task_center.vanished_tasks by name
    select
        region, project_id, job_id, created_at, getvariable('clock') as vanished_at,
        'run-{night}' as run_id, getvariable('load_id') as _dlt_load_id
    from lives where gone = {night};
    update task_center.vanished_tasks
    set reappeared_at = getvariable('clock'), run_id = 'run-{night}',
        _dlt_load_id = getvariable('load_id')
    where job_id in (select job_id from lives where back = {night});

    insert into task_center.load_runs by name
    select distinct
        region, project_id, 'run-{night}' as run_id, {night} as load_number,
        getvariable('clock') as observed_at, 'complete' as outcome, 1 as seen_count, 1 as new_count,
        0 as changed_count, 0 as rejected_count, 0 as vanished_count, 3 as call_count,
        2592000000 as horizon_ms, '0' as tool_version, getvariable('load_id') as _dlt_load_id
    from lives where born <= {night};

    insert into task_center.rejected_records by name
    select
        region, project_id, run_id, observed_at, 'no job_id' as reason, '{{}}' as raw,
        sha256('{night}' || project_id) as record_hash, _dlt_load_id
    from task_center.load_runs where load_number = {night} and {night} % 2 = 0;
"""


@pytest.fixture(scope="session")
def invented_nights(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """Return an archive of some nights, and its database."""
    return DataDir(made_once(tmp_path_factory, "invented_nights", _make))


def first_nights(data_dir: DataDir, count: int, folder: Path) -> DataDir:
    """Bring the first entries of an archive to another data directory, which has no database."""
    for entry in sorted(data_dir.archive.iterdir())[:count]:
        copied = DataDir(folder).archive / entry.name
        if not copied.exists():
            shutil.copytree(entry, copied)
    return DataDir(folder)


def _make(folder: Path) -> None:
    data_dir = DataDir(folder)
    archive, chain = Archive(data_dir.archive), list[ChainEntry]()
    with writable_clone(None, data_dir.database) as connection:
        create_tables(connection)
        connection.execute(_LIVES)
        for night in range(1, NIGHTS + 1):
            connection.execute(_NIGHT.format(night=night))
            _replace_task_types(connection, night)
            written = write_load_entry(connection, night, chain_head(chain), folder / "entry")
            chain.append(archive.add(folder / "entry", written.name).read())
        connection.execute("drop table lives")
        apply_views(connection)


def _replace_task_types(connection: duckdb.DuckDBPyConnection, night: int) -> None:
    types = task_types()
    connection.register("types", types)
    connection.execute("delete from task_center.task_types")
    connection.execute(
        f"insert into task_center.task_types by name select *, '{night}.0' as _dlt_load_id "
        "from types"
    )
    connection.unregister("types")
