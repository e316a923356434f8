"""The saved questions: each runs, and the important ones give the right answers."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.database.saved_questions import saved_questions
from gaussdb_tasks.database.sql_files import THEMES, SqlFile, example_files, view_files
from gaussdb_tasks.model.times import from_datetime
from tests.support import ROOT
from tests.support.invented_archive import LAST_LOAD
from tests.support.sample_archive import (
    Archive,
    Row,
    at,
    given,
    load_run,
    rejected_record,
    task,
    task_type,
    window,
)

QUESTIONS = {question.name: question for question in saved_questions()}

# The invented archive has no such rows.
NOTHING_TO_SHOW = {"failed_last_night", "lost_from_sight", "new_reasons"}

NOW = from_datetime(LAST_LOAD.replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def invented(invented_archive: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the invented archive as the command does."""
    with open_for_queries(invented_archive, NOW) as connection:
        yield connection


def answer(archive: Archive, name: str, **variables: str) -> list[Row]:
    """Return the answer of a saved question as rows."""
    cursor = run_query(archive.connection, name, variables)
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for variable in variables:
        archive.connection.execute(f"reset variable {variable}")
    return rows


def test_there_are_many_questions_and_none_has_the_name_of_a_view() -> None:
    assert len(QUESTIONS) >= 25
    assert not QUESTIONS.keys() & {file.name for file in view_files()}


@pytest.mark.parametrize("file", [*view_files(), *example_files()], ids=lambda file: file.name)
def test_a_view_or_question_has_a_theme(file: SqlFile) -> None:
    """It is one of the headings of ``query --list``, and not the last, for views of others."""
    assert file.theme in THEMES[:-1]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_an_answer(invented: duckdb.DuckDBPyConnection, name: str) -> None:
    rows = run_query(invented, name).fetchall()
    assert rows or name in NOTHING_TO_SHOW


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_no_error_without_tasks_or_without_loads(name: str) -> None:
    answer(given(load_runs=[load_run()]), name)
    answer(given(), name)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_is_sorted_and_every_variable_is_a_documented_parameter(name: str) -> None:
    question = QUESTIONS[name]
    assert re.search(r"^order by ", question.sql, re.MULTILINE)
    assert set(re.findall(r"getvariable\('(\w+)'\)", question.sql)) == set(question.parameters)


@pytest.mark.parametrize("name", QUESTIONS)
def test_where_the_id_of_a_project_is_shown_its_name_is_too(name: str) -> None:
    cursor = run_query(given(load_runs=[load_run()]).connection, name)
    shown = [column[0] for column in cursor.description or ()]
    assert "project_id" not in shown or "project_name" in shown


@pytest.mark.parametrize(
    ("windows", "rejected_at", "is_complete", "gap_count"),
    [
        ([("2026-02-20", "2026-04-02")], None, True, 0),
        ([("2026-03-01", "2026-04-01")], None, True, 0),
        ([("2026-03-01", "2026-03-15"), ("2026-03-15", "2026-04-02")], None, True, 0),
        ([("2026-02-01", "2026-02-20"), ("2026-02-25", "2026-04-02")], None, True, 0),
        ([("2026-03-02", "2026-04-02")], None, False, 0),  # begins too late
        ([("2026-02-20", "2026-03-31 23:59:59")], None, False, 0),  # ends too early
        ([("2026-02-01", "2026-03-10"), ("2026-03-11", "2026-04-02")], None, False, 1),
        ([("2026-02-01", "2026-02-20"), ("2026-03-01 00:00:01", "2026-04-02")], None, False, 1),
        ([("2026-02-20", "2026-04-02")], "2026-03-31 23:59:59", False, 0),
        ([("2026-02-20", "2026-04-02")], "2026-04-01", True, 0),
        ([], None, False, 0),
    ],
)
def test_a_month_is_complete_only_if_windows_cover_all_of_it(
    windows: list[tuple[str, str]],
    rejected_at: str | None,
    is_complete: bool,  # noqa: FBT001 - the expected value
    gap_count: int,
) -> None:
    """A gap or a rejected record makes the month incomplete."""
    archive = given(
        load_runs=[load_run(observed_at=at("2026-04-02"))],
        coverage=[
            window(at(start), at(end), observed_at=at("2026-04-02")) for start, end in windows
        ],
        rejected_records=[rejected_record(created_at=at(rejected_at))] if rejected_at else [],
    )
    for rows in (
        answer(archive, "is_month_complete"),
        answer(archive, "is_month_complete", month="2026-03"),
    ):
        (row,) = rows
        assert (row["is_complete"], row["gap_count"]) == (is_complete, gap_count)
        assert (row["why_not"] is None) == is_complete
        assert row["month_from"] == at("2026-03-01").date()


def test_a_month_that_is_not_over_is_not_complete() -> None:
    archive = given(
        load_runs=[load_run(observed_at=at("2026-04-02"))],
        coverage=[window(at("2026-02-20"), at("2026-04-02"), observed_at=at("2026-04-02"))],
    )
    (row,) = answer(archive, "is_month_complete", month="2026-04")
    assert row["is_complete"] is False


def test_the_history_of_an_instance_is_found_by_any_of_its_names_and_by_its_id() -> None:
    archive = given(
        tasks=[
            task(job_id="2", created_at=at("2026-03-02"), instance_id="id-1", instance_name="new"),
            task(job_id="1", created_at=at("2026-03-01"), instance_id="id-1", instance_name="a"),
            task(job_id="3", instance_id="id-2", instance_name="b", status="Failed"),
        ]
    )
    for wanted in ("a", "new", "id-1"):
        rows = answer(archive, "instance_history", instance=wanted)
        assert [row["created_at"] for row in rows] == [at("2026-03-01"), at("2026-03-02")]
    (row,) = answer(archive, "instance_history")
    assert row["instance_name"] == "b"


@pytest.mark.parametrize(
    ("created_at", "ended_at", "is_shown"),
    [
        ("2026-03-15 18:00", "2026-03-15 18:01", True),
        ("2026-03-15 17:00", "2026-03-15 17:59", False),
        ("2026-03-15 17:00", "2026-03-15 18:00", True),
        ("2026-03-16 05:59", "2026-03-16 07:00", True),
        ("2026-03-16 06:00", "2026-03-16 07:00", False),
        ("2026-03-08 20:00", "2026-03-08 21:00", False),
        ("2026-03-08 20:00", None, True),  # still running
        ("2026-03-16 08:00", None, False),
    ],
)
def test_last_sunday_night_lasts_from_sunday_evening_to_monday_morning(
    created_at: str,
    ended_at: str | None,
    is_shown: bool,  # noqa: FBT001 - the expected value
) -> None:
    start = at(created_at)
    duration = None if ended_at is None else (at(ended_at) - start) // timedelta(milliseconds=1)
    status = "Completed" if ended_at else "Running"
    archive = given(
        tasks=[task(created_at=start, duration_ms=duration, status=status)],
        load_runs=[load_run(observed_at=at("2026-03-18 02:00"))],
    )
    assert bool(answer(archive, "last_sunday_night")) == is_shown


def test_a_sunday_night_that_is_not_over_is_not_the_last() -> None:
    """A load at 02:00 on Monday shows the week before; a load at 06:00 shows that night."""
    for loaded_at, shown in (("2026-03-16 02:00", "old"), ("2026-03-16 06:00", "new")):
        archive = given(
            tasks=[
                task(job_id="old", task_name="old", created_at=at("2026-03-08 20:00")),
                task(job_id="new", task_name="new", created_at=at("2026-03-15 20:00")),
            ],
            load_runs=[load_run(observed_at=at(loaded_at))],
        )
        assert [row["task_label"] for row in answer(archive, "last_sunday_night")] == [shown]


def test_instances_without_a_recent_successful_backup_are_listed() -> None:
    """A deleted instance needs no backup; the number of days can be set."""
    loaded_at = at("2026-03-31")

    def backup(number: int, days_ago: int, status: str = "Completed") -> Row:
        return _task_of(number, loaded_at - timedelta(days=days_ago), "Backup", status)

    archive = given(
        tasks=[
            backup(1, 2),
            backup(2, 9),
            backup(3, 9),
            backup(3, 2, "Failed"),
            backup(4, 20),
            _task_of(4, loaded_at - timedelta(days=1), "Delete", "Completed"),
        ],
        task_types=[task_type("Backup", "Backup", "backup"), task_type("Delete", "Del", "delete")],
        load_runs=[load_run(observed_at=loaded_at)],
    )
    named = [row["instance_id"] for row in answer(archive, "instances_without_backup")]
    assert named == ["instance-2", "instance-3"]
    assert not answer(archive, "instances_without_backup", days="10")
    assert len(answer(archive, "instances_without_backup", days="1")) == 3


def test_the_worst_week_is_the_one_with_most_failures() -> None:
    weeks = {"2026-03-02": 2, "2026-03-09": 3, "2026-03-22": 1}
    archive = given(
        tasks=[
            task(job_id=f"{day}-{n}", created_at=at(day), status="Failed", fail_reason=f"why {n}")
            for day, count in weeks.items()
            for n in range(count)
        ]
        + [task(created_at=at("2026-03-15 23:59:59"))]
    )
    rows = answer(archive, "worst_week")
    (row,) = rows
    assert row == {
        "created_week": at("2026-03-09").date(),
        "week_failures": "3 of 4",
        "task_label": "CreateGaussDBV5Instance",
        "reason_pattern": "why <n>",
        "failed_count": 3,
    }


def test_every_file_of_the_folder_is_a_question() -> None:
    folder = ROOT / "sql" / "examples"
    assert {path.stem for path in folder.glob("*.sql")} == QUESTIONS.keys()


def _task_of(instance: int, created_at: datetime, name: str, status: str) -> Row:
    return task(
        job_id=f"{instance}-{created_at}",
        instance_id=f"instance-{instance}",
        created_at=created_at,
        task_name=name,
        status=status,
    )
