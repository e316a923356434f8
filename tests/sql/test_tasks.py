"""The view ``tasks``: one row per task, in its latest state."""

from datetime import timedelta

import pytest

from gaussdb_tasks.contract import is_final
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

HORIZON_FROM = LOADED_AT - HORIZON
BEFORE_HORIZON = HORIZON_FROM - timedelta(seconds=1)
EARLIER_LOAD = LOADED_AT - timedelta(days=1)


def test_a_task_has_these_columns() -> None:
    archive = given(
        tasks=[
            task(
                status="Failed",
                progress_percent=14.0,
                fail_reason="no quota",
                duration_ms=90_500,
                extra='{"priority": 3}',
                version_count=2,
                first_seen_at=EARLIER_LOAD,
            )
        ],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        load_runs=[load_run()],
    )
    assert archive.only_row("tasks") == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "job_id": "job-1",
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "Create an instance",
        "category": "create",
        "status": "Failed",
        "is_finished": True,
        "is_failed": True,
        "progress_percent": 14.0,
        "fail_reason": "no quota",
        "created_at": at("2026-03-30 10:00"),
        "created_date": at("2026-03-30").date(),
        "ended_at": at("2026-03-30 10:01:30.500"),
        "duration_ms": 90_500,
        "duration_seconds": 90.5,
        "instance_id": "instance-1",
        "instance_name": "orders",
        "instance_status": "normal",
        "first_seen_at": EARLIER_LOAD,
        "last_changed_at": LOADED_AT,
        "last_seen_at": LOADED_AT,
        "version_count": 2,
        "vanished_at": None,
        "is_lost_from_sight": False,
        "extra": '{"priority": 3}',
    }


def test_missing_values_are_null_and_flags_are_false() -> None:
    row = given(
        tasks=[
            task(
                task_name=None,
                status=None,
                instance_id=None,
                instance_name=None,
                instance_status=None,
            )
        ]
    ).only_row("tasks")
    unknown = ("task_name", "task_label", "category", "status", "duration_seconds", "instance_id")
    assert [row[name] for name in unknown] == [None] * len(unknown)
    assert (row["is_finished"], row["is_failed"], row["is_lost_from_sight"]) == (False,) * 3


@pytest.mark.parametrize(
    "status",
    ["Completed", "FAILED", " canceled ", "Cancelled", "Running", "Pending", "Complete", "", None],
)
def test_the_view_and_the_load_agree_on_final_statuses(status: str | None) -> None:
    row = given(tasks=[task(status=status, duration_ms=None)]).only_row("tasks")
    assert row["is_finished"] is is_final(status)
    assert row["is_failed"] is (status == "FAILED")


def test_the_label_of_an_undocumented_kind_is_its_name() -> None:
    archive = given(
        tasks=[task(task_name="UpgradeGaussDBV5Instance")],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
    )
    row = archive.only_row("tasks")
    assert (row["task_label"], row["category"]) == ("UpgradeGaussDBV5Instance", None)


def test_a_task_that_reappeared_has_not_vanished() -> None:
    again = LOADED_AT + timedelta(days=2)
    archive = given(
        tasks=[task(job_id=job_id) for job_id in ("back", "gone", "gone again", "other")],
        vanished_tasks=[
            vanished_task(job_id="back", reappeared_at=again),
            vanished_task(job_id="gone"),
            vanished_task(job_id="gone again", reappeared_at=again - timedelta(days=1)),
            vanished_task(job_id="gone again", vanished_at=again),
            vanished_task(job_id="other", project_id="project-2"),
            vanished_task(job_id="other", region="eu-nl"),
            vanished_task(job_id="other", created_at=CREATED_AT - timedelta(days=40)),
        ],
    )
    vanished = {row["job_id"]: row["vanished_at"] for row in archive.rows("tasks")}
    assert vanished == {"back": None, "gone": LOADED_AT, "gone again": again, "other": None}


def test_a_task_that_vanished_twice_is_one_row() -> None:
    later = LOADED_AT + timedelta(days=2)
    archive = given(
        tasks=[task()],
        vanished_tasks=[vanished_task(vanished_at=later), vanished_task()],
    )
    assert archive.only_row("tasks")["vanished_at"] == later


@pytest.mark.parametrize(
    ("is_lost", "columns"),
    [
        (True, {}),
        (False, {"status": "Completed"}),
        (False, {"created_at": HORIZON_FROM}),
        (False, {"last_seen_at": LOADED_AT}),
        (False, {"job_id": "vanished"}),
        (False, {"project_id": "project-2"}),
        (True, {"status": None}),
    ],
)
def test_a_task_is_lost_if_it_left_the_horizon_unfinished(
    is_lost: bool,  # noqa: FBT001 - the expected value
    columns: dict[str, object],
) -> None:
    unseen = {"status": "Running", "created_at": BEFORE_HORIZON, "last_seen_at": EARLIER_LOAD}
    archive = given(
        tasks=[task(**(unseen | columns))],
        load_runs=[load_run(), load_run(project_id="project-2", observed_at=EARLIER_LOAD)],
        vanished_tasks=[vanished_task(job_id="vanished", created_at=BEFORE_HORIZON)],
    )
    assert archive.only_row("tasks")["is_lost_from_sight"] is is_lost


def test_a_failed_load_does_not_make_tasks_lost() -> None:
    archive = given(
        tasks=[task(status="Running", created_at=HORIZON_FROM, last_seen_at=EARLIER_LOAD)],
        load_runs=[
            load_run(),
            load_run(run_id="run-2", observed_at=LOADED_AT + timedelta(days=1), outcome="failed"),
        ],
    )
    assert archive.only_row("tasks")["is_lost_from_sight"] is False
