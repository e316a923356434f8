"""The state of many projects costs as many queries as the state of one."""

from datetime import timedelta
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.write import record_loads
from gaussdb_tasks.database.state import newly_lost, read_state, read_states
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.known_tasks import KnownTasks
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState
from gaussdb_tasks.model.times import DAY, from_datetime
from tests.support.sample_archive import (
    HORIZON,
    LOADED_AT,
    Archive,
    Row,
    given,
    load_run,
    rejected_record,
    task,
    window,
)

VISIBLE_FROM = from_datetime(LOADED_AT - HORIZON)


class CountingConnection:
    """Counts the queries of a connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Pass everything on to the connection."""
        self._connection = connection
        self.count = 0

    def execute(self, *arguments: Any) -> duckdb.DuckDBPyConnection:
        """Count a query, and run it."""
        self.count += 1
        return self._connection.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def keys(count: int) -> list[ProjectKey]:
    """Name some projects, the first of them in the archive of ``archive_of``."""
    return [ProjectKey("eu-de", f"project-{number}") for number in range(count)]


def archive_of(count: int) -> Archive:
    """Return an archive of projects that differ in each part of their state."""
    runs: list[Row] = []
    windows: list[Row] = []
    for number, key in enumerate(keys(count)):
        where = {"project_id": key.project_id}
        for night, is_good in enumerate((True, number % 3 > 0, number % 2 > 0), start=1):
            clock = LOADED_AT + timedelta(days=night, hours=-30 if night == number % 5 else 0)
            run = {**where, "run_id": f"run-{night}", "observed_at": clock}
            outcome = "complete" if is_good else "failed"
            runs.append(
                load_run(
                    **run,
                    load_number=night,
                    outcome=outcome,
                    is_sweep_whole=is_good,
                    gone_rejects=f"hash-{number % 2}",
                )
            )
            windows.append(
                window(
                    clock - timedelta(hours=number % 40),
                    clock + timedelta(hours=1),
                    **run,
                    is_complete=is_good,
                    purpose="horizon" if number % 4 else "new",
                    reason="counted more" if number % 2 else None,
                    distinct_count=1,
                    total_count=1 + number,
                )
            )
    projects = {key.project_id: number for number, key in enumerate(keys(count))}
    return given(
        load_runs=runs,
        coverage=windows,
        tasks=[task(project_id=each, job_id=f"job-{n}") for each, n in projects.items()],
        rejected_records=[
            rejected_record(project_id=each, record_hash=f"hash-{n % 3}")
            for each, n in projects.items()
        ],
    )


def test_states_that_are_read_together_are_those_that_are_read_one_by_one() -> None:
    connection = archive_of(12).connection
    states = read_states(connection, keys(14), VISIBLE_FROM)
    assert states == {key: read_state(connection, key, VISIBLE_FROM) for key in keys(14)}
    found = [state for state in states.values() if isinstance(state, ProjectState)]
    assert {len(state.tasks) for state in found} == {0, 1}
    for part in ("covered", "excess_count", "last_full_read_at", "gone_rejects", "rejected"):
        assert len({repr(getattr(state, part)) for state in found}) > 1, part


def test_the_tasks_of_a_large_month_are_read_into_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is the same as with a dictionary."""
    connection = archive_of(12).connection
    states = read_states(connection, keys(14), VISIBLE_FROM)
    monkeypatch.setattr(known_tasks, "_MIN_ROWS_IN_COLUMNS", 0)
    in_columns = read_states(connection, keys(14), VISIBLE_FROM)
    assert in_columns == states
    found = [state for state in in_columns.values() if isinstance(state, ProjectState)]
    assert sum(isinstance(state.tasks, KnownTasks) for state in found) == 12


def test_a_project_of_another_region_has_an_error_in_place_of_its_state() -> None:
    moved = ProjectKey("eu-nl", "project-1")
    states = read_states(archive_of(3).connection, [*keys(1), moved], VISIBLE_FROM)
    assert isinstance(states[keys(1)[0]], ProjectState)
    assert isinstance(states[moved], ConfigurationError)
    assert "under region 'eu-de'" in str(states[moved])


@pytest.mark.parametrize("count", [1, 12])
def test_the_number_of_queries_is_the_same_for_any_number_of_projects(count: int) -> None:
    """Nine for the states and one for what was lost."""
    counting = CountingConnection(archive_of(12).connection)
    read_states(counting, keys(count), VISIBLE_FROM)  # type: ignore[arg-type]
    newly_lost(counting, dict.fromkeys(keys(count), VISIBLE_FROM))  # type: ignore[arg-type]
    assert counting.count == 10


def test_what_was_lost_is_found_for_each_project_since_its_own_clock() -> None:
    """Two projects have the same gap; one had lost it before."""
    names = ("project-0", "project-1", "project-2")
    horizon_from = LOADED_AT - HORIZON
    gap = (horizon_from - timedelta(hours=5), horizon_from - timedelta(hours=2))
    archive = given(
        load_runs=[load_run(project_id=each) for each in names],
        coverage=[
            window(start, end, project_id=each)
            for each in names
            for start, end in ((gap[0] - timedelta(hours=1), gap[0]), (gap[1], LOADED_AT))
        ],
    )
    now = from_datetime(LOADED_AT)
    clocks = dict(zip(keys(3), (now - DAY, now, None), strict=True))
    lost = newly_lost(archive.connection, clocks)
    assert [(key, *bounds) for key, bounds in lost] == [
        (keys(1)[0], from_datetime(gap[0]), from_datetime(gap[1]))
    ]


def test_one_query_records_the_entries_of_all_loads() -> None:
    entries = [(f"load-{night}", night + 1, f"digest-{night}") for night in (1, 2, 3)]
    with duckdb.connect() as connection:
        connection.execute("create schema task_center")
        connection.execute(
            "create table task_center.load_runs as "
            "select 'load-' || night as _dlt_load_id, 0 as archive_sequence, '' as head_digest, "
            "'' as archive_id "
            "from range(1, 5) as nights(night), range(2)"
        )
        counting = CountingConnection(connection)
        record_loads(counting, entries, "a" * 64)  # type: ignore[arg-type]
        assert counting.count == 1
        rows = connection.execute("from task_center.load_runs order by all").fetchall()
    expected = [*((*entry, "a" * 64) for entry in entries), ("load-4", 0, "", "")]
    assert rows == [row for row in expected for _ in range(2)]
