"""The view ``slow_tasks``: finished tasks slower than the p95 of their name."""

import pytest

from tests.support.sample_archive import CREATED_AT, at, given, task, task_type


def test_a_slow_task_has_these_columns() -> None:
    """The p95 of 1 to 5 seconds is 4.8 seconds."""
    row = given(
        tasks=[
            task(
                job_id=f"job-{n}", duration_ms=n * 1000, status="Failed" if n == 5 else "Completed"
            )
            for n in range(1, 6)
        ],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
    ).only_row("slow_tasks")
    assert row.pop("typical_seconds") == pytest.approx(4.8)
    assert row.pop("times_typical") == pytest.approx(5 / 4.8)
    assert row == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "job_id": "job-5",
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "Create an instance",
        "status": "Failed",
        "is_failed": True,
        "instance_id": "instance-1",
        "instance_name": "orders",
        "created_at": CREATED_AT,
        "ended_at": at("2026-03-30 10:00:05"),
        "duration_seconds": 5.0,
    }


def test_a_task_is_compared_with_its_own_name_only() -> None:
    tasks = [
        task(job_id=f"{name}-{n}", task_name=name, duration_ms=n * scale)
        for name, scale in (("Create", 1_000_000), ("Delete", 1), (None, 1_000))
        for n in range(1, 4)
    ]
    rows = given(tasks=tasks).rows("slow_tasks")
    assert {row["job_id"] for row in rows} == {"Create-3", "Delete-3", "None-3"}


def test_tasks_of_one_duration_are_not_slow() -> None:
    assert given(tasks=[task()]).rows("slow_tasks") == []
    assert given(tasks=[task(job_id=f"job-{n}") for n in range(50)]).rows("slow_tasks") == []


def test_a_running_task_is_not_slow() -> None:
    tasks = [task(), task(job_id="job-2", status="Running", duration_ms=10**9)]
    assert given(tasks=tasks).rows("slow_tasks") == []


def test_a_typical_duration_of_zero_gives_no_multiple() -> None:
    tasks = [task(job_id=f"job-{n}", duration_ms=0) for n in range(30)]
    row = given(tasks=[*tasks, task(job_id="slow", duration_ms=1)]).only_row("slow_tasks")
    assert (row["job_id"], row["typical_seconds"], row["times_typical"]) == ("slow", 0.0, None)
