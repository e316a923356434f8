"""The view ``task_duration_distribution``, compared with plain Python."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given as forall

from gaussdb_tasks.contract import is_final
from tests.support.sample_archive import Row, given, task, task_type
from tests.support.task_groups import any_tasks, group_tasks

VIEW: Final = "task_duration_distribution"
MINUTE, HOUR = 60, 3600
STARTS: Final = (
    *(0, 1, 2, 4, 8, 15, 30),
    *(MINUTE * n for n in (1, 2, 4, 8, 15, 30)),
    *(HOUR * n for n in (1, 2, 4, 8, 16, 32, 64, 128)),
)
STEPS: Final = (*pairwise(STARTS), (STARTS[-1], None))


def step_of(duration_ms: int) -> int:
    """Return the index of the range that contains a duration."""
    return max(n for n, start in enumerate(STARTS) if start * 1000 <= duration_ms)


def expected_steps(tasks: Sequence[Row]) -> list[tuple[object, ...]]:
    """Return the name, the limits, the count and the share of each range that must be shown."""
    timed = [row for row in tasks if is_final(row["status"]) and row["duration_ms"] is not None]
    shown: list[tuple[object, ...]] = []
    for (name, _), rows in group_tasks("by_name", timed).items():
        places = [step_of(row["duration_ms"]) for row in rows]
        for place in range(min(places), max(places) + 1):
            count = places.count(place)
            shown.append((name, *STEPS[place], count, pytest.approx(count / len(places))))
    return shown


def shown_steps(tasks: Sequence[Row]) -> list[tuple[object, ...]]:
    """Return the rows of the view without the label."""
    rows = given(tasks=tasks).query(f"select * exclude (task_label) from {VIEW}")
    return [tuple(row.values()) for row in rows]


def identity(step: tuple[object, ...]) -> str:
    """Return the key of a range: its name and limits."""
    name, from_seconds, _, _, _ = step
    return f"{name} {from_seconds:012}"


def test_ranges_by_hand() -> None:
    """A lower limit belongs to its range; an empty range between others is shown."""
    durations = [59_999, 60_000, 119_999, 480_000]
    tasks = [task(job_id=str(n), duration_ms=ms) for n, ms in enumerate(durations)]
    archive = given(
        tasks=tasks, task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "x")]
    )
    rows = archive.query(f"select * from {VIEW} order by from_seconds")
    name = ("CreateGaussDBV5Instance", "Create an instance")
    assert [tuple(row.values()) for row in rows] == [
        (*name, 30, 60, 1, 0.25),
        (*name, 60, 120, 2, 0.5),
        (*name, 120, 240, 0, 0),
        (*name, 240, 480, 0, 0),
        (*name, 480, 900, 1, 0.25),
    ]


@pytest.mark.parametrize(
    ("duration_ms", "step"),
    [
        (0, (0, 1)),
        (999, (0, 1)),
        (1000, (1, 2)),
        (128 * HOUR * 1000 - 1, (64 * HOUR, 128 * HOUR)),
        (128 * HOUR * 1000, (128 * HOUR, None)),
        (10**13, (128 * HOUR, None)),
    ],
)
def test_every_duration_is_in_a_range(duration_ms: int, step: tuple[int, int | None]) -> None:
    assert shown_steps([task(duration_ms=duration_ms)]) == [
        ("CreateGaussDBV5Instance", *step, 1, 1.0)
    ]


def test_tasks_without_a_name_are_a_group() -> None:
    shown = shown_steps([task(task_name=None), task(job_id="job-2")])
    assert {(step[0], step[3]) for step in shown} == {(None, 1), ("CreateGaussDBV5Instance", 1)}


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "Running", "duration_ms": 5_000},
        {"status": None, "duration_ms": 5_000},
        {"status": "Completed", "duration_ms": None},
    ],
)
def test_only_finished_tasks_with_a_duration_count(columns: dict[str, object]) -> None:
    (step,) = shown_steps([task(), task(job_id="job-2", **columns)])
    assert step[3:] == (1, 1.0)


@forall(tasks=any_tasks())
def test_ranges_equal_those_of_plain_python(tasks: list[Row]) -> None:
    shown, expected = shown_steps(tasks), expected_steps(tasks)
    assert sorted(shown, key=identity) == sorted(expected, key=identity)
