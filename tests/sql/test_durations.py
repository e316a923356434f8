"""The views ``task_durations_by_...``, compared with plain Python."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import pytest
from hypothesis import given as forall

from gaussdb_tasks.contract import is_final
from tests.support.sample_archive import Row, given, task
from tests.support.task_groups import GROUPS, Key, any_tasks, group_tasks, shown_groups


def percentile(fraction: float) -> Callable[[Sequence[float]], float]:
    """Interpolate between the values around a rank, as percentile_cont does."""

    def interpolate(values: Sequence[float]) -> float:
        ordered = sorted(values)
        rank = (len(ordered) - 1) * fraction
        below, above = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        return below + (above - below) * (rank - math.floor(rank))

    return interpolate


MEASURES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "finished_count": len,
    "min_seconds": min,
    "avg_seconds": fmean,
    "p50_seconds": percentile(0.5),
    "p90_seconds": percentile(0.9),
    "p95_seconds": percentile(0.95),
    "p99_seconds": percentile(0.99),
    "max_seconds": max,
}


def expected_durations(group: str, tasks: Sequence[Row]) -> dict[Key, list[float]]:
    """Return the measures that a view must show, by group."""
    timed = [row for row in tasks if is_final(row["status"]) and row["duration_ms"] is not None]
    return {
        key: [measure([row["duration_ms"] / 1000 for row in rows]) for measure in MEASURES.values()]
        for key, rows in group_tasks(group, timed).items()
    }


def shown_durations(group: str, tasks: Sequence[Row]) -> dict[Key, list[float]]:
    """Return the measures that a view shows, by group."""
    return shown_groups(given(tasks=tasks), f"task_durations_{group}", MEASURES)


@pytest.mark.parametrize("group", GROUPS)
def test_durations_by_hand(group: str) -> None:
    """Five tasks of 1 to 5 seconds have these percentiles in every grouping."""
    tasks = [task(job_id=f"job-{n}", duration_ms=n * 1000) for n in (4, 1, 5, 2, 3)]
    (measures,) = shown_durations(group, tasks).values()
    assert measures == pytest.approx([5, 1.0, 3.0, 3.0, 4.6, 4.8, 4.96, 5.0])


@pytest.mark.parametrize("group", GROUPS)
def test_every_measure_of_a_single_task_is_its_duration(group: str) -> None:
    (measures,) = shown_durations(group, [task(duration_ms=1_234)]).values()
    assert measures == [1, *[1.234] * 7]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "columns",
    [
        {"status": "Running", "duration_ms": 5_000},
        {"status": None, "duration_ms": 5_000},
        {"status": "Completed", "duration_ms": None},
    ],
)
def test_only_finished_tasks_with_a_duration_are_measured(
    group: str, columns: dict[str, object]
) -> None:
    assert shown_durations(group, [task(**columns)]) == {}
    (measures,) = shown_durations(group, [task(job_id="job-2"), task(**columns)]).values()
    assert measures == [1, *[60.0] * 7]


@forall(tasks=any_tasks())
def test_durations_equal_those_of_plain_python(tasks: list[Row]) -> None:
    archive = given(tasks=tasks)
    for group in GROUPS:
        shown = shown_groups(archive, f"task_durations_{group}", MEASURES)
        expected = expected_durations(group, tasks)
        assert shown.keys() == expected.keys()
        for key, measures in expected.items():
            assert shown[key] == pytest.approx(measures, rel=1e-9)
