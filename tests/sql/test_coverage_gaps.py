"""The view ``coverage_gaps``: time ranges that no complete window covers."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import TypeAlias

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from tests.support.sample_archive import HORIZON, LOADED_AT, Row, given, load_run, window

HORIZON_FROM = LOADED_AT - HORIZON

Gap: TypeAlias = tuple[int, int, bool]
"""A gap's first and last hour, counted from the horizon, and whether it is lost."""


def hour(number: int) -> datetime:
    """Return the time a number of hours after the horizon."""
    return HORIZON_FROM + timedelta(hours=number)


def covered(first: int, last: int, **columns: object) -> Row:
    """Make a window over these hours."""
    return window(hour(first), hour(last), **columns)


def incomplete(first: int, last: int, **columns: object) -> Row:
    """Make an incomplete window over these hours."""
    return covered(first, last, is_complete=False, **columns)


def shown_gaps(coverage: Iterable[Row], *, loads: Sequence[Row] | None = None) -> list[Gap]:
    """Return the gaps of all projects, sorted."""
    archive = given(coverage=coverage, load_runs=[load_run()] if loads is None else loads)
    return sorted(
        (hours(row["gap_from"]), hours(row["gap_to"]), row["is_lost"])
        for row in archive.rows("coverage_gaps")
    )


def hours(time: datetime) -> int:
    """Return the whole hours from the horizon to a time."""
    return (time - HORIZON_FROM) // timedelta(hours=1)


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [
        pytest.param([covered(0, 24)], [], id="whole"),
        pytest.param([covered(0, 24), covered(24, 48)], [], id="touching"),
        pytest.param([covered(0, 30), covered(24, 48)], [], id="overlapping"),
        pytest.param([covered(24, 48), covered(0, 12)], [(12, 24, False)], id="between"),
        pytest.param([covered(0, 48), covered(6, 12), covered(50, 60)], [(48, 50, False)], id="in"),
        pytest.param([incomplete(0, 6), covered(6, 12)], [(0, 6, False)], id="before"),
        pytest.param([covered(0, 6), incomplete(6, 12)], [(6, 12, False)], id="after"),
        pytest.param([incomplete(0, 6), incomplete(6, 12)], [(0, 12, False)], id="nothing"),
        pytest.param([incomplete(0, 6), covered(0, 6)], [], id="read again"),
        pytest.param([covered(-9, -6), covered(-3, 1)], [(-6, -3, True)], id="lost"),
        pytest.param([covered(-9, -6), covered(0, 1)], [(-6, 0, True)], id="up to the horizon"),
        pytest.param([covered(-9, 0), covered(3, 4)], [(0, 3, False)], id="from the horizon"),
        pytest.param(
            [covered(-9, -6), covered(6, 9)], [(-6, 0, True), (0, 6, False)], id="straddling"
        ),
        pytest.param([covered(0, 6), covered(9, 9), covered(12, 18)], [(6, 12, False)], id="empty"),
        pytest.param([covered(0, 6), covered(9, 2), covered(12, 18)], [(6, 12, False)], id="back"),
        pytest.param([covered(0, 6), covered(-9, -9), covered(9, 8)], [], id="empty outside"),
    ],
)
def test_gaps(coverage: list[Row], expected: list[Gap]) -> None:
    """A gap is a time range that no complete window covers, split at the horizon."""
    assert shown_gaps(coverage) == expected


def test_a_gap_has_these_columns() -> None:
    archive = given(coverage=[covered(0, 1), incomplete(1, 3)], load_runs=[load_run()])
    assert archive.only_row("coverage_gaps") == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "gap_from": hour(1),
        "gap_to": hour(3),
        "is_lost": False,
        "gap_seconds": 7200.0,
    }


def test_one_project_does_not_cover_another() -> None:
    gap = [covered(0, 6), covered(9, 12)]
    other_region = [covered(0, 12, region="eu-nl")]
    other_project = [covered(0, 12, project_id="project-2")]
    assert shown_gaps([*gap, *other_region, *other_project]) == [(6, 9, False)]


def test_a_failed_load_does_not_move_the_horizon() -> None:
    later = LOADED_AT + timedelta(hours=2)
    loads = [
        load_run(),
        load_run(run_id="run-2", observed_at=later, outcome="failed"),
        load_run(project_id="project-2", observed_at=later),
    ]
    assert shown_gaps([covered(-1, 0), covered(3, 4)], loads=loads) == [(0, 3, False)]
    loads[1]["outcome"] = "incomplete"
    expected = [(0, 2, True), (2, 3, False)]
    assert shown_gaps([covered(-1, 0), covered(3, 4)], loads=loads) == expected


def test_without_a_load_no_gap_is_lost() -> None:
    gap = [covered(-9, -6), covered(6, 9)]
    assert shown_gaps(gap, loads=[]) == [(-6, 6, False)]


def test_one_complete_window_has_no_gap() -> None:
    assert shown_gaps([covered(0, 24)]) == []
    assert shown_gaps([incomplete(-24, -1)]) == [(-24, -1, True)]


windows = st.builds(
    lambda first, length, is_complete: covered(first, first + length, is_complete=is_complete),
    st.integers(-30, 30),
    st.integers(-2, 12),
    st.booleans(),
)


def expected_gaps(coverage: Sequence[Row]) -> list[Gap]:
    """Compute the gaps hour by hour."""
    read = [(hours(row["covered_from"]), hours(row["covered_to"]), row) for row in coverage]
    read = [(first, last, row) for first, last, row in read if first < last]
    if not read:
        return []
    span = range(min(first for first, _, _ in read), max(last for _, last, _ in read))
    complete = {n for first, last, row in read if row["is_complete"] for n in range(first, last)}
    missing = [n for n in span if n not in complete]
    # In a run of hours, hour minus index is constant; the horizon (hour 0) splits a run.
    runs = groupby(enumerate(missing), key=lambda item: (item[1] - item[0], item[1] < 0))
    time_ranges = [[n for _, n in run] for _, run in runs]
    return [(time_range[0], time_range[-1] + 1, time_range[0] < 0) for time_range in time_ranges]


@settings(max_examples=2 * settings().max_examples)
@forall(coverage=st.lists(windows, max_size=8))
def test_gaps_are_those_found_hour_by_hour(coverage: list[Row]) -> None:
    gaps = shown_gaps(coverage)
    assert gaps == expected_gaps(coverage)
    assert all(before[1] <= after[0] for before, after in pairwise(gaps))


def test_gaps_of_many_windows_are_those_found_one_by_one() -> None:
    """Several threads read parts of the table; the windows of a project lie in no order."""
    archive = given(coverage=[covered(0, 1)], load_runs=[load_run()])
    archive.connection.execute("set threads = 4")
    archive.connection.execute(
        """
        insert into task_center.coverage by name
        with starts as (
            select
                number,
                if(number % 3 > 0, number // 9, hash(number, 1) % 400000) as hours,
                (select covered_from from task_center.coverage) as newest
            from range(150000) as numbers(number)
        )
        select
            coverage.* exclude (project_id, covered_from, covered_to, is_complete),
            'project-' || hash(number) % 7 as project_id,
            newest - to_hours(cast(hours as integer)) as covered_from,
            newest - to_hours(cast(hours as integer))
            + to_minutes(cast(hash(number, 2) % 90 as integer)) as covered_to,
            hash(number, 3) % 5 > 0 as is_complete
        from task_center.coverage, starts
        """
    )
    sql = """
        select project_id, epoch_us(covered_from), epoch_us(covered_to), is_complete
        from task_center.coverage
    """
    windows: dict[str, list[tuple[TimeRange, bool]]] = {}
    for project_id, start, end, is_complete in archive.connection.execute(sql).fetchall():
        if start < end:
            windows.setdefault(project_id, []).append((TimeRange(start, end), is_complete))
    expected = {}
    for project_id, read in windows.items():
        span = TimeRange(min(each.start for each, _ in read), max(each.end for each, _ in read))
        complete = merge(each for each, is_complete in read if is_complete)
        expected[project_id] = list(subtract(span, complete))
    sql = """
        select project_id, epoch_us(gap_from), epoch_us(gap_to)
        from main.coverage_gaps
        order by project_id, gap_from
    """
    found: dict[str, list[TimeRange]] = {}
    for project_id, start, end in archive.connection.execute(sql).fetchall():
        found.setdefault(project_id, []).append(TimeRange(start, end))
    assert len(expected["project-3"]) > 1000
    assert {each: merge(gaps) for each, gaps in found.items()} == {
        each: merge(gaps) for each, gaps in expected.items()
    }
