"""Views show the name of a project beside its id."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from tests.support.sample_archive import (
    CREATED_AT,
    LOADED_AT,
    Archive,
    Row,
    at,
    given,
    load_run,
    task,
    version,
    window,
)

VIEWS = (
    "archive_status",
    "coverage_gaps",
    "failed_tasks",
    "failure_rates_by_instance",
    "instance_timeline",
    "last_loads",
    "nightly_changes",
    "running_tasks",
    "slow_tasks",
    "task_durations_by_instance",
    "task_history",
    "tasks",
)


def archive_of(load_runs: Iterable[Row]) -> Archive:
    """Make rows for which every view has an answer."""
    states: list[Row] = [{"job_id": f"job-{n}", "duration_ms": 60_000} for n in range(20)]
    states.append({"job_id": "slow", "status": "Failed", "duration_ms": 9_000_000})
    states.append({"job_id": "running", "status": "Running", "duration_ms": None})
    return given(
        tasks=[task(**state, last_changed_at=LOADED_AT) for state in states],
        task_versions=[version(**state) for state in states],
        coverage=[
            window(CREATED_AT - timedelta(days=9), CREATED_AT - timedelta(days=8)),
            window(CREATED_AT, LOADED_AT),
        ],
        load_runs=load_runs,
    )


def names(archive: Archive, view: str) -> set[str | None]:
    """Return the names that a view shows."""
    shown = {row["project_name"] for row in archive.rows(view)}
    assert shown, f"{view} has no rows"
    return shown


def renamed() -> list[Row]:
    """Make a load with a former name of the project, and a later one with its present name."""
    former = load_run(run_id="run-0", observed_at=at("2026-03-01"), project_name="eu-de_old")
    return [load_run(project_name="eu-de_shop"), former]


def test_these_are_all_views_with_a_project() -> None:
    """The name is the column after the id."""
    found = given().query(
        """
        select ids.table_name as view
        from duckdb_columns() as ids
        inner join duckdb_columns() as names
            on ids.table_oid = names.table_oid and ids.column_index + 1 = names.column_index
        where ids.database_name = current_database() and ids.schema_name = 'main'
            and ids.column_name = 'project_id' and names.column_name = 'project_name'
        """
    )
    with_id = given().query(
        "select table_name as view from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'main' "
        "and column_name = 'project_id'"
    )
    assert {row["view"] for row in found} == {row["view"] for row in with_id} == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_the_newest_name_is_shown(view: str) -> None:
    assert names(archive_of(renamed()), view) == {"eu-de_shop"}


@pytest.mark.parametrize("view", VIEWS)
def test_an_unknown_name_is_null(view: str) -> None:
    assert names(archive_of([load_run()]), view) == {None}


def test_a_name_is_that_of_the_project_in_its_region() -> None:
    runs = [
        load_run(project_name="eu-de_shop"),
        load_run(project_id="project-2"),
        load_run(region="eu-nl"),
    ]
    rows = given(load_runs=runs).query("from archive_status order by region, project_id")
    assert [row["project_name"] for row in rows] == ["eu-de_shop", None, None]


def test_a_project_that_never_could_be_read_has_its_newest_name() -> None:
    """Its status is the only row about it."""
    runs = [{**run, "outcome": "failed"} for run in renamed()]
    assert names(given(load_runs=runs), "archive_status") == {"eu-de_shop"}
