"""Measure what a night of a thousand projects costs after ten years: ``make bench-growth``.

PROJECTS and NIGHTS set the size. SQL makes the loads, their windows and a task a night; every 500th
window is incomplete. The seconds are those of all processors together.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.replay import create_tables
from gaussdb_tasks.archive.write import record_loads
from gaussdb_tasks.database.state import newly_lost, read_states
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.times import DAY, Micros

_PROJECTS: Final = int(os.environ.get("PROJECTS", "1000"))
_NIGHTS: Final = int(os.environ.get("NIGHTS", "3650"))

_FILL: Final = """
    create temp table nights as
    select
        'eu-de' as region, format('{{:032x}}', project) as project_id, 'run-' || night as run_id,
        night, project, timestamp '2016-01-01 02:00:00' + to_days(night::integer) as observed_at,
        format('{{:010d}}.0', night) as _dlt_load_id
    from range(1, {nights} + 1) as nights(night), range({projects}) as projects(project)
    order by night, project;

    insert into task_center.load_runs by name
    select
        * exclude (night, project), night as load_number, 'complete' as outcome,
        1 as seen_count, 1 as new_count, 0 as changed_count, 0 as rejected_count,
        0 as vanished_count, 2 as call_count, true as is_count_usable, 2592000000 as horizon_ms,
        '0' as tool_version
    from nights;

    insert into task_center.coverage by name
    select
        * exclude (night, project), 'new' as purpose,
        observed_at - interval 1455 minute as window_from,
        observed_at + interval 15 minute as window_to, window_from as covered_from,
        window_to as covered_to, hash(night * 7919 + project) % 500 > 0 as is_complete,
        1 as distinct_count, 1 as total_count
    from nights;

    insert into task_center.tasks by name
    select
        region, project_id, md5(night || '-' || project) as job_id, 'Completed' as status,
        'CreateGaussDBV5Instance' as task_name, observed_at - interval 5 hour as created_at,
        created_at::date as created_date, observed_at as first_seen_at,
        observed_at as last_changed_at, observed_at as last_seen_at, 1 as version_count,
        job_id as version_hash, _dlt_load_id
    from nights;

    drop table nights;
"""


def main() -> None:
    """Make the database, and print the measurements."""
    with (
        tempfile.TemporaryDirectory(prefix="gaussdb-tasks-growth-") as folder,
        duckdb.connect(Path(folder) / "growth.duckdb") as connection,
    ):
        create_tables(connection)
        connection.execute(_FILL.format(projects=_PROJECTS, nights=_NIGHTS))
        apply_views(connection)
        connection.execute("checkpoint")
        for name, seconds in _measurements(connection):
            print(f"{name:<32} {seconds:6.2f} CPU s", flush=True)  # noqa: T201


def _measurements(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, float]]:
    keys = [ProjectKey("eu-de", f"{number:032x}") for number in range(_PROJECTS)]
    last: Micros = _value(connection, "select epoch_us(max(observed_at)) from main.last_loads")
    horizon = timedelta(days=30) // timedelta(microseconds=1)
    clocks = dict.fromkeys(keys, last - DAY)
    loads = [(f"{night:010d}.0", night, f"{night:064x}") for night in range(1, _NIGHTS + 1)]
    works: dict[str, Callable[[], object]] = {
        "recall of all projects": lambda: read_states(connection, keys, last - horizon),
        "recall of one project": lambda: read_states(connection, keys[:1], last - horizon),
        "newly lost, of all projects": lambda: newly_lost(connection, clocks),
        "coverage_gaps": lambda: connection.execute("from main.coverage_gaps").fetchall(),
        "archive_status": lambda: connection.execute("from main.archive_status").fetchall(),
        "rebuild: record all loads": lambda: record_loads(connection, loads, None),
        "rebuild: record half of them": lambda: record_loads(connection, loads[::2], None),
    }
    return [(name, _measured(work)) for name, work in works.items()]


def _value(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return 0 if row is None else int(row[0])


def _measured(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
