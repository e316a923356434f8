"""What must hold for every view: names, types, comments, and an answer wherever it is asked."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.views import apply_views
from tests.support.sample_archive import (
    CREATED_AT,
    HORIZON,
    LOADED_AT,
    Archive,
    Row,
    at,
    given,
    load_run,
    rejected_record,
    task,
    task_type,
    vanished_task,
    version,
    window,
)

VIEWS = tuple(file.name for file in view_files())

PROMISED_VIEWS = {
    "tasks",
    "task_history",
    *(
        f"{measure}_by_{group}"
        for measure in ("task_durations", "failure_rates")
        for group in ("name", "instance", "day", "week", "month")
    ),
    "task_duration_distribution",
    "failure_reasons",
    "running_tasks",
    "slow_tasks",
    "task_regressions",
    "instance_timeline",
    "nightly_changes",
    "coverage_gaps",
    "archive_status",
}

TYPE_BY_ENDING = {
    "_number": "BIGINT",
    "_at": "TIMESTAMP",
    "_from": "TIMESTAMP",
    "_to": "TIMESTAMP",
    "_date": "DATE",
    "_week": "DATE",
    "_month": "DATE",
    "_count": "BIGINT",
    "_score": "DOUBLE",
    "_ms": "BIGINT",
    "_left": "BIGINT",
    "_seconds": "DOUBLE",
    "_percent": "DOUBLE",
    "_rate": "DOUBLE",
    "_low": "DOUBLE",
    "_high": "DOUBLE",
    "share": "DOUBLE",
    "times_typical": "DOUBLE",
    "version": "BIGINT",
    "extra": "JSON",
}


def rows_around_midnight() -> dict[str, list[Row]]:
    """Make rows that give every view something to show, with starts around midnight in UTC.

    Which midnight it is decides about the day, the week and the month of a start.
    """
    midnight = at("2026-06-01")
    loaded_at = midnight + timedelta(hours=26)
    starts = [midnight + timedelta(hours=hours) for hours in (-240, -17, -9, -1, 0, 1, 7, 15)]
    states: list[Row] = [
        {"job_id": f"job-{n}", "created_at": start, "duration_ms": 1000 * n, "status": "Failed"}
        for n, start in enumerate(starts)
    ]
    states.append({"job_id": "running", "created_at": midnight, "status": "Running"})
    return {
        "tasks": [task(**state, last_changed_at=loaded_at) for state in states],
        "task_versions": [version(**state) for state in states],
        "vanished_tasks": [vanished_task(job_id="job-0", created_at=starts[0])],
        "rejected_records": [rejected_record()],
        "task_types": [task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        "load_runs": [load_run(observed_at=loaded_at)],
        "coverage": [
            window(loaded_at - HORIZON, midnight - timedelta(days=1)),
            window(midnight, loaded_at),
        ],
    }


def answers(archive: Archive) -> dict[str, list[str]]:
    """Return what every view shows, as text."""
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{LOADED_AT}'")
    return {view: sorted(map(str, archive.rows(view))) for view in VIEWS}


def test_every_promised_view_has_a_file() -> None:
    """The views that the documentation names are there."""
    assert set(VIEWS) >= PROMISED_VIEWS


def test_a_file_holds_the_view_of_its_name() -> None:
    """Each file makes the one view that it is named after, and says what a row of it is."""
    archive = given()
    made = archive.query(
        "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    )
    assert {row["view_name"] for row in made} == set(VIEWS)
    for file in view_files():
        grain, *order, definition = file.text.partition(" as\n")[0].splitlines()
        assert grain.startswith("-- one row per ")
        assert all(line.startswith("-- order by ") for line in order)
        archive.query(f"select * from {file.name} {file.order}")
        assert definition == f"create or replace view main.{file.name}"
        assert file.text.count("create or replace") == 1


def test_every_view_and_column_has_a_comment() -> None:
    """The data dictionary has no blanks."""
    archive = given()
    views = archive.query(
        "select view_name, comment from duckdb_views() where schema_name = 'main' and not internal"
    )
    columns = archive.query(
        "select table_name, column_name, comment from duckdb_columns()"
        " where schema_name = 'main' and not internal"
    )
    assert {row["table_name"] for row in columns} == set(VIEWS)
    for row in (*views, *columns):
        assert row["comment"], row
        assert row["comment"].endswith("."), row


def test_comments_survive_another_apply() -> None:
    """Replacing a view drops its comments; applying all views again brings them back."""
    archive = given()
    count = "select count(comment) as comment_count from duckdb_columns() where not internal"
    before = archive.query(count)
    apply_views(archive.connection)
    assert archive.query(count) == before


@pytest.mark.parametrize("view", VIEWS)
def test_columns_have_the_type_that_their_name_promises(view: str) -> None:
    """Times are TIMESTAMP, days DATE, counts BIGINT, seconds and rates DOUBLE, is_ is BOOLEAN."""
    for column in given().query(f"describe {view}"):
        name = column["column_name"]
        expected = "BOOLEAN" if name.startswith("is_") else "VARCHAR"
        for ending, data_type in TYPE_BY_ENDING.items():
            if name.endswith(ending):
                expected = data_type
        assert (name, column["column_type"]) == (name, expected)


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_archive_has_an_empty_answer(view: str) -> None:
    """Before the first load every view can be asked and shows nothing."""
    assert given().rows(view) == []


@pytest.mark.parametrize("view", VIEWS)
def test_an_archive_with_one_row_in_each_table_has_an_answer(view: str) -> None:
    """One row in each table, null wherever it may be, is no reason for an error."""
    bare = {
        "status": None,
        "task_name": None,
        "instance_id": None,
        "instance_name": None,
        "instance_status": None,
    }
    archive = given(
        tasks=[task(**bare)],
        task_versions=[version(**bare)],
        vanished_tasks=[vanished_task(job_id="job-2")],
        rejected_records=[rejected_record()],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        load_runs=[load_run(is_count_usable=None)],
        coverage=[window(CREATED_AT, LOADED_AT, total_count=None)],
    )
    needs_more = ("task_duration", "task_regressions", "fail", "slow", "coverage")
    assert len(archive.rows(view)) == (0 if view.startswith(needs_more) else 1)


def test_no_answer_depends_on_the_time_zone() -> None:
    """East and west of UTC, around midnight there, every view shows the same."""
    archive = given(**rows_around_midnight())
    in_utc = answers(archive)
    assert all(in_utc.values()), "a view that shows nothing proves nothing"
    for zone in ("Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati"):
        archive.connection.execute(f"set TimeZone = '{zone}'")
        assert answers(archive) == in_utc


def test_views_made_in_another_time_zone_are_the_same() -> None:
    """The zone of the session that makes the views does not get into them."""
    archive = given(**rows_around_midnight())
    in_utc = answers(archive)
    archive.connection.execute("set TimeZone = 'Asia/Shanghai'")
    apply_views(archive.connection)
    archive.connection.execute("set TimeZone = 'UTC'")
    assert answers(archive) == in_utc


def test_views_answer_from_a_renamed_file_however_it_is_opened(tmp_path: Path) -> None:
    """Views are made in a clone with another name, and asked read-only or attached, in any schema.

    Where they are asked from there may be tables of the same names, which are not meant.
    """
    clone, published = tmp_path / "clone.duckdb", tmp_path / "gaussdb_tasks.duckdb"
    archive = Archive(str(clone))
    archive.insert(**rows_around_midnight())
    expected = {view: len(archive.rows(view)) for view in VIEWS}
    archive.connection.close()
    clone.rename(published)

    with duckdb.connect(str(published), read_only=True) as reader:
        reader.execute("set search_path = 'task_center'")
        assert {view: _count(reader, f"main.{view}") for view in VIEWS} == expected
    with duckdb.connect() as analyst:
        analyst.execute("create schema task_center")
        analyst.execute("create table task_center.tasks as select 'not meant' as job_id")
        analyst.execute("create table main.tasks as select 'not meant' as job_id")
        analyst.execute(f"attach '{published}' as archive (read_only)")
        assert {view: _count(analyst, f"archive.{view}") for view in VIEWS} == expected


def test_views_are_made_in_main_whatever_the_search_path() -> None:
    """A session that works in the schema of the tables makes the views in main all the same."""
    archive = given(**rows_around_midnight())
    archive.connection.execute("set search_path = 'task_center'")
    try:
        apply_views(archive.connection)
        counts = {view: _count(archive.connection, f"main.{view}") for view in VIEWS}
    finally:
        archive.connection.execute("reset search_path")
    assert all(counts.values())


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Read a whole relation and count its rows."""
    return len(connection.execute(f"select * from {relation}").fetchall())
