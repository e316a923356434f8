"""The view ``instance_timeline``: what was done to an instance, in order."""

from datetime import timedelta
from typing import Any

from hypothesis import given as given_any

from sample_archive import CREATED_AT, LOADED_AT, Row, given, task, task_type, vanished_task
from task_groups import any_tasks


def test_a_task_is_shown_with_its_columns() -> None:
    """A row says what was done, when, how long it took, and with what result."""
    archive = given(
        tasks=[task(status="Failed", fail_reason="No space left")],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        vanished_tasks=[vanished_task()],
    )
    assert archive.only_row("instance_timeline") == {
        "region": "eu-de",
        "project_id": "project-1",
        "instance_id": "instance-1",
        "instance_name": "orders",
        "task_number": 1,
        "created_at": CREATED_AT,
        "ended_at": CREATED_AT + timedelta(minutes=1),
        "duration_seconds": 60.0,
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "Create an instance",
        "category": "create",
        "status": "Failed",
        "is_finished": True,
        "is_failed": True,
        "fail_reason": "No space left",
        "instance_status": "normal",
        "first_seen_at": LOADED_AT,
        "vanished_at": LOADED_AT,
        "job_id": "job-1",
    }


def test_a_line_goes_on_under_another_name() -> None:
    """An instance that was renamed has one line; another of the same name has its own."""
    archive = given(
        tasks=[
            task(job_id="job-1", instance_name="orders"),
            task(
                job_id="job-2",
                instance_name="orders-old",
                created_at=CREATED_AT + timedelta(hours=1),
            ),
            task(job_id="job-3", instance_id="instance-2", instance_name="orders"),
        ]
    )
    numbers = {row["job_id"]: row["task_number"] for row in archive.rows("instance_timeline")}
    assert numbers == {"job-1": 1, "job-2": 2, "job-3": 1}


@given_any(any_tasks())
def test_any_tasks_are_numbered_as_in_plain_python(tasks: list[Row]) -> None:
    """Each task appears once; within an instance of a project it is numbered by its start."""
    lines: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in tasks:
        instance = (row["region"], row["project_id"], row["instance_id"])
        lines.setdefault(instance, []).append((row["created_at"], row["job_id"]))
    expected = {
        (*instance, number, job_id)
        for instance, line in lines.items()
        for number, (_, job_id) in enumerate(sorted(line), start=1)
    }
    shown = [
        (row["region"], row["project_id"], row["instance_id"], row["task_number"], row["job_id"])
        for row in given(tasks=tasks).rows("instance_timeline")
    ]
    assert len(shown) == len(tasks)
    assert set(shown) == expected
