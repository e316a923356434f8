"""The figures of the report: what the views say, against plain Python."""

from datetime import date, timedelta
from itertools import product
from statistics import median

import pytest

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.report.figures import MOST_KINDS, MOST_ROWS, Bucket, Figures, read_figures
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
    """Make tasks of fourteen kinds, each with one task fewer than the one before."""
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
    """Read the figures of an archive with these tasks."""
    runs = [load_run(project_id=f"project-{n}") for n in range(2)]
    return read_figures(given(tasks=tasks, load_runs=runs).connection)


def test_the_headline_is_the_sum_of_all_projects() -> None:
    """Tasks, failures, tasks in flight and what was rejected or deleted, over all projects."""
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
    headline = read_figures(archive.connection).headline
    failed = [row for row in tasks if row["status"] == "Failed"]
    assert headline.finished_count == len(tasks)
    assert headline.failed_count == len(failed)
    assert headline.failure_rate == pytest.approx(len(failed) / len(tasks))
    assert (headline.running_count, headline.overdue_count) == (2, 1)
    assert (headline.kind_count, headline.project_count) == (14, 2)
    assert headline.task_count == len(tasks) + len(running)
    assert (headline.vanished_count, headline.rejected_count) == (1, 1)


def test_the_most_frequent_kinds_are_shown_in_order() -> None:
    """Twelve of them, each with its rates and durations over all time."""
    tasks = tasks_of_kinds()
    kinds = [shown.kind for shown in figures_of(tasks).kinds]
    assert [kind.task_name for kind in kinds] == KINDS[:MOST_KINDS]
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
        assert sum(step.finished_count for step in shown.steps) == shown.kind.timed_count


def test_a_kind_without_a_name_has_its_points() -> None:
    """A missing name is a kind as others are, and its points are not those of others."""
    tasks = [task(), task(job_id="job-2", task_name=None, duration_ms=5_000)]
    kinds = {shown.kind.task_name: shown for shown in figures_of(tasks).kinds}
    assert kinds.keys() == {"CreateGaussDBV5Instance", None}
    assert [point.p50_seconds for point in kinds[None].durations] == [5.0]


@pytest.mark.parametrize(
    ("days", "bucket"), [(60, Bucket.DAY), (200, Bucket.WEEK), (900, Bucket.MONTH)]
)
def test_points_grow_with_the_time(days: int, bucket: Bucket) -> None:
    """A long archive is shown by weeks, a longer one by months; the period is in buckets."""
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


def test_lists_are_short_and_begin_with_the_worst() -> None:
    """Of reasons, slow tasks and overdue ones the first fifteen; the headline has how many."""
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
        f"slow-{n:03}" for n in range(19, 19 - MOST_ROWS, -1)
    ]
    assert [row.job_id for row in figures.overdue_tasks] == [
        f"old-{n:03}" for n in range(21, 21 - MOST_ROWS, -1)
    ]
    assert [row.failed_count for row in figures.reasons] == list(range(20, 20 - MOST_ROWS, -1))
    headline = figures.headline
    assert (headline.slow_count, headline.overdue_count, headline.reason_count) == (20, 20, 20)


def test_an_empty_archive_has_no_figures() -> None:
    """Without a load, and with loads that found nothing, there is nothing to plot."""
    for rows in ({}, loaded()):
        figures = read_figures(given(**rows).connection)
        assert (figures.duration_period, figures.rate_period) == (None, None)
        lists = (figures.kinds, figures.reasons, figures.slow_tasks, figures.overdue_tasks)
        assert not any(lists)
        assert len(figures.projects) == len(rows.get("load_runs", ()))
        assert figures.headline.failure_rate is None


def test_a_database_of_an_older_version_is_refused() -> None:
    """A view that is not there yet is named, with what makes it."""
    archive = Archive()
    archive.connection.execute("drop view main.task_duration_distribution")
    with pytest.raises(ConfigurationError, match=r"task_duration_distribution.*gaussdb-tasks load"):
        read_figures(archive.connection)
    apply_views(archive.connection)
    assert read_figures(archive.connection).headline.task_count == 0
