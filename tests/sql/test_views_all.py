"""Rules for every view: names, types, comments, and the same answers in every session."""

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
    """Make rows for which every view has an answer, with starts around midnight in UTC.

    The time zone of midnight affects the day, the week and the month of a start.
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
    """Return the rows of every view as text."""
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{LOADED_AT}'")
    return {view: sorted(map(str, archive.rows(view))) for view in VIEWS}


def test_every_promised_view_has_a_file() -> None:
    assert set(VIEWS) >= PROMISED_VIEWS


def test_a_file_holds_the_view_of_its_name() -> None:
    """Each file creates one view, and its first line describes a row."""
    archive = given()
    made = archive.query(
        "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    )
    assert {row["view_name"] for row in made} == set(VIEWS)
    for file in view_files():
        grain, *further, definition = file.text.partition(" as\n")[0].splitlines()
        assert grain.startswith("-- one row per ")
        assert all(line.startswith(("-- theme: ", "-- order by ")) for line in further)
        archive.query(f"select * from {file.name} {file.order}")
        assert definition == f"create or replace view main.{file.name}"
        assert file.text.count("create or replace") == 1


def test_every_view_and_column_has_a_comment() -> None:
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
    """DuckDB drops the comments of a view that is replaced."""
    archive = given()
    count = "select count(comment) as comment_count from duckdb_columns() where not internal"
    before = archive.query(count)
    apply_views(archive.connection)
    assert archive.query(count) == before


@pytest.mark.parametrize("view", VIEWS)
def test_the_name_of_a_column_determines_its_type(view: str) -> None:
    for column in given().query(f"describe {view}"):
        name = column["column_name"]
        expected = "BOOLEAN" if name.startswith("is_") else "VARCHAR"
        for ending, data_type in TYPE_BY_ENDING.items():
            if name.endswith(ending):
                expected = data_type
        assert (name, column["column_type"]) == (name, expected)


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_archive_gives_no_rows(view: str) -> None:
    assert given().rows(view) == []


@pytest.mark.parametrize("view", VIEWS)
def test_nulls_in_every_nullable_column_cause_no_error(view: str) -> None:
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
    archive = given(**rows_around_midnight())
    in_utc = answers(archive)
    assert all(in_utc.values()), "an empty view proves nothing"
    for zone in ("Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati"):
        archive.connection.execute(f"set TimeZone = '{zone}'")
        assert answers(archive) == in_utc


def test_views_made_in_another_time_zone_are_the_same() -> None:
    archive = given(**rows_around_midnight())
    in_utc = answers(archive)
    archive.connection.execute("set TimeZone = 'Asia/Shanghai'")
    apply_views(archive.connection)
    archive.connection.execute("set TimeZone = 'UTC'")
    assert answers(archive) == in_utc


def test_views_work_in_a_renamed_file_read_only_or_attached(tmp_path: Path) -> None:
    """Tables of the same names in the reader's own database are not used."""
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


def test_views_are_created_in_main_with_any_search_path() -> None:
    archive = given(**rows_around_midnight())
    archive.connection.execute("set search_path = 'task_center'")
    try:
        apply_views(archive.connection)
        counts = {view: _count(archive.connection, f"main.{view}") for view in VIEWS}
    finally:
        archive.connection.execute("reset search_path")
    assert all(counts.values())


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Read all rows of a relation, and count them."""
    return len(connection.execute(f"select * from {relation}").fetchall())
