"""Saved questions of operators: failures by instance, backups, a night, a week."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from gaussdb_tasks.database.query import run_query
from gaussdb_tasks.errors import ConfigurationError
from tests.support.sample_archive import Archive, Row, at, given, load_run, task, task_type

LOADED = at("2026-03-18 08:00")
TYPES = [task_type("Backup", "Manual backup", "backup"), task_type("Delete", "Delete", "delete")]
DAY = timedelta(days=1)


def archive_of(*tasks: Row) -> Archive:
    """Return an archive with these tasks, loaded in the morning."""
    return given(
        tasks=[{**row, "job_id": f"job-{n}"} for n, row in enumerate(tasks)],
        task_types=TYPES,
        load_runs=[load_run(observed_at=LOADED)],
    )


def backup(created_at: datetime, minutes: int = 1, **columns: object) -> Row:
    """Make a backup that took some minutes."""
    return task(task_name="Backup", created_at=created_at, duration_ms=minutes * 60_000, **columns)


def answer(archive: Archive, name: str, **variables: str) -> list[Row]:
    """Return the answer of a saved question as rows."""
    cursor = run_query(archive.connection, name, variables)
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for variable in variables:
        archive.connection.execute(f"reset variable {variable}")
    return rows


def shown(rows: list[Row], *names: str) -> list[tuple[object, ...]]:
    """Return some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def test_instances_that_fail_most_have_their_main_reason_and_its_first_day() -> None:
    failure: dict[str, Any] = {"status": "Failed", "instance_id": "b", "instance_name": "orders"}
    archive = archive_of(
        backup(LOADED - 9 * DAY, fail_reason="disk full", **failure),
        backup(LOADED - 5 * DAY, fail_reason="node 17 is down", **failure),
        backup(LOADED - 2 * DAY, fail_reason="node 4 is down", **failure),
        backup(LOADED - DAY, instance_id="b"),
        backup(LOADED - DAY, status="Failed", instance_id="a", fail_reason="quota"),
        backup(LOADED - DAY, instance_id="c"),
    )
    rows = answer(archive, "why_instances_fail")
    names = ("instance_id", "failed_count", "reason_pattern", "reason_count", "first_failed_at")
    assert shown(rows, *names) == [
        ("b", 3, "node <n> is down", 2, LOADED - 5 * DAY),
        ("a", 1, "quota", 1, LOADED - DAY),
    ]


def test_backups_by_month_show_whether_they_get_slower() -> None:
    """Failed backups count, but their durations do not."""
    archive = archive_of(
        *(backup(at("2026-01-31 23:00"), minutes) for minutes in (8, 10, 12)),
        *(backup(at("2026-02-01 00:00"), minutes) for minutes in (14, 15, 16)),
        backup(at("2026-02-02"), 600, status="Failed"),
        task(created_at=at("2026-02-02"), duration_ms=1),
    )
    rows = answer(archive, "backups_by_month")
    assert shown(rows, "created_month", "backup_count", "failed_count", "p50_seconds") == [
        (at("2026-01-01").date(), 3, 0, 600.0),
        (at("2026-02-01").date(), 4, 1, 900.0),
    ]
    assert shown(rows, "p50_change") == [(None,), (0.5,)]


def test_a_night_in_short_has_one_line_for_each_kind() -> None:
    """The last night that is over, or the one that is set."""
    archive = archive_of(
        backup(at("2026-03-17 18:00"), 5),
        backup(at("2026-03-18 05:59"), 9, status="Failed", instance_id="other"),
        backup(at("2026-03-17 17:00"), 61),
        backup(at("2026-03-17 17:00"), 59),
        backup(at("2026-03-18 06:00"), 1),
        task(
            created_at=at("2026-03-16 20:00"),
            status="Running",
            last_seen_at=LOADED,
            task_name="Delete",
        ),
    )
    rows = answer(archive, "night_in_short")
    names = ("task_label", "task_count", "started_count", "failed_count", "unfinished_count")
    assert shown(rows, *names) == [("Manual backup", 3, 2, 1, 0), ("Delete", 1, 0, 0, 1)]
    assert shown(rows, "instance_count", "max_seconds")[0] == (2, 3660.0)
    assert shown(answer(archive, "night_in_short", night="2026-03-16"), *names) == [
        ("Delete", 1, 1, 0, 1)
    ]
    with pytest.raises(ConfigurationError, match="night_in_short: set night to the day"):
        answer(archive, "night_in_short", night="yesterday")
    archive.connection.execute("reset variable night")


def test_what_is_different_from_last_week_is_counted_by_kind() -> None:
    archive = archive_of(
        backup(LOADED - timedelta(days=14, seconds=1), 99),
        backup(LOADED - 14 * DAY, 4),
        backup(LOADED - timedelta(days=7, seconds=1), 6),
        backup(LOADED - 7 * DAY, 10, status="Failed"),
        task(task_name="Delete", created_at=LOADED - DAY),
        task(task_name="Delete", created_at=LOADED - 2 * DAY),
        task(task_name="Delete", created_at=LOADED - 3 * DAY),
    )
    rows = answer(archive, "different_from_last_week")
    names = ("task_label", "before_count", "recent_count", "count_change", "failed_change")
    assert shown(rows, *names) == [("Delete", 0, 3, 3, 0), ("Manual backup", 2, 1, -1, 1)]
    assert shown(rows, "before_p50_seconds", "recent_p50_seconds") == [
        (None, 60.0),
        (300.0, 600.0),
    ]


def test_every_instance_is_backed_up_only_if_each_has_a_recent_success() -> None:
    """A deleted instance needs none; a failed backup is none."""
    archive = archive_of(
        backup(LOADED - DAY, instance_id="a", instance_name="orders"),
        backup(LOADED - 3 * DAY, instance_id="b", instance_name="stock"),
        backup(LOADED - DAY, instance_id="b", instance_name="stock", status="Failed"),
        task(created_at=LOADED - DAY, instance_id="c", instance_name=None),
        task(task_name="Delete", created_at=LOADED - DAY, instance_id="d"),
        backup(LOADED - DAY, instance_id="e", project_id="project-2"),
    )
    names = ("is_every_instance_backed_up", "instance_count", "backed_up_count", "not_backed_up")
    assert shown(answer(archive, "is_everything_backed_up", days="2"), *names) == [
        (False, 3, 1, "stock, c"),
        (True, 1, 1, None),
    ]
    assert shown(answer(archive, "is_everything_backed_up"), *names)[0] == (False, 3, 2, "c")


def test_the_time_from_a_failure_to_the_next_success_is_that_of_the_same_kind_and_instance() -> (
    None
):
    failed_at = LOADED - 5 * DAY
    archive = archive_of(
        backup(failed_at, 1, status="Failed"),
        backup(failed_at + timedelta(hours=1), 1, status="Failed"),
        backup(failed_at + timedelta(hours=2), 1, instance_id="other"),
        backup(failed_at + timedelta(hours=4), 1),
        backup(failed_at + timedelta(hours=9), 1),
        task(task_name="Delete", created_at=failed_at, status="Failed"),
    )
    rows = answer(archive, "time_to_next_success")
    assert shown(rows, "task_label", "failed_count", "succeeded_later_count", "max_seconds") == [
        ("Manual backup", 2, 2, 4 * 3600.0),
        ("Delete", 1, 0, None),
    ]
    assert rows[0]["p50_seconds"] == 3.5 * 3600


def test_a_number_or_a_name_that_cannot_be_is_refused() -> None:
    archive = archive_of(backup(LOADED - DAY, instance_name="orders", instance_id="a"))
    for question, variables, words in (
        ("is_everything_backed_up", {"days": "0"}, "not a whole number from 1"),
        ("within_time", {"minutes": "1e3"}, "--set minutes=30"),
        ("instance_history", {"instance": "order"}, "no such instance"),
        ("task_states", {"job": "job"}, "no such task"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            answer(archive, question, **variables)
        for variable in variables:
            archive.connection.execute(f"reset variable {variable}")
    assert len(answer(archive, "instance_history", instance="orders")) == 1
