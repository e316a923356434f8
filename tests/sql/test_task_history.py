"""The view ``task_history``: one row per version of a task."""

import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random
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


def test_versions_without_a_latest_state_are_shown() -> None:
    """Nothing is made up for them: only a single version is its task's first and last state."""
    of_two = [version(job_id="job-2", version=number, observed_at=LOADS[1]) for number in (1, 2)]
    archive = given(task_versions=[version(), *of_two])
    rows = archive.query(
        "select first_seen_at, last_changed_at, last_seen_at, version_count, is_lost_from_sight"
        " from task_history order by job_id, version"
    )
    nothing = (None, None, None, None, False)
    assert [tuple(row.values()) for row in rows] == [
        (LOADED_AT, LOADED_AT, LOADED_AT, 1, False),
        nothing,
        nothing,
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_answer_is_that_of_a_plain_join(seed: int) -> None:
    """However many versions, loads, projects and disappearances a task has."""
    archive = given(**_odd_archive(Random(seed)))  # noqa: S311 - invented data
    view, plain = "select * from main.task_history", _plain_join()
    assert len(archive.query(view)) > 200
    assert archive.query(f"({view} except all {plain}) union all ({plain} except all {view})") == []


def _plain_join() -> str:
    """Return SQL with the columns of the view, taken from every version and every task."""
    of_task = (
        "first_seen_at, last_changed_at, last_seen_at, version_count, vanished_at,"
        " is_lost_from_sight"
    )
    key = "region, project_id, job_id, created_at"
    return f"""
        select
            region, project_id, project_name, job_id, task_name, coalesce(task_label, task_name),
            category,
            status, coalesce(lower(trim(status))
                in ('completed', 'failed', 'canceled', 'cancelled'), false),
            coalesce(lower(trim(status)) = 'failed', false), progress_percent, fail_reason,
            created_at, created_date, ended_at, duration_ms, duration_ms / 1000.0, instance_id,
            instance_name, instance_status, {of_task}, extra, version, observed_at,
            lead(observed_at) over (partition by {key} order by version), version_hash, raw
        from task_center.task_versions
        left join task_center.task_types using (task_name)
        left join (select {key}, {of_task} from main.tasks) using ({key})
        left join (select region, project_id, project_name from main.last_loads)
            using (region, project_id)
    """


def _odd_archive(random: Random) -> dict[str, list[Row]]:
    """Invent an archive as loads leave it: every task has a row for its latest version."""
    loads = [LOADED_AT + timedelta(days=10 * day) for day in range(6)]
    projects = [(region, project) for region in ("eu-de", "eu-nl") for project in ("p-1", "p-2")]
    rows: dict[str, list[Row]] = {
        "task_versions": [],
        "tasks": [],
        "vanished_tasks": [],
        "task_types": [task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
        "load_runs": [
            load_run(
                region=region,
                project_id=project,
                project_name=f"name of {project}",
                observed_at=load,
                outcome=outcome,
            )
            for region, project in projects[1:]
            for load in loads
            for outcome in random.sample(["complete", "incomplete", "failed"], 1)
        ],
    }
    for number in range(200):
        region, project = random.choice(projects)
        key: Row = {
            "region": region,
            "project_id": project,
            "job_id": f"job-{number // 4}",  # the same in several projects, or at several times
            "created_at": CREATED_AT - timedelta(seconds=number % 4 * random.choice((0, 1))),
        }
        if any(key.items() <= task.items() for task in rows["tasks"]):
            continue
        state: Row = {
            "status": random.choice(("Running", "Completed", " FAILED", "Paused", None)),
            "task_name": random.choice(("CreateGaussDBV5Instance", "Another", None)),
        }
        # A load can find several versions, so some have the same clock.
        observed = sorted(random.choices(loads, k=random.choice((1, 1, 2, 3))))
        rows["task_versions"] += [
            version(**key, **state, version=place, observed_at=load)
            for place, load in enumerate(observed, 1)
        ]
        rows["tasks"].append(
            task(
                **key,
                **state,
                version_count=len(observed),
                version_hash=f"hash-{len(observed)}",
                first_seen_at=observed[0],
                last_changed_at=observed[-1],
                last_seen_at=random.choice([load for load in loads if load >= observed[-1]]),
            )
        )
        for vanished_at in random.sample(loads, random.choice((0, 0, 1, 2))):
            reappeared_at = random.choice((None, vanished_at + timedelta(days=1)))
            rows["vanished_tasks"].append(
                vanished_task(**key, vanished_at=vanished_at, reappeared_at=reappeared_at)
            )
    return rows


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
