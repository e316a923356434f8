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
