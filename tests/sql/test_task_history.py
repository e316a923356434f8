"""The view ``task_history``: one row per version of a task."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gaussdb_tasks.contract import is_final
from tests.support.sample_archive import (
    CREATED_AT,
    HORIZON,
    LOADED_AT,
    Archive,
    Row,
    given,
    load_run,
    task,
    task_type,
    vanished_task,
    version,
)

LOADS = tuple(LOADED_AT + timedelta(days=day) for day in range(3))


def test_each_version_is_valid_until_the_next() -> None:
    archive = given(
        task_versions=[
            version(version=3, status="Running", observed_at=LOADS[2]),
            version(version=1, status="Running", observed_at=LOADS[0]),
            version(version=2, status="Failed", observed_at=LOADS[1]),
        ]
    )
    rows = archive.query(
        "select version, status, is_finished, is_failed, valid_from, valid_to"
        " from task_history order by version"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "Running", False, False, LOADS[0], LOADS[1]),
        (2, "Failed", True, True, LOADS[1], LOADS[2]),
        (3, "Running", False, False, LOADS[2], None),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"region": "eu-nl"},
        {"project_id": "project-2"},
        {"job_id": "job-2"},
        {"created_at": CREATED_AT - timedelta(days=1)},
    ],
)
def test_another_task_does_not_end_a_version(other: dict[str, object]) -> None:
    """Region, project, job_id and start identify a task."""
    archive = given(task_versions=[version(), version(version=2, observed_at=LOADS[1], **other)])
    assert [row["valid_to"] for row in archive.rows("task_history")] == [None, None]


def test_a_version_has_its_own_state_and_the_times_of_its_task() -> None:
    archive = given(
        task_versions=[
            version(task_name="old name", instance_name="old", duration_ms=1_500, extra='{"a": 1}'),
            version(version=2, observed_at=LOADS[1], raw='{"job_id" : "job-1"}'),
        ],
        tasks=[
            task(
                version_count=2,
                version_hash="hash-2",
                last_changed_at=LOADS[1],
                last_seen_at=LOADS[2],
            )
        ],
        vanished_tasks=[vanished_task(vanished_at=LOADS[2])],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        load_runs=[load_run(observed_at=LOADS[2])],
    )
    first, second = archive.query("select * from task_history order by version")
    assert first == {
        **archive.only_row("tasks"),
        "task_name": "old name",
        "task_label": "old name",
        "category": None,
        "instance_name": "old",
        "ended_at": CREATED_AT + timedelta(seconds=1.5),
        "duration_ms": 1_500,
        "duration_seconds": 1.5,
        "extra": '{"a": 1}',
        "version": 1,
        "valid_from": LOADS[0],
        "valid_to": LOADS[1],
        "version_hash": "hash-1",
        "raw": '{"job_id": "job-1"}',
    }
    assert first["vanished_at"] == LOADS[2]
    assert (second["task_label"], second["category"]) == ("Create an instance", "create")
    assert second["raw"] == '{"job_id" : "job-1"}'


def test_every_version_of_a_lost_task_is_marked() -> None:
    started = LOADED_AT - HORIZON - timedelta(days=1)
    seen = LOADED_AT - timedelta(days=2)
    archive = given(
        task_versions=[
            version(version=number, status="Running", created_at=started) for number in (1, 2)
        ],
        tasks=[task(status="Running", created_at=started, last_seen_at=seen)],
        load_runs=[load_run()],
    )
    assert [row["is_lost_from_sight"] for row in archive.rows("task_history")] == [True, True]


@pytest.mark.parametrize(
    "status", [" Completed", "FAILED", "Canceled", "cancelled", "Paused", None]
)
def test_a_version_is_finished_if_its_status_is_final(status: str | None) -> None:
    """The view must agree with the load; null is not final."""
    row = given(task_versions=[version(status=status)]).only_row("task_history")
    assert row["is_finished"] is is_final(status)
    assert row["is_failed"] is (status == "FAILED")


def test_a_version_without_a_latest_state_is_shown() -> None:
    row = given(task_versions=[version()]).only_row("task_history")
    assert (row["job_id"], row["first_seen_at"]) == ("job-1", None)
    assert row["is_lost_from_sight"] is False


def test_a_filter_on_the_start_reaches_every_scan() -> None:
    archive = _fresh_archive()
    day = CREATED_AT + timedelta(days=5)
    scans = _scans(archive, f"select * from task_history where created_at >= timestamp '{day}'")
    filters = [filters for table, filters in scans if table in {"task_versions", "tasks"}]
    assert len(filters) == 3
    assert all("created_at" in text for text in filters)


def test_a_filter_on_a_state_reaches_the_versions() -> None:
    archive = _fresh_archive()
    scans = _scans(archive, "select * from task_history where instance_id = 'instance-5'")
    filters = [filters for table, filters in scans if table == "task_versions"]
    assert any("instance_id" in text for text in filters)


def _fresh_archive() -> Archive:
    """Make a separate archive, so that other tests do not affect its statistics and plans."""
    archive = Archive()
    archive.insert(**_ten_days())
    return archive


def _ten_days() -> dict[str, list[Row]]:
    """Make one task a day, each on another instance, so that a filter keeps some rows only."""
    days = [
        {"created_at": CREATED_AT + timedelta(days=day), "instance_id": f"instance-{day}"}
        for day in range(10)
    ]
    return {
        # Two versions each: without a second one, DuckDB would drop the join of the next version.
        "task_versions": [version(version=number, **day) for day in days for number in (1, 2)],
        "tasks": [task(**day) for day in days],
    }


def _scans(archive: Archive, sql: str) -> list[tuple[str, str]]:
    """Return the tables that a query scans, each with the filters of its scan."""
    (row,) = archive.connection.execute(f"explain (format json) {sql}").fetchall()
    nodes = [node["extra_info"] for root in json.loads(row[1]) for node in _plan_nodes(root)]
    return [
        (details["Table"].rpartition(".")[2], str(details.get("Filters")))
        for details in nodes
        if "Table" in details
    ]


def _plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node["children"]:
        yield from _plan_nodes(child)
