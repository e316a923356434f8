"""The invented world: repeatable, and like a real task center."""

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from itertools import groupby
from typing import Final

import pytest

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.emulator import Emulator, InventedTask, InventedWorld, SettableClock
from gaussdb_tasks.emulator.invented_tasks import RecordStyle
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND
from tests.support.emulator_client import NOW, client_of, millis

STARTED: Final = NOW - HOUR
MONTH: Final = (NOW - 30 * DAY, NOW)


@pytest.fixture(scope="module")
def world() -> InventedWorld:
    """Make a world that is large enough for statistics."""
    return InventedWorld(seed=7, tasks_per_day=300)


def invented_task(**changes: object) -> InventedTask:
    """Make a task that creates an instance, from STARTED for 20 minutes."""
    settings: dict[str, object] = {
        "project_id": "p",
        "job_id": "j",
        "name": "CreateGaussDBV5Instance",
        "instance_id": "i",
        "instance_name": "orders-prod",
        "busy_status": "creating",
        "final_status": "normal",
        "created_at": STARTED,
        "visible_at": STARTED + 10 * SECOND,
        "planned_end": STARTED + 20 * MINUTE,
        "ends_at": STARTED + 20 * MINUTE,
        **changes,
    }
    return InventedTask(**settings)  # type: ignore[arg-type]


def instance_status(record: dict[str, object]) -> object:
    """Return the instance_status of a record."""
    info = record["instance_info"]
    assert isinstance(info, dict)
    return info["instance_status"]


def test_a_task_runs_progresses_and_completes() -> None:
    """Progress, status, instance status and end change with the clock."""
    task = invented_task(style=RecordStyle(progress="percent"))
    half = task.record_at(STARTED + 10 * MINUTE)
    assert (half["status"], half["process"], half["ended_at"]) == ("Running", "50%", None)
    assert instance_status(half) == "creating"
    late = task.record_at(STARTED + 20 * MINUTE - SECOND)
    assert (late["status"], late["process"]) == ("Running", "99%")
    done = task.record_at(STARTED + 20 * MINUTE)
    assert (done["status"], done["process"], done["fail_reason"]) == ("Completed", "100%", None)
    assert done["ended_at"] == "2026-03-18T19:20:00+0800"
    assert instance_status(done) == "normal"


def test_a_failed_task_has_a_reason_after_its_end_only() -> None:
    """The reason appears with the end; the progress does not change."""
    task = invented_task(
        outcome="Failed",
        fail_reason="no address",
        final_status="createfail",
        max_progress=30,
        style=RecordStyle(progress="number"),
    )
    before = task.record_at(STARTED + 19 * MINUTE)
    after = task.record_at(STARTED + 21 * MINUTE)
    assert (before["status"], before["fail_reason"], before["process"]) == ("Running", None, "30")
    assert (after["status"], after["fail_reason"]) == ("Failed", "no address")
    assert after["process"] == "30"
    assert instance_status(after) == "createfail"


def test_the_progress_of_a_failed_task_stays_where_it_was() -> None:
    """A task that fails after a quarter of its time stays at 25 %."""
    task = invented_task(
        outcome="Failed", ends_at=STARTED + 5 * MINUTE, style=RecordStyle(progress="percent")
    )
    assert task.record_at(NOW)["process"] == "25%"


def test_a_stuck_task_never_ends() -> None:
    """A month later it is Running, at the same progress."""
    task = invented_task(ends_at=None, max_progress=42, style=RecordStyle(progress="number"))
    assert task.record_at(NOW + 29 * DAY)["status"] == "Running"
    assert task.record_at(NOW + 29 * DAY)["process"] == "42"


def test_a_task_is_listed_from_visible_at_to_deleted_at() -> None:
    """It is listed some seconds after its creation, until a user deletes its record."""
    task = invented_task(deleted_at=NOW)
    seen = {at: task.is_listed_at(at) for at in (STARTED, task.visible_at, NOW - SECOND, NOW)}
    assert seen == {STARTED: False, task.visible_at: True, NOW - SECOND: True, NOW: False}


def test_a_planned_end_can_show_while_the_task_runs() -> None:
    """ended_at is set although the status is Running."""
    task = invented_task(
        ends_at=None, style=RecordStyle(shows_planned_end=True, ended_offset_hours=0)
    )
    assert task.record_at(NOW)["ended_at"] == "2026-03-18T11:20:00+0000"
    assert task.record_at(NOW)["status"] == "Running"


def test_record_styles_differ() -> None:
    """No value is null, empty or missing; the instance may be missing; time offsets differ."""
    empty = invented_task(style=RecordStyle(blank="empty", progress="empty", ended_offset_hours=0))
    missing = invented_task(style=RecordStyle(blank="missing", shows_instance=False))
    at_work = empty.record_at(STARTED)
    assert (at_work["fail_reason"], at_work["ended_at"], at_work["process"]) == ("", "", "")
    done = empty.record_at(NOW)
    assert done["created_at"] == "2026-03-18T19:00:00+0800"
    assert done["ended_at"] == "2026-03-18T11:20:00+0000"
    assert missing.record_at(STARTED).keys().isdisjoint({"fail_reason", "ended_at"})
    assert missing.record_at(STARTED)["instance_info"] is None


def test_records_have_the_documented_fields_in_their_order() -> None:
    """As in the documented example; null fields are present."""
    body = json.loads(invented_task().body_at(NOW))
    assert list(body) == [
        "instance_info",
        "job_id",
        "name",
        "status",
        "process",
        "fail_reason",
        "created_at",
        "ended_at",
    ]
    assert list(body["instance_info"]) == ["instance_id", "instance_name", "instance_status"]


def test_the_api_shows_the_lifecycle_of_a_task() -> None:
    """As the clock advances, a task appears, runs and ends."""
    world = InventedWorld(seed=7)
    project_id = world.projects[0].project_id
    task = next(
        each
        for each in world.tasks_between(project_id, *MONTH)
        if each.outcome == "Failed" and each.visible_at > each.created_at and each.ends_at
    )
    assert task.ends_at is not None
    clock = SettableClock(task.created_at)
    window = {"start_time": millis(task.created_at), "end_time": millis(task.created_at)}
    with client_of(Emulator(world, clock=clock)) as client:
        assert task.job_id not in client.job_ids(**window)
        seen = []
        for time in (task.visible_at, task.ends_at - SECOND, task.ends_at):
            clock.set(time)
            tasks, _ = client.page(**window)
            seen += [each for each in tasks if each["job_id"] == task.job_id]
    assert [each["status"] for each in seen] == ["Running", "Running", "Failed"]
    assert seen[-1] == task.record_at(NOW)
    assert seen[-1]["fail_reason"] == task.fail_reason


def test_the_same_seed_makes_the_same_world() -> None:
    """In another object, and in another order of requests; another seed makes another world."""
    first, second = InventedWorld(seed=3), InventedWorld(seed=3)
    project_id = first.projects[0].project_id
    assert first.projects == second.projects
    second.tasks_between(project_id, NOW - 300 * DAY, NOW - 299 * DAY)
    later = second.tasks_between(project_id, NOW - DAY, NOW)
    assert first.tasks_between(project_id, *MONTH)[-len(later) :] == later
    assert InventedWorld(seed=4).projects != first.projects


def test_worlds_do_not_depend_on_the_process() -> None:
    """Another process with another hash seed makes the same world."""
    script = (
        "from gaussdb_tasks.emulator import InventedWorld\n"
        "world = InventedWorld(seed=1)\n"
        f"tasks = world.tasks_between(world.projects[0].project_id, {NOW - DAY}, {NOW})\n"
        "print([task.record_at(task.planned_end) for task in tasks])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": salt},
            check=True,
            capture_output=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(outputs) == 1
    assert b"job_id" in outputs.pop()


def test_projects_differ(world: InventedWorld) -> None:
    """Each project has its own tasks and instances."""
    first, second = (world.tasks_between(project.project_id, *MONTH) for project in world.projects)
    assert first
    assert {each.job_id for each in first}.isdisjoint(each.job_id for each in second)
    assert {each.instance_id for each in first}.isdisjoint(each.instance_id for each in second)


def month_of(world: InventedWorld) -> list[InventedTask]:
    """List the first project's tasks of the last 30 days."""
    return world.tasks_between(world.projects[0].project_id, *MONTH)


def test_a_month_has_about_tasks_per_day(world: InventedWorld) -> None:
    """With unique job_ids, in the order of creation."""
    tasks = month_of(world)
    assert 0.85 < len(tasks) / (30 * 300) < 1.15
    assert len({task.job_id for task in tasks}) == len(tasks)
    assert [task.created_at for task in tasks] == sorted(task.created_at for task in tasks)


def test_people_work_on_weekdays(world: InventedWorld) -> None:
    """A workday has far more tasks than a day of the weekend."""
    days = Counter(times.to_datetime(task.created_at).date() for task in month_of(world))
    workdays = [count for day, count in days.items() if day.weekday() < 5]
    weekends = [count for day, count in days.items() if day.weekday() >= 5]
    assert statistics.mean(workdays) > 1.3 * statistics.mean(weekends)


def test_all_documented_types_occur_and_others_too(world: InventedWorld) -> None:
    """Upgrades are listed although the API cannot filter on them."""
    names = {task.name for task in month_of(world)}
    documented = {task_type.name for task_type in TASK_TYPES}
    assert documented < names
    assert "UpgradeGaussDBV5Instance" in names - documented


def test_outcomes_are_mixed(world: InventedWorld) -> None:
    """Some tasks fail with a reason; a few are stuck; some records are deleted."""
    tasks = month_of(world)
    failed = [task for task in tasks if task.outcome == "Failed"]
    stuck = [task for task in tasks if task.ends_at is None]
    deleted = [task for task in tasks if task.deleted_at is not None]
    assert 0.01 < len(failed) / len(tasks) < 0.10
    assert all((task.fail_reason is not None) == (task.outcome == "Failed") for task in tasks)
    assert 0 < len(stuck) / len(tasks) < 0.01
    assert 0 < len(deleted) / len(tasks) < 0.05
    assert all(task.ends_at is not None and task.deleted_at > task.ends_at for task in deleted)  # type: ignore[operator]
    assert not any("{" in str(task.fail_reason) for task in tasks)


def test_every_instance_is_backed_up_every_night(world: InventedWorld) -> None:
    """Each permanent instance has a backup before 06:00."""
    nightly = Counter(
        task.instance_name
        for task in month_of(world)
        if task.name == "BackupSnapshotGaussDBV5InInstance" and task.created_at % DAY < 6 * HOUR
    )
    permanent = [name for name, count in nightly.items() if count >= 29]
    assert len(permanent) == 120
    assert any(name.endswith("-prod") for name in permanent)
    assert any(name.endswith("-test") for name in permanent)


def test_an_instance_has_one_name_and_no_other_has_its_id(world: InventedWorld) -> None:
    """An id is unique; a name can be used again after its instance was deleted."""
    pairs = {(task.instance_id, task.instance_name) for task in month_of(world)}
    assert len({instance_id for instance_id, _ in pairs}) == len(pairs)
    assert len(pairs) > 120


def test_temporary_instances_are_created_used_and_deleted_in_order(world: InventedWorld) -> None:
    """First the creation, then other tasks, then the deletion."""
    creating = {"CreateGaussDBV5Instance", "CloneGaussDBV5NewInstance"}
    deleting = {"DeleteGaussDBV5Instance"}
    by_instance = sorted(month_of(world), key=lambda task: (task.instance_id, task.created_at))
    complete_lifecycles = 0
    for _, tasks in groupby(by_instance, key=lambda task: task.instance_id):
        names = [task.name for task in tasks]
        created = [at for at, name in enumerate(names) if name in creating]
        deleted = [at for at, name in enumerate(names) if name in deleting]
        assert created == list(range(len(created)))
        assert deleted == list(range(len(names) - len(deleted), len(names)))
        complete_lifecycles += bool(created and deleted)
    assert complete_lifecycles > 10


def test_durations_differ_by_type(world: InventedWorld) -> None:
    """A clone takes much longer than a volume; durations of a type vary."""
    spans: dict[str, list[int]] = {}
    for task in month_of(world):
        if task.ends_at is not None and task.outcome == "Completed":
            spans.setdefault(task.name, []).append(task.ends_at - task.created_at)
    clones, volumes = spans["CloneGaussDBV5NewInstance"], spans["EnlargeGaussDBV5Volume"]
    assert statistics.median(clones) > 5 * statistics.median(volumes)
    assert max(volumes) > 2 * min(volumes)
    assert min(min(group) for group in spans.values()) > 0


def test_any_year_can_be_requested(world: InventedWorld) -> None:
    """The years between are not needed."""
    project_id = world.projects[0].project_id
    for text in ("1999-12-31T00:00:00Z", "2051-06-01T00:00:00Z"):
        day = times.parse_time(text, option="day")
        assert world.tasks_between(project_id, day, day + DAY)


def test_a_snapshot_has_the_tasks_listed_at_its_time(world: InventedWorld) -> None:
    """Without future and deleted tasks; the same object within a second."""
    project_id = world.projects[0].project_id
    since = NOW - 30 * DAY
    snapshot = world.snapshot(project_id, since=since, now=NOW)
    listed = [task.job_id for task in snapshot.tasks if task.created_at >= since]
    assert listed == [task.job_id for task in month_of(world) if task.is_listed_at(NOW)]
    assert len(listed) < len(month_of(world))
    assert world.snapshot(project_id, since=since, now=NOW + SECOND - 1) is snapshot
    assert world.snapshot(project_id, since=since, now=NOW + SECOND) is not snapshot
