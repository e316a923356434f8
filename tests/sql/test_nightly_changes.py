"""The view ``nightly_changes``: the tasks that the last load found changed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, parse_time
from tests.support import loads
from tests.support.emulator_client import PROJECT, job_id, record
from tests.support.sample_archive import (
    CREATED_AT,
    LOADED_AT,
    Row,
    given,
    load_run,
    task,
    vanished_task,
    version,
)

EARLIER = LOADED_AT - timedelta(days=1)
NIGHT = parse_time("2026-03-31T02:00:00Z", option="NIGHT")
FLAGS = ("is_new", "is_changed", "is_ended", "is_failed", "is_vanished", "is_reappeared")


def flags(row: Row) -> set[str]:
    """Return the names of the flags that are set in a row."""
    return {name for name in FLAGS if row[name]}


def states(*statuses: str | None) -> dict[str, list[Row]]:
    """Make a task with a version for each status; the last load observed the last one."""
    is_known = len(statuses) > 1
    return {
        "tasks": [
            task(
                status=statuses[-1],
                version_count=len(statuses),
                first_seen_at=EARLIER if is_known else LOADED_AT,
            )
        ],
        "task_versions": [
            version(
                status=status,
                version=number,
                observed_at=LOADED_AT if number == len(statuses) else EARLIER,
            )
            for number, status in enumerate(statuses, 1)
        ],
    }


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["Running"], {"is_new"}),
        (["Completed"], {"is_new", "is_ended"}),
        (["Failed"], {"is_new", "is_ended", "is_failed"}),
        (["Running", "Running"], {"is_changed"}),
        (["Pending", "Running"], {"is_changed"}),
        (["Running", "Completed"], {"is_changed", "is_ended"}),
        (["Running", " FAILED"], {"is_changed", "is_ended", "is_failed"}),
        (["Running", "Failed", "Failed"], {"is_changed"}),
        (["Completed", "Failed"], {"is_changed", "is_failed"}),
        (["Failed", "Running"], {"is_changed"}),
        ([None, "canceled"], {"is_changed", "is_ended"}),
        ([None], {"is_new"}),
    ],
)
def test_flags_compare_the_latest_state_with_the_one_before(
    statuses: list[str | None], expected: set[str]
) -> None:
    row = given(**states(*statuses), load_runs=[load_run()]).only_row("nightly_changes")
    assert flags(row) == expected
    assert row["status"] == statuses[-1]
    assert row["previous_status"] == (statuses[-2] if len(statuses) > 1 else None)


@pytest.mark.parametrize(
    ("before", "tonight", "expected"),
    [
        ([], ["Running", "Failed"], {"is_new", "is_ended", "is_failed"}),
        ([], ["Completed", "Failed"], {"is_new", "is_ended", "is_failed"}),
        (["Running"], ["Completed", "Failed"], {"is_changed", "is_ended", "is_failed"}),
        (["Failed"], ["Running", "Failed"], {"is_changed"}),
        (["Running", None], ["Running", "Completed"], {"is_changed", "is_ended"}),
    ],
)
def test_several_states_of_one_load_are_one_change(
    before: list[str | None], tonight: list[str], expected: set[str]
) -> None:
    """The latest state is compared with the state before the load."""
    rows = states(*before, *tonight)
    for row in rows["task_versions"][len(before) :]:
        row["observed_at"] = LOADED_AT
    rows["tasks"][0]["first_seen_at"] = EARLIER if before else LOADED_AT
    row = given(**rows, load_runs=[load_run()]).only_row("nightly_changes")
    assert flags(row) == expected
    assert row["previous_status"] == (before[-1] if before else None)


def test_only_changes_of_the_last_load_are_shown() -> None:
    """A failed load does not count; each project has its own last load."""
    seen_earlier = {"first_seen_at": EARLIER, "last_changed_at": EARLIER}
    archive = given(
        tasks=[
            task(job_id="tonight"),
            task(job_id="last load", **seen_earlier),
            task(job_id="gone since", **seen_earlier),
            task(job_id="of another project", project_id="project-2", **seen_earlier),
            task(job_id="of no load", project_id="project-3"),
        ],
        vanished_tasks=[vanished_task(job_id="gone since", vanished_at=EARLIER)],
        load_runs=[
            load_run(),
            load_run(run_id="run-0", observed_at=EARLIER),
            load_run(run_id="run-0", observed_at=EARLIER, project_id="project-2"),
            load_run(
                run_id="run-2",
                observed_at=LOADED_AT + timedelta(days=1),
                project_id="project-2",
                outcome="failed",
            ),
        ],
    )
    shown = {row["job_id"]: row["observed_at"] for row in archive.rows("nightly_changes")}
    assert shown == {"tonight": LOADED_AT, "of another project": EARLIER}


def test_deleted_and_reappeared_tasks_are_shown() -> None:
    before = {"first_seen_at": EARLIER, "last_changed_at": EARLIER}
    returned = {"vanished_at": EARLIER, "reappeared_at": LOADED_AT}
    archive = given(
        tasks=[
            task(job_id="gone", **before),
            task(job_id="back", status="Failed", **before),
            task(job_id="back, changed", first_seen_at=EARLIER, version_count=2),
        ],
        task_versions=[version(job_id="back, changed", status="Completed", observed_at=EARLIER)],
        vanished_tasks=[
            vanished_task(job_id="gone"),
            vanished_task(job_id="back", **returned),
            vanished_task(job_id="back, changed", **returned),
        ],
        load_runs=[load_run()],
    )
    assert {row["job_id"]: flags(row) for row in archive.rows("nightly_changes")} == {
        "gone": {"is_vanished"},
        "back": {"is_reappeared"},
        "back, changed": {"is_changed"},
    }


def test_a_row_has_the_columns_of_the_task() -> None:
    archive = given(tasks=[task()], load_runs=[load_run()])
    row = archive.only_row("nightly_changes")
    assert {name: value for name, value in row.items() if name not in FLAGS} == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "observed_at": LOADED_AT,
        "job_id": "job-1",
        "task_name": "CreateGaussDBV5Instance",
        "task_label": "CreateGaussDBV5Instance",
        "instance_id": "instance-1",
        "instance_name": "orders",
        "instance_status": "normal",
        "previous_status": None,
        "status": "Completed",
        "fail_reason": None,
        "created_at": CREATED_AT,
        "ended_at": CREATED_AT + timedelta(minutes=1),
        "duration_seconds": 60.0,
    }


def test_counts_equal_those_of_the_load_report(tmp_path: Path) -> None:
    early, late = NIGHT - 9 * HOUR, NIGHT - 3 * HOUR
    world = FixedWorld({PROJECT: [record(n, early, early + HOUR) for n in range(1, 6)]})
    world.add(PROJECT, record(6, late, None, status="Running"))
    clock = SettableClock(NIGHT)

    def night(number: int) -> tuple[int, ...]:
        clock.set(NIGHT + number * DAY)
        report = loads.load(emulator, tmp_path, NIGHT + number * DAY)
        (project,) = report.projects
        sums: list[Any] = loads.rows(
            tmp_path,
            """
            select
                count(*) filter (where is_new),
                count(*) filter (where is_changed),
                count(*) filter (where is_ended),
                count(*) filter (where is_vanished)
            from nightly_changes
            """,
        )
        counts: tuple[int, ...] = sums[0]
        assert (counts[0], counts[1], counts[3]) == (
            project.new_count,
            project.changed_count,
            project.vanished_count,
        )
        return counts

    with Emulator(world, clock=clock) as emulator:
        assert night(0) == (6, 0, 5, 0)
        world.remove(PROJECT, job_id(2))
        world.replace(PROJECT, record(6, late, late + HOUR))
        assert night(1) == (0, 1, 1, 1)
        assert night(2) == (0, 0, 0, 0)
