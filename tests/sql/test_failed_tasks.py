"""The view ``failed_tasks``: each failed task with the pattern of its reason."""

import pytest

from tests.support.sample_archive import CREATED_AT, given, task, task_type


def test_a_failed_task_has_these_columns() -> None:
    archive = given(
        tasks=[
            task(status="Failed", fail_reason="No space on 'disk 1' of orders, 5 MB left"),
            task(job_id="job-2"),
            task(job_id="job-3", status="Running"),
        ],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
    )
    row = archive.only_row("failed_tasks")
    assert row.pop("failed_at") > CREATED_AT
    assert row == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "job_id": "job-1",
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "Create an instance",
        "category": "create",
        "instance_id": "instance-1",
        "instance_name": "orders",
        "created_at": CREATED_AT,
        "created_date": CREATED_AT.date(),
        "duration_seconds": 60.0,
        "reason_pattern": "No space on <name> of <instance>, <n> MB left",
        "fail_reason": "No space on 'disk 1' of orders, 5 MB left",
    }


@pytest.mark.parametrize(
    ("name", "reason", "pattern"),
    [
        ("pad", "padded page", "padded page"),
        ("orders", "orders-prod is gone", "orders-prod is gone"),
        ("orders-prod", "node orders-prod_root_2 is gone", "node <instance>_root_<n> is gone"),
        ("a.b*(c", "cannot reach a.b*(c.", "cannot reach <instance>."),
        ("orders", "(orders)", "(<instance>)"),
        ("db", "db is gone", "db is gone"),
    ],
)
def test_the_instance_name_is_masked_as_a_word_of_its_own_only(
    name: str, reason: str, pattern: str
) -> None:
    archive = given(tasks=[task(status="Failed", instance_name=name, fail_reason=reason)])
    assert archive.only_row("failed_tasks")["reason_pattern"] == pattern
