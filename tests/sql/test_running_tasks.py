"""The view ``running_tasks``: one row per unfinished task."""

from datetime import timedelta

import pytest

from tests.support.sample_archive import (
    CREATED_AT,
    HORIZON,
    LOADED_AT,
    at,
    given,
    load_run,
    task,
    task_type,
    vanished_task,
)


def test_a_running_task_has_these_columns() -> None:
    archive = given(
        tasks=[
            task(status="Running", progress_percent=60.0),
            *(task(job_id=f"job-1{n}", duration_ms=n * 1000) for n in range(1, 6)),
            task(job_id="job-20", task_name="Delete", duration_ms=9_000_000_000),
        ],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        load_runs=[
            load_run(),
            load_run(run_id="run-2", observed_at=LOADED_AT + timedelta(days=1), outcome="failed"),
            load_run(project_id="project-2", observed_at=LOADED_AT + timedelta(days=1)),
        ],
    )
    row = archive.only_row("running_tasks")
    assert row.pop("typical_seconds") == pytest.approx(4.8)
    assert row == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "job_id": "job-1",
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "Create an instance",
        "status": "Running",
        "instance_id": "instance-1",
        "instance_name": "orders",
        "instance_status": "normal",
        "progress_percent": 60.0,
        "created_at": CREATED_AT,
        "age_seconds": 16 * 3600.0,
        "is_overdue": True,
        "last_seen_at": LOADED_AT,
        "leaves_horizon_at": at("2026-04-29 10:00"),
        "is_lost_from_sight": False,
    }


def test_only_tasks_that_neither_finished_nor_vanished_are_shown() -> None:
    archive = given(
        tasks=[
            task(job_id="finished"),
            task(job_id="vanished", status="Running"),
            task(job_id="back", status="Running"),
            task(job_id="unknown", status="Paused"),
            task(job_id="without", status=None),
        ],
        vanished_tasks=[
            vanished_task(job_id="vanished"),
            vanished_task(job_id="back", reappeared_at=LOADED_AT),
        ],
        load_runs=[load_run()],
    )
    job_ids = {row["job_id"] for row in archive.rows("running_tasks")}
    assert job_ids == {"back", "unknown", "without"}


def test_a_task_outside_the_horizon_stays() -> None:
    started = LOADED_AT - HORIZON - timedelta(hours=1)
    row = given(
        tasks=[
            task(status="Running", created_at=started, last_seen_at=LOADED_AT - timedelta(days=1)),
            task(job_id="finished"),
        ],
        load_runs=[load_run()],
    ).only_row("running_tasks")
    assert row["is_lost_from_sight"] is True
    assert row["is_overdue"] is False
    assert row["leaves_horizon_at"] == LOADED_AT - timedelta(hours=1)


@pytest.mark.parametrize(
    ("age", "is_overdue"),
    [(timedelta(seconds=60), False), (timedelta(seconds=60, microseconds=1), True)],
)
def test_a_task_is_overdue_if_older_than_typical(age: timedelta, is_overdue: bool) -> None:  # noqa: FBT001
    row = given(
        tasks=[
            task(status="Running", created_at=LOADED_AT - age),
            task(job_id="job-2", duration_ms=60_000),
        ],
        load_runs=[load_run()],
    ).only_row("running_tasks")
    assert (row["age_seconds"], row["typical_seconds"]) == (age.total_seconds(), 60.0)
    assert row["is_overdue"] is is_overdue


def test_a_task_without_a_name_is_compared_with_others_without_a_name() -> None:
    row = given(
        tasks=[
            task(status="Running", task_name=None),
            task(job_id="job-2", task_name=None, duration_ms=5_000),
        ],
        load_runs=[load_run()],
    ).only_row("running_tasks")
    assert row["typical_seconds"] == 5.0


def test_age_and_typical_duration_can_be_unknown() -> None:
    row = given(tasks=[task(status="Running")]).only_row("running_tasks")
    unknown = ("age_seconds", "typical_seconds", "leaves_horizon_at")
    assert [row[name] for name in unknown] == [None] * 3
    assert row["is_overdue"] is False
