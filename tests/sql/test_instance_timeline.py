"""The view ``instance_timeline``: the tasks of each instance, in order."""

from datetime import timedelta
from typing import Any

from hypothesis import given as given_any

from gaussdb_tasks.database.sql_files import view_files
from tests.support.sample_archive import (
    CREATED_AT,
    LOADED_AT,
    Row,
    given,
    task,
    task_type,
    vanished_task,
)
from tests.support.task_groups import any_tasks


def test_a_task_has_these_columns() -> None:
    archive = given(
        tasks=[task(status="Failed", fail_reason="No space left")],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        vanished_tasks=[vanished_task()],
    )
    assert archive.only_row("instance_timeline") == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "instance_id": "instance-1",
        "instance_name": "orders",
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


@given_any(any_tasks())
def test_the_order_equals_that_of_plain_python(tasks: list[Row]) -> None:
    (file,) = (file for file in view_files() if file.name == "instance_timeline")

    def place(row: Row) -> tuple[Any, ...]:
        instance_id = row["instance_id"]
        instance = (row["region"], row["project_id"], instance_id is None, instance_id or "")
        return (*instance, row["created_at"], row["job_id"])

    shown = given(tasks=tasks).query(f"select * from instance_timeline {file.order}")
    assert list(map(place, shown)) == sorted(map(place, tasks))
