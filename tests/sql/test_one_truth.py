"""In flight, overdue and lost from sight: each number is the same wherever it is shown."""

import re
from datetime import timedelta

import pytest

from gaussdb_tasks.cli.commands import demo
from gaussdb_tasks.cli.status_lines import StatusPart, status_lines
from gaussdb_tasks.database.query import run_query
from gaussdb_tasks.report.attention import attention_items
from gaussdb_tasks.report.queries import read_figures
from tests.support.sample_archive import (
    HORIZON,
    LOADED_AT,
    Archive,
    Row,
    given,
    load_run,
    task,
    vanished_task,
)

HOUR = timedelta(hours=1)
OLD = LOADED_AT - HORIZON - HOUR
PROJECTS = ("project-1", "project-2")


def open_task(job_id: str, age: timedelta, **columns: object) -> Row:
    """Make a task that has not ended; its kind typically takes a minute."""
    return task(job_id=job_id, created_at=LOADED_AT - age, **{"status": "Running", **columns})


@pytest.fixture(scope="module")
def archive() -> Archive:
    """Each project: 5 tasks in flight, 3 of them overdue; 2 lost from sight; 1 that vanished."""
    tasks = [
        open_task("quick", timedelta(seconds=5)),
        open_task("of an unknown kind", HOUR, task_name="Unknown"),
        open_task("overdue", HOUR),
        open_task("overdue, without a status", HOUR, status=None),
        open_task("overdue, older than the horizon, listed", HORIZON + HOUR),
        open_task("lost", HORIZON + HOUR, last_seen_at=OLD + 2 * HOUR),
        open_task("lost, too", HORIZON + HOUR, last_seen_at=OLD + 3 * HOUR),
        open_task("vanished", HOUR),
        task(job_id="finished"),
        task(job_id="finished long ago", created_at=OLD, last_seen_at=OLD + HOUR),
    ]
    return given(
        tasks=[{**each, "project_id": project} for project in PROJECTS for each in tasks],
        vanished_tasks=[
            vanished_task(job_id="vanished", created_at=LOADED_AT - HOUR, project_id=project)
            for project in PROJECTS
        ],
        load_runs=[load_run(project_id=project) for project in PROJECTS],
    )


def counted(archive: Archive, rows: str) -> int:
    """Count the rows of a FROM clause."""
    (row,) = archive.query(f"select count(*) as n from {rows}")
    number: int = row["n"]
    return number


def answered(archive: Archive, question: str) -> int:
    """Count the rows of a saved question."""
    return len(run_query(archive.connection, question).fetchall())


def summed(archive: Archive, column: str) -> int:
    """Add up a column of the status."""
    return sum(row[column] for row in archive.rows("archive_status"))


def in_status(archive: Archive, words: str) -> int:
    """Add up a number in the lines of the command ``status``."""
    rows = archive.query("select * from archive_status")
    text = "\n".join(status_lines(StatusPart(rows), LOADED_AT))
    return sum(map(int, re.findall(rf"(\d+) {words}", text)))


def in_attention(archive: Archive, words: str) -> int:
    """Return the number in a heading at the top of the report; its rows are as many."""
    figures = read_figures(archive.connection)
    (item,) = (each for each in attention_items(figures, LOADED_AT) if words in each.title)
    number = int(item.title.split("\N{NO-BREAK SPACE}")[0])
    assert len(item.table.rows) == item.table.total == number
    return number


def test_in_flight_is_one_number(archive: Archive) -> None:
    (sql,) = (sql for title, sql in demo._QUERIES.items() if title.startswith("Running"))
    numbers = {
        counted(archive, "running_tasks where not is_lost_from_sight"),
        counted(
            archive,
            "tasks where not is_finished and vanished_at is null and not is_lost_from_sight",
        ),
        summed(archive, "open_task_count"),
        in_status(archive, "in flight"),
        sum(each.open_task_count for each in read_figures(archive.connection).projects),
        len(archive.query(sql)),
    }
    assert numbers == {10}


def test_overdue_is_one_number(archive: Archive) -> None:
    """A task that is lost from sight is not overdue: nothing is known of it any more."""
    numbers = {
        counted(archive, "running_tasks where is_overdue"),
        counted(archive, "running_tasks where is_overdue and not is_lost_from_sight"),
        answered(archive, "stuck_now"),
        in_attention(archive, "overdue"),
    }
    assert numbers == {6}


def test_lost_from_sight_is_one_number(archive: Archive) -> None:
    numbers = {
        counted(archive, "running_tasks where is_lost_from_sight"),
        counted(archive, "tasks where is_lost_from_sight"),
        summed(archive, "lost_task_count"),
        answered(archive, "lost_from_sight"),
        in_status(archive, "lost from sight"),
        in_attention(archive, "lost from sight"),
    }
    assert numbers == {4}


def test_the_numbers_add_up(archive: Archive) -> None:
    """Each task is finished, vanished, in flight or lost from sight."""
    parts = (
        counted(archive, "tasks where is_finished"),
        summed(archive, "vanished_count"),
        summed(archive, "open_task_count"),
        summed(archive, "lost_task_count"),
    )
    assert sum(parts) == summed(archive, "task_count") == counted(archive, "tasks")
    assert counted(archive, "running_tasks") == parts[2] + parts[3]
