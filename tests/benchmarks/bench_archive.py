"""Measure verify, rebuild and publish: ``make bench-archive``.

The archive has a year of daily loads with a million versions of tasks (fewer: VERSIONS=100000). SQL
makes the rows; they are written load by load, as real loads do. It is published to PostgreSQL, if
that is installed, to a DuckLake in a file, and to a folder of Delta tables: all loads but the last
one, then the last one as a night does.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.replay import create_tables
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.archive.write import chain_head, write_load_entry
from gaussdb_tasks.database.connect import writable_clone
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.extract.arrow_rows import task_types
from gaussdb_tasks.publication.publish import publish_entries
from gaussdb_tasks.publication.target import Target, parse_target
from tests.support import postgres

_LOADS: Final = 365

_FILLED: Final = ("task_versions", "tasks", "load_runs", "coverage")
_FILL: Final = """
    create schema staged;
    create table staged.task_versions as from task_center.task_versions;
    create table staged.tasks as from task_center.tasks;
    create table staged.load_runs as from task_center.load_runs;
    create table staged.coverage as from task_center.coverage;
    set variable versions = {versions};
    set variable loads = {loads};
    create temp macro load_time(n) as timestamp '2026-01-01 02:00:00' + to_days(cast(n as integer));
    create temp macro load_id(n) as format('{{:010d}}.0', n);

    insert into staged.task_versions by name
    select
        'eu-de' as region, 'p' as project_id, md5(cast(i as varchar)) as job_id, 1 as version,
        load_time(n) as observed_at, 'CreateGaussDBV5Instance' as task_name, 'Completed' as status,
        load_time(n) - to_seconds(i % 80000 + 60) as created_at,
        load_time(n) - to_seconds(i % 80000 + 60) + to_seconds(i % 5000) as ended_at,
        cast(created_at as date) as created_date, (i % 5000) * 1000 as duration_ms,
        md5(cast(i % 500 as varchar)) as instance_id, 'orders-' || i % 500 as instance_name,
        'normal' as instance_status,
        '{{"job_id":"' || job_id || '","name":"CreateGaussDBV5Instance","status":"Completed",'
        || '"instance_info":{{"instance_id":"' || instance_id || '","instance_name":"'
        || instance_name || '","instance_status":"normal"}},"created_at":"' || created_at
        || '","ended_at":"' || ended_at || '","process":"","fail_reason":""}}' as raw,
        sha256(raw) as version_hash, load_id(n) as _dlt_load_id
    from (
        select i, i * getvariable('loads') // getvariable('versions') + 1 as n
        from range(getvariable('versions')) as each(i)
    );

    insert into staged.tasks by name
    select
        * exclude (version, observed_at, raw), 1 as version_count, observed_at as first_seen_at,
        observed_at as last_changed_at, observed_at as last_seen_at
    from staged.task_versions;

    insert into staged.load_runs by name
    select
        'eu-de' as region, 'p' as project_id, 'run-' || n as run_id, n as load_number,
        load_time(n) as observed_at, 'complete' as outcome, 1 as seen_count, 1 as new_count,
        0 as changed_count, 0 as rejected_count, 0 as vanished_count, 3 as call_count,
        2592000000 as horizon_ms, '0' as tool_version, load_id(n) as _dlt_load_id
    from range(1, getvariable('loads') + 1) as each(n);

    insert into staged.coverage by name
    select
        'eu-de' as region, 'p' as project_id, 'run-' || n as run_id, load_time(n) as observed_at,
        'new' as purpose, load_time(n - 1) as window_from, load_time(n) as window_to,
        window_from as covered_from, window_to as covered_to, true as is_complete,
        1 as distinct_count, load_id(n) as _dlt_load_id
    from range(1, getvariable('loads') + 1) as each(n);

    drop macro load_time;
    drop macro load_id;
"""


def main(versions: int) -> None:
    """Make the archive, and print the measurements."""
    with tempfile.TemporaryDirectory(prefix="gaussdb-tasks-archive-") as folder:
        data_dir = DataDir(Path(folder))
        _report("write", _measured(lambda: _make(data_dir, versions)), versions)
        size = sum(path.stat().st_size for path in data_dir.archive.rglob("*")) / 1024**2
        print(  # noqa: T201
            f"{_LOADS} loads, {versions:,} versions: archive {size:.0f} MB, database "
            f"{data_dir.database.stat().st_size / 1024**2:.0f} MB"
        )
        _report("verify --fast", _measured(lambda: _verify(data_dir, is_fast=True)), versions)
        _report("verify", _measured(lambda: _verify(data_dir, is_fast=False)), versions)
        _report("rebuild", _measured(lambda: rebuild(data_dir, is_replacing=True)), versions)
        with _targets(Path(folder)) as targets:
            for name, target in targets.items():
                _publish(data_dir, name, target, versions)


@contextmanager
def _targets(folder: Path) -> Iterator[dict[str, Target]]:
    targets = {
        "DuckLake": parse_target(f"ducklake:{folder / 'lake'}", str(folder / "files")),
        "Delta": parse_target(str(folder / "delta")),
    }
    if not postgres.IS_INSTALLED:
        yield targets
        return
    with postgres.server() as server:
        yield {**targets, "PostgreSQL": parse_target(server.url("postgres"))}


def _publish(data_dir: DataDir, name: str, target: Target, versions: int) -> None:
    last = max(data_dir.archive.iterdir())
    aside = last.rename(data_dir.path / last.name)
    _report(f"{name}, first", _measured(lambda: _publish_new(data_dir, target)), versions)
    aside.rename(last)
    _report(
        f"{name}, a night",
        _measured(lambda: _publish_new(data_dir, target)),
        versions // _LOADS,
    )


def _publish_new(data_dir: DataDir, target: Target) -> None:
    with data_dir.locked_with_archive(), data_dir.scratch("publish") as scratch:
        publish_entries(data_dir, target, scratch)


def _make(data_dir: DataDir, versions: int) -> None:
    archive, chain = Archive(data_dir.archive), list[ChainEntry]()
    with writable_clone(None, data_dir.database) as connection:
        create_tables(connection)
        types = task_types()
        connection.register("types", types)
        connection.execute(
            "insert into task_center.task_types by name "
            f"select *, '{_LOADS:010d}.0' as _dlt_load_id from types"
        )
        connection.execute(_FILL.format(versions=versions, loads=_LOADS))
        apply_views(connection)
        _write_entries(connection, archive, chain, data_dir.path / "entry")


def _write_entries(
    connection: duckdb.DuckDBPyConnection, archive: Archive, chain: list[ChainEntry], folder: Path
) -> None:
    for number in range(1, _LOADS + 1):
        for table in _FILLED:
            connection.execute(
                f"insert into task_center.{table} from staged.{table} where _dlt_load_id = ?",
                [f"{number:010d}.0"],
            )
        kept = [*chain[:1], *chain[-1:]]
        written = write_load_entry(connection, number, chain_head(kept), folder)
        chain.append(archive.add(folder, written.name).read())
    connection.execute("drop schema staged cascade")


def _verify(data_dir: DataDir, *, is_fast: bool) -> None:
    findings = verify(data_dir, VerifyOptions(is_fast=is_fast)).findings
    if findings:
        raise AssertionError(findings[:5])


def _report(work: str, seconds: float, versions: int) -> None:
    print(f"{work:<20} {seconds:7.1f} s  {versions / seconds * 60:14,.0f} versions a minute")  # noqa: T201


def _measured(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(int(os.environ.get("VERSIONS", "1000000")))
