"""The known states of a large month need little memory, and are freed when nobody needs them."""

import json
import tracemalloc
from uuid import UUID

from gaussdb_tasks.api.responses import parse_page
from gaussdb_tasks.extract.known_states import KnownStates
from gaussdb_tasks.model.project_state import KnownTask
from gaussdb_tasks.model.task_columns import TaskColumns, normalise_documented
from tests.support.model_center import NOW, written

MAX_BYTES_PER_TASK = 300


def completed(first: int, count: int) -> TaskColumns:
    """Read documented records of completed tasks."""
    fields = dict.fromkeys(("name", "process", "fail_reason", "ended_at", "instance_info"))
    records = [
        {
            "job_id": str(UUID(int=number)),
            "status": "Completed",
            "created_at": written(NOW),
            **fields,
        }
        for number in range(first, first + count)
    ]
    columns, others = normalise_documented(
        parse_page(json.dumps({"tasks": records}).encode()).records
    )
    assert not others
    return columns


def test_a_task_seen_for_the_first_time_needs_little_memory() -> None:
    """The record itself is not kept, nor any object for a task but its job_id."""
    states = KnownStates({}, 0, NOW)
    tracemalloc.start()
    try:
        for first in range(0, 10_000, 1_000):
            new, to_compare = states.recognise(completed(first, 1_000), ())
            assert (len(new), len(to_compare)) == (1_000, 0)
        del new
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert states.seen_count == states.new_count == 10_000
    assert size < MAX_BYTES_PER_TASK * 10_000


def test_tasks_as_before_are_recognised_without_a_comparison() -> None:
    """In the state before the load, and again within the load."""
    tasks = completed(0, 10)
    before = {
        job_id: KnownTask(NOW, 1, version_hash, True, NOW, NOW)  # noqa: FBT003 - a column
        for job_id, version_hash in zip(tasks.job_ids[:4], tasks.version_hash[:4], strict=True)
    }
    states = KnownStates(before, 0, NOW)
    new, to_compare = states.recognise(tasks, ())
    assert (list(new.job_ids), to_compare) == (list(tasks.job_ids[4:]), set())
    assert states.seen_count == 10
    again, to_compare = states.recognise(tasks + tasks, ())
    assert (len(again), to_compare) == (0, set())
    assert states.count_finals(0) == 10
    assert list(states.created_from(0)) == [NOW] * 10
    assert list(states.in_flight()) == list(states.unseen(0)) == []


def test_a_task_that_was_compared_is_compared_again() -> None:
    """The state before the load may be a new version again."""
    tasks = completed(0, 2)
    first, second = tasks.job_ids
    before = {
        job_id: KnownTask(NOW, 1, version_hash, is_final, NOW, NOW)
        for job_id, version_hash, is_final in zip(
            tasks.job_ids, tasks.version_hash, (True, False), strict=True
        )
    }
    states = KnownStates(before, 0, NOW)
    assert [start.job_id for start in states.unseen(0)] == [first, second]
    assert [start.job_id for start in states.in_flight()] == [second]
    assert states.count_finals(0) == 1
    for job_id, is_final in ((first, False), (second, True)):
        assert states.mark_seen(job_id)
        states.replace(job_id, before[job_id]._replace(version=2, is_final=is_final))
    assert [start.job_id for start in states.in_flight()] == [first]
    assert states.count_finals(0) == 1
    assert list(states.unseen(0)) == []
    new, to_compare = states.recognise(tasks, ())
    assert (len(new), to_compare) == (0, {first, second})
    assert states.all_states()[second].version == 2


def test_a_task_that_was_seen_is_not_missing() -> None:
    tasks = completed(0, 2)
    before = {
        job_id: KnownTask(NOW, 1, version_hash, True, NOW, NOW)  # noqa: FBT003 - a column
        for job_id, version_hash in zip(tasks.job_ids, tasks.version_hash, strict=True)
    }
    states = KnownStates(before, 0, NOW)
    states.recognise(tasks.take([0]), ())
    assert [start.job_id for start in states.unseen(0)] == [tasks.job_ids[1]]
