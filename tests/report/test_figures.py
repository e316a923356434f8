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
from gaussdb_tasks.report.queries import (
    MAX_REASONS,
    MAX_ROWS,
    MAX_TASK_KINDS,
    MIN_TASKS,
    read_figures,
)
from tests.support.report_archives import LOADED_AT, loaded
from tests.support.sample_archive import (
    Archive,
    Row,
    given,
    load_run,
    rejected_record,
    task,
    vanished_task,
    window,
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
        for n in range(33 - place)
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
    figures = read_figures(archive.connection)
    totals = figures.totals
    failed = [row for row in tasks if row["status"] == "Failed"]
    assert totals.finished_count == len(tasks)
    assert totals.failed_count == len(failed)
    assert totals.failure_rate == pytest.approx(len(failed) / len(tasks))
    assert (totals.kind_count, len(figures.projects)) == (14, 2)
    assert sum(each.task_count for each in figures.projects) == len(tasks) + len(running)
    assert sum(each.open_task_count for each in figures.projects) == 2
    listings = (figures.overdue_tasks, figures.deleted_tasks, figures.rejected_records)
    assert [(listing.total, len(listing.rows)) for listing in listings] == [(1, 1)] * 3


def test_the_frequent_kinds_have_plots_in_order() -> None:
    """Each has its rates and durations over all time; so have the others, without points."""
    tasks = tasks_of_kinds()
    figures = figures_of(tasks)
    kinds = [shown.kind for shown in figures.kinds]
    assert [kind.task_name for kind in kinds] == KINDS[:MAX_TASK_KINDS]
    assert [kind.task_name for kind in figures.rare_kinds] == KINDS[MAX_TASK_KINDS:]
    for kind in [*kinds, *figures.rare_kinds]:
        own = [row for row in tasks if row["task_name"] == kind.task_name]
        seconds = [row["duration_ms"] / 1000 for row in own if row["duration_ms"] is not None]
        assert kind.finished_count == len(own)
        assert kind.failed_count == sum(row["status"] == "Failed" for row in own)
        assert (kind.timed_count, kind.max_seconds) == (len(seconds), max(seconds))
        assert kind.p50_seconds == pytest.approx(median(seconds))


def test_a_kind_with_few_tasks_has_no_plots() -> None:
    """The most frequent kind has plots even so: otherwise a new archive would have none."""
    few = [task(job_id=f"few-{n}", task_name="few") for n in range(MIN_TASKS - 1)]
    enough = [task(job_id=f"enough-{n}", task_name="enough") for n in range(MIN_TASKS)]
    many = [task(job_id=f"many-{n}", task_name="many") for n in range(MIN_TASKS + 1)]
    for tasks, frequent, rare in (
        ([*few, *enough, *many], ["many", "enough"], ["few"]),
        (few, ["few"], []),
    ):
        figures = figures_of(tasks)
        assert [shown.kind.task_name for shown in figures.kinds] == frequent
        assert [kind.task_name for kind in figures.rare_kinds] == rare


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
    unnamed = [
        task(job_id=f"unnamed-{n}", task_name=None, duration_ms=5_000) for n in range(MIN_TASKS)
    ]
    tasks = [task(job_id=f"named-{n}") for n in range(MIN_TASKS)]
    kinds = {shown.kind.task_name: shown for shown in figures_of([*tasks, *unnamed]).kinds}
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


def test_plots_show_the_last_months_of_many_years() -> None:
    """Earlier months are left out; totals count them."""
    starts = [LOADED_AT - timedelta(days=31 * n) for n in range(60)]
    figures = figures_of([task(job_id=str(start), created_at=start) for start in starts])
    period, ((shown), *_) = figures.duration_period, figures.kinds
    assert period is not None
    assert (period.first, period.last, period.is_cut) == (date(2022, 4, 1), date(2026, 3, 1), True)
    for points in (shown.durations, shown.rates, figures.counts):
        assert points[0].starts_on >= period.first
        assert points[-1].starts_on == period.last
    assert shown.kind.finished_count == figures.totals.finished_count == len(starts)


def test_instances_that_fail_most_have_their_reasons() -> None:
    """In order of their failures, each with its most frequent reasons first."""
    reasons = {"orders": [*"aaabbc"], "shop": [*"defghij"], "fine": []}
    failed = [
        task(
            job_id=f"{name}-{n}",
            instance_id=name,
            instance_name=name,
            status="Failed",
            fail_reason=reason,
            created_at=LOADED_AT - timedelta(hours=n),
        )
        for name, letters in reasons.items()
        for n, reason in enumerate(letters)
    ]
    passed = [
        task(job_id=f"{name}-passed", instance_id=name, instance_name=name) for name in reasons
    ]
    instances = figures_of(
        [{**row, "project_id": "project-1"} for row in failed + passed]
    ).instances
    assert instances.total == 2
    shop, orders = instances.rows
    assert (orders.instance_name, orders.failed_count, orders.finished_count) == ("orders", 6, 7)
    assert (orders.reasons, orders.reason_count) == ([("a", 3), ("b", 2), ("c", 1)], 3)
    assert (len(shop.reasons), shop.reason_count) == (MAX_REASONS, 7)


def test_a_gap_expires_when_its_first_record_leaves_the_task_center() -> None:
    """The horizon of the project's last load decides."""
    gap_from, gap_to = LOADED_AT - timedelta(days=10), LOADED_AT - timedelta(days=8)
    archive = given(
        load_runs=[load_run()],
        coverage=[
            window(LOADED_AT - timedelta(days=40), gap_from),
            window(gap_to, LOADED_AT),
        ],
    )
    (gap,) = read_figures(archive.connection).gaps
    assert (gap.gap_from, gap.gap_to, gap.is_lost) == (gap_from, gap_to, False)
    assert gap.expires_at == gap_from + timedelta(days=30)


def test_lists_are_limited_and_start_with_the_worst() -> None:
    """Reasons, slow tasks and overdue tasks are cut; the totals are those of all rows."""
    slow = [task(job_id=f"slow-{n:03}", duration_ms=10**6 + n) for n in range(40)]
    quick = [task(job_id=f"quick-{n}") for n in range(900)]
    overdue = [
        task(job_id=f"old-{n:03}", status="Running", created_at=LOADED_AT - timedelta(hours=n))
        for n in range(2, 42)
    ]
    failed = [
        task(job_id=f"failed-{a}-{b}", status="Failed", fail_reason=chr(97 + a), duration_ms=None)
        for a, b in product(range(26), range(26))
        if b <= a
    ]
    archive = given(
        tasks=[*slow, *quick, *overdue, *failed], load_runs=[load_run(observed_at=LOADED_AT)]
    )
    figures = read_figures(archive.connection)
    assert [row.job_id for row in figures.slow_tasks.rows] == [
        f"slow-{n:03}" for n in range(39, 39 - MAX_ROWS, -1)
    ]
    assert [row.job_id for row in figures.overdue_tasks.rows] == [
        f"old-{n:03}" for n in range(41, 41 - MAX_ROWS, -1)
    ]
    assert [row.failed_count for row in figures.reasons.rows] == list(range(26, 0, -1))
    listings = (figures.slow_tasks, figures.overdue_tasks, figures.reasons)
    assert [listing.total for listing in listings] == [40, 40, 26]


def test_an_empty_archive_has_no_figures() -> None:
    """Neither without a load nor after a load that found nothing."""
    for rows in ({}, loaded()):
        figures = read_figures(given(**rows).connection)
        assert (figures.duration_period, figures.rate_period) == (None, None)
        assert not any((figures.kinds, figures.rare_kinds, figures.counts, figures.gaps))
        listings = (figures.reasons, figures.instances, figures.failed_tasks, figures.slow_tasks)
        assert [(listing.total, len(listing.rows)) for listing in listings] == [(0, 0)] * 4
        assert len(figures.projects) == len(rows.get("load_runs", ()))
        assert figures.totals.failure_rate is None


def test_a_database_of_an_older_version_is_refused() -> None:
    """The message names the missing view and the command that creates it."""
    archive = Archive()
    archive.connection.execute("drop view main.task_duration_distribution")
    with pytest.raises(ConfigurationError, match=r"task_duration_distribution.*gaussdb-tasks load"):
        read_figures(archive.connection)
    apply_views(archive.connection)
    assert read_figures(archive.connection).totals.finished_count == 0
