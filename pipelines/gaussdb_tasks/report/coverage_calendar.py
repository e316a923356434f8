"""Draw the coverage calendar: for each day of a project, whether loads covered it."""

import calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import groupby
from typing import Final

from gaussdb_tasks.report.figures import ProjectFigures
from gaussdb_tasks.report.formatting import MONTH_NAMES, day

_COLUMN_WIDTH: Final = 10
_ROW_HEIGHT: Final = 12
_SIDE: Final = 9
_LEFT: Final = 27
_TOP: Final = 16
_LABELLED_DAYS: Final = (1, 5, 10, 15, 20, 25, 31)
_MAX_DAYS: Final = 31
_MONTHS: Final = 12
_ONE_DAY: Final = timedelta(days=1)


class DayCoverage(Enum):
    """Whether loads covered a day; values are the words of the page."""

    COVERED = "covered"
    EDGE = "partly covered: first or last day"
    OPEN = "open gap"
    """Not covered, in whole or in part; a load can still read it."""
    LOST = "lost gap"
    """Not covered, in whole or in part; its records have expired in the task center."""
    OUTSIDE = "outside the covered period"


@dataclass(frozen=True, slots=True)
class CalendarLabel:
    """The name of a month or the number of a day, and its position."""

    text: str
    x: float
    y: int


@dataclass(frozen=True, slots=True)
class DayRun:
    """Consecutive days of a month with the same coverage: a title, and a path by CSS class."""

    title: str
    coverage: DayCoverage
    day_count: int
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class YearCalendar:
    """The calendar of a year: a row for each month, a square for each day."""

    year: int
    width: int
    height: int
    months: Sequence[CalendarLabel]
    days: Sequence[CalendarLabel]
    runs: Sequence[DayRun]

    def count(self, coverage: DayCoverage) -> int:
        """Return the number of days with this coverage."""
        return sum(run.day_count for run in self.runs if run.coverage is coverage)


def coverage_by_day(project: ProjectFigures) -> dict[date, DayCoverage]:
    """Return the coverage of each day, from the first to the last covered day or gap."""
    span = _span(project)
    if span is None:
        return {}
    coverage = dict.fromkeys(_days(*span), DayCoverage.COVERED)
    start, end = span
    for edge in (start, end):
        if edge != _midnight(edge) and edge.date() in coverage:
            coverage[edge.date()] = DayCoverage.EDGE
    # Lost gaps last: a day with both kinds of gap is shown as lost.
    for gap in sorted(project.gaps, key=lambda gap: gap.is_lost):
        for on in _days(gap.gap_from, gap.gap_to):
            coverage[on] = DayCoverage.LOST if gap.is_lost else DayCoverage.OPEN
    return coverage


def year_calendars(project: ProjectFigures) -> list[YearCalendar]:
    """Return a calendar for each year, from the first to the last month with a day."""
    coverage = coverage_by_day(project)
    if not coverage:
        return []
    first, last = min(coverage), max(coverage)
    years = range(first.year, last.year + 1)
    return [_year_calendar(year, first, last, coverage) for year in years]


def _span(project: ProjectFigures) -> tuple[datetime, datetime] | None:
    status = project.status
    times = [at for at in (status.covered_from, status.covered_to) if at is not None]
    for gap in project.gaps:
        times += (gap.gap_from, gap.gap_to)
    return (min(times), max(times)) if times else None


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """Yield the days of a time range; its end is exclusive."""
    on = start.date()
    while _midnight(on) < end:
        yield on
        on += _ONE_DAY


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time())


def _year_calendar(
    year: int, first: date, last: date, coverage: Mapping[date, DayCoverage]
) -> YearCalendar:
    first_month = first.month if year == first.year else 1
    last_month = last.month if year == last.year else _MONTHS
    months = range(first_month, last_month + 1)
    return YearCalendar(
        year=year,
        width=_LEFT + _MAX_DAYS * _COLUMN_WIDTH,
        height=_TOP + len(months) * _ROW_HEIGHT,
        months=[
            CalendarLabel(MONTH_NAMES[month - 1], 0, _TOP + row * _ROW_HEIGHT + _SIDE)
            for row, month in enumerate(months)
        ],
        days=[
            CalendarLabel(str(number), _x(number) + _SIDE / 2, _SIDE) for number in _LABELLED_DAYS
        ],
        runs=[
            run
            for row, month in enumerate(months)
            for run in _month_runs(year, month, _TOP + row * _ROW_HEIGHT, coverage)
        ],
    )


def _month_runs(
    year: int, month: int, y: int, coverage: Mapping[date, DayCoverage]
) -> Iterator[DayRun]:
    _, day_count = calendar.monthrange(year, month)
    days = [date(year, month, number) for number in range(1, day_count + 1)]
    for state, group in groupby(days, lambda on: coverage.get(on, DayCoverage.OUTSIDE)):
        run = list(group)
        yield DayRun(
            title=f"{_dates(run)}: {state.value}",
            coverage=state,
            day_count=len(run),
            paths={
                name: "".join(f"M{_x(on.day)} {y}{shape}" for on in run)
                for name, shape in _SHAPES[state].items()
            },
        )


def _dates(run: Sequence[date]) -> str:
    return day(run[0]) if len(run) == 1 else f"{day(run[0])} to {day(run[-1])}"


def _x(day_number: int) -> int:
    return _LEFT + (day_number - 1) * _COLUMN_WIDTH


_SQUARE: Final = f"h{_SIDE}v{_SIDE}h-{_SIDE}z"
# A gap has a mark besides its colour, for readers who cannot tell the colours apart.
_SHAPES: Final[Mapping[DayCoverage, Mapping[str, str]]] = {
    DayCoverage.COVERED: {"covered": _SQUARE},
    DayCoverage.EDGE: {"covered": "m0 5h9v4h-9z"},
    DayCoverage.OPEN: {"open": _SQUARE, "open-mark": "m1.5 7.5l6 -6"},
    DayCoverage.LOST: {"lost": _SQUARE, "lost-mark": "m2 2l5 5m-5 0l5 -5"},
    DayCoverage.OUTSIDE: {"outside": "m4 4.5h1"},
}
