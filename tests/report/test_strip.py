"""The calendar strip: what is known of each day."""

from datetime import date, datetime, timedelta

from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from gaussdb_tasks.report.figures import read_figures
from gaussdb_tasks.report.strip import Day, day_states, year_strips
from tests.support.report_archives import LOADED_AT, loaded
from tests.support.sample_archive import Row, at, given, load_run, window


def states(windows: list[Row], observed_at: datetime = LOADED_AT) -> dict[date, Day]:
    """Return what is known of each day by these windows."""
    archive = given(load_runs=[load_run(observed_at=observed_at)], coverage=windows)
    (project,) = read_figures(archive.connection).projects
    return day_states(project)


def test_a_record_begins_and_ends_within_a_day() -> None:
    """Between two half days all are whole; a record that ends at midnight has no half day there."""
    shown = states([window(at("2026-03-01 12:00"), at("2026-03-04"))])
    assert shown == {
        date(2026, 3, 1): Day.EDGE,
        date(2026, 3, 2): Day.COVERED,
        date(2026, 3, 3): Day.COVERED,
    }


def test_a_day_with_the_smallest_gap_is_a_gap() -> None:
    """A second that was not read shows, and what is lost outweighs what can still be read."""
    lost_until = LOADED_AT - timedelta(days=30)
    shown = states(
        [
            window(at("2026-02-01"), at("2026-02-10 10:00")),
            window(at("2026-02-10 10:00:01"), at("2026-02-20")),
            window(at("2026-02-22"), lost_until - timedelta(minutes=1)),
            window(lost_until + timedelta(minutes=1), at("2026-03-20 05:00")),
            window(at("2026-03-22 05:00"), LOADED_AT),
        ]
    )
    gaps = {on: state for on, state in shown.items() if state in {Day.OPEN, Day.LOST}}
    assert gaps == {
        date(2026, 2, 10): Day.LOST,
        date(2026, 2, 20): Day.LOST,
        date(2026, 2, 21): Day.LOST,
        lost_until.date(): Day.LOST,
        date(2026, 3, 20): Day.OPEN,
        date(2026, 3, 21): Day.OPEN,
        date(2026, 3, 22): Day.OPEN,
    }


def test_nothing_read_is_no_strip() -> None:
    """A project whose loads proved nothing has no day, and no year to show."""
    archive = given(load_runs=[load_run(outcome="failed")])
    (project,) = read_figures(archive.connection).projects
    assert day_states(project) == {}
    assert year_strips(project) == []


def test_six_years_are_six_strips() -> None:
    """Each year from its first month to its last, each day once, each kind of day by its shape."""
    archive = given(
        **loaded() | {"coverage": [window(LOADED_AT - timedelta(days=6 * 365), LOADED_AT)]}
    )
    (project,) = read_figures(archive.connection).projects
    strips = year_strips(project)
    assert [strip.year for strip in strips] == [2020, 2021, 2022, 2023, 2024, 2025, 2026]
    assert [len(strip.months) for strip in strips] == [9, 12, 12, 12, 12, 12, 3]
    assert sum(strip.day_counts[Day.COVERED] for strip in strips) == 6 * 365 - 1
    assert sum(strip.day_counts[Day.EDGE] for strip in strips) == 2
    assert strips[1].paths["covered"].count("M") == 365


hours = st.integers(-24 * 40, -1)
windows = st.lists(st.tuples(hours, st.integers(1, 24 * 20), st.booleans()), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@forall(read=windows)
def test_days_are_those_found_hour_by_hour(read: list[tuple[int, int, bool]]) -> None:
    """Whatever was read, each day is what its hours are, counted one by one."""
    start_of_hour = LOADED_AT.replace(hour=0)
    proved, touched = set[int](), set[int]()
    rows = []
    for first, length, is_complete in read:
        last = min(first + length, 2)
        touched |= set(range(first, last))
        proved |= set(range(first, last)) if is_complete else set()
        start, end = (start_of_hour + timedelta(hours=hour) for hour in (first, last))
        rows.append(window(start, end, is_complete=is_complete))
    span = range(min(touched), max(touched) + 1)
    lost_before = 2 - 30 * 24
    expected: dict[date, Day] = {}
    for hour in span:
        on = (start_of_hour + timedelta(hours=hour)).date()
        missing = Day.LOST if hour < lost_before else Day.OPEN
        state = Day.COVERED if hour in proved else missing
        worst = max(state, expected.get(on, state), key=[Day.COVERED, Day.OPEN, Day.LOST].index)
        expected[on] = worst
    for edge in (span.start, span.stop):
        on = (start_of_hour + timedelta(hours=edge)).date()
        if edge % 24 and expected.get(on) is Day.COVERED:
            expected[on] = Day.EDGE
    assert states(rows) == expected
