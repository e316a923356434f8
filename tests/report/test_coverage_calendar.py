"""The coverage calendar: the coverage of each day."""

from datetime import date, timedelta

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from gaussdb_tasks.report import queries
from gaussdb_tasks.report.coverage_calendar import DayCoverage, coverage_by_day, year_calendars
from gaussdb_tasks.report.queries import read_figures
from tests.support.report_archives import LOADED_AT, loaded
from tests.support.sample_archive import Archive, Row, at, given, load_run, window


@pytest.fixture(scope="module")
def archive() -> Archive:
    """An archive with a load; tests replace its coverage."""
    return given(load_runs=[load_run(observed_at=LOADED_AT)])


def days(archive: Archive, windows: list[Row]) -> dict[date, DayCoverage]:
    """Return the coverage of each day after loads of these windows."""
    archive.connection.execute("delete from task_center.coverage")
    archive.insert(coverage=windows)
    (project,) = queries._read_projects(archive.connection)
    return coverage_by_day(project)


def test_the_first_and_last_day_may_be_partly_covered(archive: Archive) -> None:
    """A day that ends at midnight is fully covered."""
    shown = days(archive, [window(at("2026-03-01 12:00"), at("2026-03-04"))])
    assert shown == {
        date(2026, 3, 1): DayCoverage.EDGE,
        date(2026, 3, 2): DayCoverage.COVERED,
        date(2026, 3, 3): DayCoverage.COVERED,
    }


def test_a_day_with_a_gap_of_a_second_is_a_gap(archive: Archive) -> None:
    """A day with a lost and an open gap is shown as lost."""
    lost_until = LOADED_AT - timedelta(days=30)
    shown = days(
        archive,
        [
            window(at("2026-02-01"), at("2026-02-10 10:00")),
            window(at("2026-02-10 10:00:01"), at("2026-02-20")),
            window(at("2026-02-22"), lost_until - timedelta(minutes=1)),
            window(lost_until + timedelta(minutes=1), at("2026-03-20 05:00")),
            window(at("2026-03-22 05:00"), LOADED_AT),
        ],
    )
    gaps = {
        on: state for on, state in shown.items() if state in {DayCoverage.OPEN, DayCoverage.LOST}
    }
    assert gaps == {
        date(2026, 2, 10): DayCoverage.LOST,
        date(2026, 2, 20): DayCoverage.LOST,
        date(2026, 2, 21): DayCoverage.LOST,
        lost_until.date(): DayCoverage.LOST,
        date(2026, 3, 20): DayCoverage.OPEN,
        date(2026, 3, 21): DayCoverage.OPEN,
        date(2026, 3, 22): DayCoverage.OPEN,
    }


def test_a_project_without_coverage_has_no_calendar() -> None:
    """Its loads have failed."""
    archive = given(load_runs=[load_run(outcome="failed")])
    (project,) = read_figures(archive.connection).projects
    assert coverage_by_day(project) == {}
    assert year_calendars(project) == []


def test_each_year_has_a_calendar_of_its_months_and_days() -> None:
    """The first and last year start and end with the coverage."""
    archive = given(
        **loaded() | {"coverage": [window(LOADED_AT - timedelta(days=6 * 365), LOADED_AT)]}
    )
    (project,) = read_figures(archive.connection).projects
    years = year_calendars(project)
    assert [year.year for year in years] == [2020, 2021, 2022, 2023, 2024, 2025, 2026]
    assert [len(year.months) for year in years] == [9, 12, 12, 12, 12, 12, 3]
    assert sum(year.count(DayCoverage.COVERED) for year in years) == 6 * 365 - 1
    assert sum(year.count(DayCoverage.EDGE) for year in years) == 2
    assert sum(run.paths["covered"].count("M") for run in years[1].runs) == 365
    assert [run.title for run in years[0].runs[:3]] == [
        "2020-04-01: partly covered: first or last day",
        "2020-04-02 to 2020-04-30: covered",
        "2020-05-01 to 2020-05-31: covered",
    ]


hours = st.integers(-24 * 40, -1)
windows = st.lists(st.tuples(hours, st.integers(1, 24 * 20), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=30)
@forall(read=windows)
def test_the_coverage_of_a_day_follows_from_its_hours(
    archive: Archive, read: list[tuple[int, int, bool]]
) -> None:
    """Compare with a count of each hour."""
    start_of_hour = LOADED_AT.replace(hour=0)
    covered, touched = set[int](), set[int]()
    rows = []
    for first, length, is_complete in read:
        last = min(first + length, 2)
        touched |= set(range(first, last))
        covered |= set(range(first, last)) if is_complete else set()
        start, end = (start_of_hour + timedelta(hours=hour) for hour in (first, last))
        rows.append(window(start, end, is_complete=is_complete))
    span = range(min(touched), max(touched) + 1)
    lost_before = 2 - 30 * 24
    expected: dict[date, DayCoverage] = {}
    for hour in span:
        on = (start_of_hour + timedelta(hours=hour)).date()
        missing = DayCoverage.LOST if hour < lost_before else DayCoverage.OPEN
        state = DayCoverage.COVERED if hour in covered else missing
        worst = max(
            state,
            expected.get(on, state),
            key=[DayCoverage.COVERED, DayCoverage.OPEN, DayCoverage.LOST].index,
        )
        expected[on] = worst
    for edge in (span.start, span.stop):
        on = (start_of_hour + timedelta(hours=edge)).date()
        if edge % 24 and expected.get(on) is DayCoverage.COVERED:
            expected[on] = DayCoverage.EDGE
    assert days(archive, rows) == expected
