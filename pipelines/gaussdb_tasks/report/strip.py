"""The calendar strip: for every day of a project's record, whether it was read or is missing."""

import calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final

from gaussdb_tasks.report.figures import Project
from gaussdb_tasks.report.scales import MONTH_NAMES

_ACROSS: Final = 10
_DOWN: Final = 12
"""From a day to the next, and from a month to the next."""

_SIDE: Final = 9
_LEFT: Final = 27
_TOP: Final = 16
_NAMED_DAYS: Final = (1, 5, 10, 15, 20, 25, 31)
_DAYS: Final = 31
_MONTHS: Final = 12
_ONE_DAY: Final = timedelta(days=1)


class Day(Enum):
    """What is known of a day."""

    COVERED = "covered"
    EDGE = "edge"
    """The record begins or ends on it."""
    OPEN = "open"
    """Not proved read, in whole or in part; a load can still read it."""
    LOST = "lost"
    """Not proved read, in whole or in part, and forgotten by the task center."""
    OUTSIDE = "outside"
    """Before the first or after the last time read."""


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a month or the number of a day, and where it stands."""

    text: str
    x: float
    y: int


@dataclass(frozen=True, slots=True)
class YearStrip:
    """The days of a year as squares: a path for each kind of day."""

    year: int
    width: int
    height: int
    months: Sequence[Label]
    days: Sequence[Label]
    paths: Mapping[str, str]
    day_counts: Mapping[Day, int]


def day_states(project: Project) -> dict[date, Day]:
    """Return what is known of each day, from the first to the last of the record."""
    span = _span(project)
    if span is None:
        return {}
    states = dict.fromkeys(_days(*span), Day.COVERED)
    start, end = span
    for edge in (start, end):
        if edge != _midnight(edge) and edge.date() in states:
            states[edge.date()] = Day.EDGE
    # What is lost comes last: of a day that is both, it is the worse.
    for gap in sorted(project.gaps, key=lambda gap: gap.is_lost):
        for on in _days(gap.gap_from, gap.gap_to):
            states[on] = Day.LOST if gap.is_lost else Day.OPEN
    return states


def year_strips(project: Project) -> list[YearStrip]:
    """Return the strips of a project, a year each, from the first month with a day to the last."""
    states = day_states(project)
    if not states:
        return []
    first, last = min(states), max(states)
    return [_year_strip(year, first, last, states) for year in range(first.year, last.year + 1)]


def _span(project: Project) -> tuple[datetime, datetime] | None:
    status = project.status
    instants = [at for at in (status.covered_from, status.covered_to) if at is not None]
    for gap in project.gaps:
        instants += (gap.gap_from, gap.gap_to)
    return (min(instants), max(instants)) if instants else None


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """Yield the days that a stretch of time touches; its end is not part of it."""
    on = start.date()
    while _midnight(on) < end:
        yield on
        on += _ONE_DAY


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time())


def _year_strip(year: int, first: date, last: date, states: Mapping[date, Day]) -> YearStrip:
    first_month = first.month if year == first.year else 1
    last_month = last.month if year == last.year else _MONTHS
    months = range(first_month, last_month + 1)
    days = [
        date(year, month, day)
        for month in months
        for day in range(1, calendar.monthrange(year, month)[1] + 1)
    ]
    known = {on: states.get(on, Day.OUTSIDE) for on in days}
    return YearStrip(
        year=year,
        width=_LEFT + _DAYS * _ACROSS,
        height=_TOP + len(months) * _DOWN,
        months=[
            Label(MONTH_NAMES[month - 1], 0, _TOP + row * _DOWN + _SIDE)
            for row, month in enumerate(months)
        ],
        days=[
            Label(str(day), _LEFT + (day - 1) * _ACROSS + _SIDE / 2, _SIDE) for day in _NAMED_DAYS
        ],
        paths=_paths(known, first_month),
        day_counts={state: list(known.values()).count(state) for state in Day},
    )


def _paths(known: Mapping[date, Day], first_month: int) -> dict[str, str]:
    """Return the shapes by class; what is missing has a mark of its own, apart from its colour."""
    paths: dict[str, list[str]] = {}
    for on, state in known.items():
        x, y = _LEFT + (on.day - 1) * _ACROSS, _TOP + (on.month - first_month) * _DOWN
        for name, shape in _SHAPES[state].items():
            paths.setdefault(name, []).append(f"M{x} {y}{shape}")
    return {name: "".join(shapes) for name, shapes in paths.items()}


_SQUARE: Final = f"h{_SIDE}v{_SIDE}h-{_SIDE}z"
_SHAPES: Final[Mapping[Day, Mapping[str, str]]] = {
    Day.COVERED: {"covered": _SQUARE},
    Day.EDGE: {"covered": "m0 5h9v4h-9z"},
    Day.OPEN: {"open": _SQUARE, "open-mark": "m1.5 7.5l6 -6"},
    Day.LOST: {"lost": _SQUARE, "lost-mark": "m2 2l5 5m-5 0l5 -5"},
    Day.OUTSIDE: {"outside": "m4 4.5h1"},
}
