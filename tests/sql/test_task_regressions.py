"""The view ``task_regressions``: tasks that became significantly slower or less reliable."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import copysign, sqrt
from random import Random
from statistics import median

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from tests.support.sample_archive import (
    LOADED_AT,
    Archive,
    Row,
    at,
    given,
    load_run,
    task,
    task_type,
)

WEEK_BEGAN_AT = LOADED_AT - timedelta(days=7)
BASELINE_BEGAN_AT = LOADED_AT - timedelta(days=35)
NOW = LOADED_AT - timedelta(days=3)
BEFORE = LOADED_AT - timedelta(days=20)


def tasks_of(
    started_at: datetime,
    durations_ms: Sequence[int | None],
    failed_count: int = 0,
    name: str | None = "Create",
) -> list[Row]:
    """Make finished tasks of one name, some of them failed."""
    return [
        task(
            job_id=f"{name}-{started_at}-{number}",
            task_name=name,
            created_at=started_at,
            duration_ms=duration_ms,
            status="Failed" if number < failed_count else "Completed",
        )
        for number, duration_ms in enumerate(durations_ms)
    ]


def archive_of(*groups: list[Row]) -> Archive:
    """Return an archive with these tasks, last loaded at ``LOADED_AT``."""
    return given(tasks=[row for group in groups for row in group], load_runs=[load_run()])


def corrected(difference: float, correction: float) -> float:
    """Reduce a difference by the continuity correction, but not below zero."""
    return copysign(max(abs(difference) - correction, 0), difference)


def duration_z(before: Sequence[int], now: Sequence[int]) -> float | None:
    """Return the Mann-Whitney score, by comparing each pair."""
    pairs = len(before) * len(now)
    total = len(before) + len(now)
    if not pairs:
        return None
    longer = sum((new > old) + (new == old) / 2 for new in now for old in before)
    ties = sum(n**3 - n for n in Counter([*before, *now]).values())
    variance = pairs / 12 * (total + 1 - ties / (total * (total - 1)))
    return corrected(longer - pairs / 2, 0.5) / sqrt(variance) if variance > 1e-9 else None


def failure_z(before: tuple[int, int], now: tuple[int, int]) -> float | None:
    """Return the score of two failure rates, each given as failed and finished tasks."""
    if not before[1] or not now[1]:
        return None
    common = (before[0] + now[0]) / (before[1] + now[1])
    spread = 1 / before[1] + 1 / now[1]
    deviation = sqrt(common * (1 - common) * spread)
    difference = now[0] / now[1] - before[0] / before[1]
    return corrected(difference, spread / 2) / deviation if deviation else None


def test_tasks_that_take_longer_are_flagged() -> None:
    archive = given(
        tasks=[
            *tasks_of(BEFORE, range(1000, 5000, 100)),
            *tasks_of(NOW, range(6000, 7000, 100)),
            *tasks_of(NOW, [None], failed_count=1),
        ],
        task_types=[task_type("Create", "Create an instance", "create")],
        load_runs=[load_run()],
    )
    row = archive.only_row("task_regressions")
    assert row.pop("duration_z_score") == pytest.approx(
        duration_z(range(1000, 5000, 100), range(6000, 7000, 100))
    )
    assert row.pop("failure_z_score") == pytest.approx(failure_z((0, 40), (1, 11)))
    assert row.pop("recent_failure_rate") == pytest.approx(1 / 11)
    assert row == {
        "task_name": "Create",
        "task_label": "Create an instance",
        "baseline_from": BASELINE_BEGAN_AT,
        "recent_from": WEEK_BEGAN_AT,
        "recent_to": LOADED_AT,
        "baseline_finished_count": 40,
        "recent_finished_count": 11,
        "baseline_measured_count": 40,
        "recent_measured_count": 10,
        "baseline_p50_seconds": 2.95,
        "recent_p50_seconds": 6.45,
        "p50_change_seconds": 3.5,
        "is_slower": True,
        "baseline_failed_count": 0,
        "recent_failed_count": 1,
        "baseline_failure_rate": 0.0,
        "is_failing_more": False,
    }


def test_tasks_that_fail_more_are_flagged() -> None:
    row = archive_of(tasks_of(BEFORE, [1000] * 40, 1), tasks_of(NOW, [1000] * 10, 5)).only_row(
        "task_regressions"
    )
    assert (row["is_failing_more"], row["is_slower"]) == (True, False)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([9000] * 40, [1000] * 10),  # faster
        ([1000] * 40, [9000] * 4),  # too few
        ([1000] * 4, [9000] * 40),  # nothing to compare with
        ([], [9000] * 10),
        ([9000] * 10, []),
        ([1000, 9000] * 20, [9000, 1000] * 5),  # the same
    ],
)
def test_better_equal_or_too_few_tasks_are_not_flagged(before: list[int], now: list[int]) -> None:
    rows = archive_of(
        tasks_of(BEFORE, before),
        tasks_of(NOW, now),
        tasks_of(BEFORE, [1] * len(before), before.count(9000), name="Delete"),
        tasks_of(NOW, [1] * len(now), now.count(9000), name="Delete"),
    ).rows("task_regressions")
    assert len(rows) == 2
    assert not any(row["is_slower"] or row["is_failing_more"] for row in rows)


def test_few_of_a_thousand_unchanged_names_are_flagged() -> None:
    random = Random(7)  # noqa: S311 - invented data
    groups = []
    for number in range(1000):
        for started_at, size in ((BEFORE, 28), (NOW, 7)):
            durations = [round(random.lognormvariate(12, 1)) for _ in range(size)]
            failed = sum(random.random() < 0.1 for _ in range(size))
            groups.append(tasks_of(started_at, durations, failed, name=f"kind-{number}"))
    rows = archive_of(*groups).rows("task_regressions")
    assert len(rows) == 1000
    assert sum(row["is_slower"] for row in rows) <= 4
    assert sum(row["is_failing_more"] for row in rows) <= 6


def test_weeks_end_at_the_newest_load() -> None:
    moment = timedelta(microseconds=1)
    archive = given(
        tasks=[
            task(job_id="1", created_at=WEEK_BEGAN_AT),
            task(job_id="2", created_at=WEEK_BEGAN_AT - moment),
            task(job_id="3", created_at=WEEK_BEGAN_AT - moment),
            task(job_id="4", created_at=BASELINE_BEGAN_AT),
            task(job_id="5", created_at=BASELINE_BEGAN_AT - moment),
            task(job_id="6", created_at=WEEK_BEGAN_AT, status="Running"),
            task(job_id="7", created_at=BASELINE_BEGAN_AT - moment, task_name="Delete"),
            task(job_id="8", created_at=LOADED_AT),
            task(job_id="9", created_at=LOADED_AT + moment),
        ],
        load_runs=[
            load_run(),
            load_run(run_id="run-0", observed_at=at("2026-03-29"), project_id="project-2"),
            load_run(run_id="run-2", observed_at=at("2026-04-03"), outcome="failed"),
        ],
    )
    row = archive.only_row("task_regressions")
    assert (row["recent_finished_count"], row["baseline_finished_count"]) == (2, 3)


@given_any(
    st.lists(
        st.tuples(
            st.sampled_from(["Create", None]),
            st.sampled_from([NOW, BEFORE]),
            st.none() | st.integers(0, 8) | st.integers(0, 10**11),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_results_equal_those_of_plain_python(
    facts: list[tuple[str | None, datetime, int | None, bool]],
) -> None:
    archive = archive_of(
        [
            task(
                job_id=f"job-{number}",
                task_name=name,
                created_at=started_at,
                duration_ms=duration_ms,
                status="Failed" if is_failed else "Completed",
            )
            for number, (name, started_at, duration_ms, is_failed) in enumerate(facts)
        ]
    )
    rows = {row["task_name"]: row for row in archive.rows("task_regressions")}
    assert rows.keys() == {name for name, *_ in facts}
    for name, row in rows.items():
        durations, counts = {}, {}
        for side, started_at in (("baseline", BEFORE), ("recent", NOW)):
            mine = [fact for fact in facts if fact[:2] == (name, started_at)]
            durations[side] = [fact[2] for fact in mine if fact[2] is not None]
            counts[side] = (sum(fact[3] for fact in mine), len(mine))
            assert (row[f"{side}_failed_count"], row[f"{side}_finished_count"]) == counts[side]
            assert row[f"{side}_measured_count"] == len(durations[side])
            assert row[f"{side}_p50_seconds"] == (
                pytest.approx(median(durations[side]) / 1000) if durations[side] else None
            )
        slower = duration_z(durations["baseline"], durations["recent"])
        failing = failure_z(counts["baseline"], counts["recent"])
        assert row["duration_z_score"] == (None if slower is None else pytest.approx(slower))
        assert row["failure_z_score"] == (None if failing is None else pytest.approx(failing))
        assert row["is_failing_more"] == (
            failing is not None
            and failing > 3.090232306167813
            and min(counts["baseline"][1], counts["recent"][1]) >= 5
        )
