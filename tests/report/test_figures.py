"""Figures of the report, compared with plain Python."""

from datetime import date, timedelta
from itertools import product
from statistics import median

import pytest

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.report.buckets import Bucket
from gaussdb_tasks.report.figures import Figures
from gaussdb_tasks.report.queries import MAX_ROWS, MAX_TASK_KINDS, read_figures
from tests.support.report_archives import LOADED_AT, loaded
from tests.support.sample_archive import (
    Archive,
    Row,
    given,
    load_run,
    rejected_record,
    task,
    vanished_task,
)

KINDS = [f"Kind{n:02}" for n in range(14)]


def tasks_of_kinds() -> list[Row]:
    """Return tasks of fourteen kinds, each with one task fewer than the one before."""
    return [
        task(
            job_id=f"{name}-{n}",
            project_id=f"project-{n % 2}",
            task_name=name,
            status=("Completed", "Failed", "Canceled", "Completed")[n % 4],
            fail_reason=f"Disk {name} is full" if n % 4 == 1 else None,
            duration_ms=1000 * (n + 1) ** 2 if n % 5 else None,
            created_at=LOADED_AT - timedelta(days=n % 7, hours=1),
        )
        for place, name in enumerate(KINDS)
        for n in range(20 - place)
    ]


def figures_of(tasks: list[Row]) -> Figures:
    """Return the figures of an archive with these tasks."""
    runs = [load_run(project_id=f"project-{n}") for n in range(2)]
    return read_figures(given(tasks=tasks, load_runs=runs).connection)


def test_totals_are_over_all_projects() -> None:
    """They include tasks, failures, running, overdue, rejected and deleted tasks."""
    tasks = tasks_of_kinds()
    running = [
        task(job_id=f"running-{n}", task_name="Kind00", status="Running", created_at=start)
        for n, start in enumerate([LOADED_AT - timedelta(hours=9), LOADED_AT])
    ]
    archive = given(
        tasks=[*tasks, *running],
        rejected_records=[rejected_record()],
        vanished_tasks=[
            vanished_task(
                job_id="Kind00-0", project_id="project-0", created_at=tasks[0]["created_at"]
            )
        ],
        load_runs=[load_run(project_id="project-0"), load_run(project_id="project-1")],
    )
    totals = read_figures(archive.connection).totals
    failed = [row for row in tasks if row["status"] == "Failed"]
    assert totals.finished_count == len(tasks)
    assert totals.failed_count == len(failed)
    assert totals.failure_rate == pytest.approx(len(failed) / len(tasks))
    assert (totals.running_count, totals.overdue_count) == (2, 1)
    assert (totals.kind_count, totals.project_count) == (14, 2)
    assert totals.task_count == len(tasks) + len(running)
    assert (totals.vanished_count, totals.rejected_count) == (1, 1)


def test_the_most_frequent_kinds_are_shown_in_order() -> None:
    """Each of the twelve has its rates and durations over all time."""
    tasks = tasks_of_kinds()
    kinds = [shown.kind for shown in figures_of(tasks).kinds]
    assert [kind.task_name for kind in kinds] == KINDS[:MAX_TASK_KINDS]
    for kind in kinds:
        own = [row for row in tasks if row["task_name"] == kind.task_name]
        seconds = [row["duration_ms"] / 1000 for row in own if row["duration_ms"] is not None]
        assert kind.finished_count == len(own)
        assert kind.failed_count == sum(row["status"] == "Failed" for row in own)
        assert (kind.timed_count, kind.max_seconds) == (len(seconds), max(seconds))
        assert kind.p50_seconds == pytest.approx(median(seconds))


def test_points_are_of_their_kind_and_day() -> None:
    """Each kind has a point for each day with a finished task, in order of time."""
    tasks = tasks_of_kinds()
    figures = figures_of(tasks)
    assert figures.duration_period is not None
    assert figures.duration_period.bucket is Bucket.DAY
    for shown in figures.kinds:
        expected: dict[date, list[Row]] = {}
        for row in tasks:
            if row["task_name"] == shown.kind.task_name and is_final(row["status"]):
                expected.setdefault(row["created_date"], []).append(row)
        assert [point.starts_on for point in shown.rates] == sorted(expected)
        for point in shown.rates:
            own = expected[point.starts_on]
            assert point.finished_count == len(own)
            assert point.failed_count == sum(row["status"] == "Failed" for row in own)
            assert 0 <= point.failure_rate_low <= point.failure_rate <= point.failure_rate_high <= 1
        timed = {on for on, own in expected.items() if any(row["duration_ms"] for row in own)}
        assert [point.starts_on for point in shown.durations] == sorted(timed)
        assert sum(each.finished_count for each in shown.bins) == shown.kind.timed_count


def test_a_kind_without_a_name_has_its_own_points() -> None:
    """A missing name is not mixed with other names."""
    tasks = [task(), task(job_id="job-2", task_name=None, duration_ms=5_000)]
    kinds = {shown.kind.task_name: shown for shown in figures_of(tasks).kinds}
    assert kinds.keys() == {"CreateGaussDBV5Instance", None}
    assert [point.p50_seconds for point in kinds[None].durations] == [5.0]


@pytest.mark.parametrize(
    ("days", "bucket"), [(60, Bucket.DAY), (200, Bucket.WEEK), (900, Bucket.MONTH)]
)
def test_a_longer_archive_has_larger_buckets(days: int, bucket: Bucket) -> None:
    """The period starts at the start of a bucket."""
    starts = [LOADED_AT - timedelta(days=days), LOADED_AT]
    tasks = [task(job_id=str(start), created_at=start) for start in starts]
    period = figures_of(tasks).duration_period
    assert period is not None
    assert period.bucket is bucket
    expected = {
        Bucket.DAY: starts[0].date(),
        Bucket.WEEK: starts[0].date() - timedelta(days=starts[0].weekday()),
        Bucket.MONTH: starts[0].date().replace(day=1),
    }
    assert period.first == expected[bucket]


def test_lists_are_limited_and_start_with_the_worst() -> None:
    """Reasons, slow tasks and overdue tasks have fifteen rows; the totals have the full counts."""
    slow = [task(job_id=f"slow-{n:03}", duration_ms=10**6 + n) for n in range(20)]
    quick = [task(job_id=f"quick-{n}") for n in range(500)]
    overdue = [
        task(job_id=f"old-{n:03}", status="Running", created_at=LOADED_AT - timedelta(hours=n))
        for n in range(2, 22)
    ]
    failed = [
        task(job_id=f"failed-{a}-{b}", status="Failed", fail_reason=chr(97 + a), duration_ms=None)
        for a, b in product(range(20), range(20))
        if b <= a
    ]
    archive = given(
        tasks=[*slow, *quick, *overdue, *failed], load_runs=[load_run(observed_at=LOADED_AT)]
    )
    figures = read_figures(archive.connection)
    assert [row.job_id for row in figures.slow_tasks] == [
        f"slow-{n:03}" for n in range(19, 19 - MAX_ROWS, -1)
    ]
    assert [row.job_id for row in figures.overdue_tasks] == [
        f"old-{n:03}" for n in range(21, 21 - MAX_ROWS, -1)
    ]
    assert [row.failed_count for row in figures.reasons] == list(range(20, 20 - MAX_ROWS, -1))
    totals = figures.totals
    assert (totals.slow_count, totals.overdue_count, totals.reason_count) == (20, 20, 20)


def test_an_empty_archive_has_no_figures() -> None:
    """Neither without a load nor after a load that found nothing."""
    for rows in ({}, loaded()):
        figures = read_figures(given(**rows).connection)
        assert (figures.duration_period, figures.rate_period) == (None, None)
        lists = (figures.kinds, figures.reasons, figures.slow_tasks, figures.overdue_tasks)
        assert not any(lists)
        assert len(figures.projects) == len(rows.get("load_runs", ()))
        assert figures.totals.failure_rate is None


def test_a_database_of_an_older_version_is_refused() -> None:
    """The message names the missing view and the command that creates it."""
    archive = Archive()
    archive.connection.execute("drop view main.task_duration_distribution")
    with pytest.raises(ConfigurationError, match=r"task_duration_distribution.*gaussdb-tasks load"):
        read_figures(archive.connection)
    apply_views(archive.connection)
    assert read_figures(archive.connection).totals.task_count == 0
