"""The view ``slow_tasks``: one row a finished task slower than the p95 of its name."""

import pytest

from tests.support.sample_archive import CREATED_AT, at, given, task, task_type


def test_the_slowest_of_its_name_is_shown_with_its_columns() -> None:
    """Of tasks of 1 to 5 seconds the last one lies above their p95 of 4.8 seconds."""
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
    """What is slow for one kind is not for another, and tasks without a name are a kind."""
    tasks = [
        task(job_id=f"{name}-{n}", task_name=name, duration_ms=n * scale)
        for name, scale in (("Create", 1_000_000), ("Delete", 1), (None, 1_000))
        for n in range(1, 4)
    ]
    rows = given(tasks=tasks).rows("slow_tasks")
    assert {row["job_id"] for row in rows} == {"Create-3", "Delete-3", "None-3"}


def test_no_task_is_slower_than_itself() -> None:
    """A single task, or several of one duration, are typical, not slow."""
    assert given(tasks=[task()]).rows("slow_tasks") == []
    assert given(tasks=[task(job_id=f"job-{n}") for n in range(50)]).rows("slow_tasks") == []


def test_a_task_in_flight_is_not_slow() -> None:
    """A duration of a task that has not finished is none, however long."""
    tasks = [task(), task(job_id="job-2", status="Running", duration_ms=10**9)]
    assert given(tasks=tasks).rows("slow_tasks") == []


def test_nothing_is_a_multiple_of_no_time() -> None:
    """Where tasks typically take no time, a slow one is shown without a multiple."""
    tasks = [task(job_id=f"job-{n}", duration_ms=0) for n in range(30)]
    row = given(tasks=[*tasks, task(job_id="slow", duration_ms=1)]).only_row("slow_tasks")
    assert (row["job_id"], row["typical_seconds"], row["times_typical"]) == ("slow", 0.0, None)
