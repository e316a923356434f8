"""The views ``failure_rates_by_...``, compared with plain Python."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import pytest
from hypothesis import given as forall

from gaussdb_tasks.contract import is_final
from tests.support.sample_archive import Row, given, task
from tests.support.task_groups import GROUPS, Key, any_tasks, group_tasks, shown_groups

MEASURES = (
    "finished_count",
    "failed_count",
    "failure_rate",
    "failure_rate_low",
    "failure_rate_high",
)


def wilson(failed: int, finished: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval in its textbook form, limited to 0 and 1."""
    z = NormalDist().inv_cdf(0.975)
    rate = failed / finished
    centre = rate + z**2 / (2 * finished)
    half = z * math.sqrt(rate * (1 - rate) / finished + z**2 / (4 * finished**2))
    scale = 1 + z**2 / finished
    return max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)


def expected_rates(group: str, tasks: Sequence[Row]) -> dict[Key, list[float]]:
    """Return the measures that a view must show, by group."""
    finished = [row for row in tasks if is_final(row["status"])]
    expected = {}
    for key, rows in group_tasks(group, finished).items():
        failed = sum(row["status"].strip().lower() == "failed" for row in rows)
        expected[key] = [len(rows), failed, failed / len(rows), *wilson(failed, len(rows))]
    return expected


def shown_rates(group: str, tasks: Sequence[Row]) -> dict[Key, list[float]]:
    """Return the measures that a view shows, by group."""
    return shown_groups(given(tasks=tasks), f"failure_rates_{group}", MEASURES)


def tasks_with(**count_by_status: int) -> list[Row]:
    """Make this number of tasks of each status."""
    return [
        task(job_id=f"{status}-{n}", status=status)
        for status, count in count_by_status.items()
        for n in range(count)
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_rates_by_hand(group: str) -> None:
    """One failure in ten is 10 %, with the interval of the literature: 1.79 % to 40.42 %."""
    (measures,) = shown_rates(group, tasks_with(Completed=8, Failed=1, Canceled=1)).values()
    assert measures == pytest.approx([10, 1, 0.1, 0.0179, 0.4042], abs=5e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_running_tasks_do_not_count(group: str) -> None:
    assert shown_rates(group, tasks_with(Running=3)) == {}
    (measures,) = shown_rates(group, tasks_with(Running=3, Failed=1)).values()
    assert measures[:3] == [1, 1, 1.0]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("duration_ms", [None, 0])
def test_a_task_without_a_duration_counts(group: str, duration_ms: int | None) -> None:
    (measures,) = shown_rates(group, [task(status="Failed", duration_ms=duration_ms)]).values()
    assert measures[:2] == [1, 1]


@pytest.mark.parametrize("group", GROUPS)
def test_a_single_task_has_a_wide_interval_within_0_and_1(group: str) -> None:
    (never,) = shown_rates(group, tasks_with(Completed=1)).values()
    (always,) = shown_rates(group, tasks_with(Failed=1)).values()
    assert never == pytest.approx([1, 0, 0.0, 0.0, 0.793], abs=5e-4)
    assert always == pytest.approx([1, 1, 1.0, 0.207, 1.0], abs=5e-4)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(("status", "rate"), [("Completed", 0.0), ("Failed", 1.0)])
def test_without_failures_or_successes_one_limit_equals_the_rate(
    group: str, status: str, rate: float
) -> None:
    tasks = [
        task(job_id=f"{count}-{n}", task_name=str(count), instance_id=str(count), status=status)
        for count in range(1, 60)
        for n in range(count)
    ]
    for _, _, shown_rate, low, high in shown_rates(group, tasks).values():
        assert shown_rate == rate
        assert rate in (low, high)
        assert 0.0 <= low < high <= 1.0


@forall(tasks=any_tasks())
def test_rates_equal_those_of_plain_python(tasks: list[Row]) -> None:
    archive = given(tasks=tasks)
    for group in GROUPS:
        shown = shown_groups(archive, f"failure_rates_{group}", MEASURES)
        expected = expected_rates(group, tasks)
        assert shown.keys() == expected.keys()
        for key, measures in expected.items():
            assert shown[key] == pytest.approx(measures, rel=1e-9, abs=1e-12)
