"""Choose the axes of the plots: their ends, ticks and labels."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from gaussdb_tasks.report.buckets import ReportPeriod, bucket_end
from gaussdb_tasks.report.formatting import MONTH_NAMES, short_duration, short_percent

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

_MAX_TICKS: Final = 5
_MAX_MONTHS: Final = 4
_ROUND_SECONDS: Final = (
    *(n / 1000 for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(1, 2, 5, 10, 15, 20, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
)
_LOGARITHMIC_SECONDS: Final = (
    *(1, 10),
    *(n * _MINUTE for n in (1, 10)),
    *(n * _HOUR for n in (1, 10)),
    *(n * _DAY for n in (4, 40, 400, 4000, 40_000)),
)
_HEADROOM: Final = 1.03
_LINEAR_DECADES: Final = 10 / 9
"""Width of the linear part of a logarithmic axis, in decades."""
_WIDE_RANGE: Final = 40
"""Ratio of longest to shortest above which a linear axis would hide the short durations."""

_ROUND_SHARES: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
_ROUND_DAYS: Final = (1, 2, 7, 14)
_ROUND_MONTHS: Final = (1, 2, 3, 6)
_ROUND_YEARS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_MONTHS: Final = 12
_MAX_DAYS_NAMED_BY_DAY: Final = 70


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: its ends, its ticks, and whether it is logarithmic (above 1)."""

    low: float
    high: float
    ticks: Sequence[Tick]
    is_logarithmic: bool = False

    def fraction(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end."""
        low, high, at = map(self._position, (self.low, self.high, value))
        return (at - low) / (high - low)

    def _position(self, value: float) -> float:
        if not self.is_logarithmic:
            return value
        # Linear from 0 to 1, since 0 has no logarithm.
        return _LINEAR_DECADES * value if value <= 1 else _LINEAR_DECADES + math.log10(value)


def duration_scale(shortest: float, longest: float) -> Scale:
    """Return an axis of seconds from 0, or a logarithmic one if the range is wide."""
    if longest > _WIDE_RANGE * max(shortest, 0.001):
        return _logarithmic_scale(shortest, longest)
    step = _step(longest, _ROUND_SECONDS)
    return _linear_scale(longest, step, lambda seconds: short_duration(seconds, step))


def rate_scale(highest: float) -> Scale:
    """Return an axis of shares from 0 to above the highest, and at most to 1."""
    return _linear_scale(highest, _step(highest, _ROUND_SHARES), short_percent, maximum=1.0)


def time_scale(period: ReportPeriod) -> Scale:
    """Return an axis of days, as ordinals, that covers all buckets of a period."""
    low, high = period.first.toordinal(), bucket_end(period.bucket, period.last)
    dates = list(_dates(period, high))
    margin = (high - low) / 2 if period.first == period.last else 0  # centre a single one
    return Scale(low - margin, high + margin, dates)


def _linear_scale(
    highest: float, step: float, label: Callable[[float], str], maximum: float = math.inf
) -> Scale:
    steps = max(math.ceil(highest * _HEADROOM / step), 1)
    high = min(steps * step, maximum)
    ticks = [Tick(n * step, label(n * step)) for n in range(steps + 1) if n * step <= high + 1e-9]
    return Scale(0, high, ticks)


def _logarithmic_scale(shortest: float, longest: float) -> Scale:
    low = max((tick for tick in _LOGARITHMIC_SECONDS if tick <= shortest), default=0)
    high = longest * 1.25
    named = [tick for tick in (0, *_LOGARITHMIC_SECONDS) if low <= tick <= high]
    every = math.ceil(len(named) / _MAX_TICKS)
    ticks = [Tick(tick, short_duration(tick)) for tick in named[::every]]
    return Scale(low, high, ticks, is_logarithmic=True)


def _step(highest: float, steps: Sequence[float]) -> float:
    return next((step for step in steps if highest / step <= _MAX_TICKS - 1), steps[-1])


def _dates(period: ReportPeriod, end: int) -> Iterator[Tick]:
    start = period.first.toordinal()
    if end - start > _MAX_DAYS_NAMED_BY_DAY:
        return _months(period.first, end)
    # The label of a day or a week is below its middle.
    return _days(start, end, (bucket_end(period.bucket, period.first) - start) / 2)


def _days(start: int, end: int, shift: float) -> Iterator[Tick]:
    step = next(days for days in _ROUND_DAYS if (end - start) / days <= _MAX_TICKS)
    for ordinal in range(start, end, step):
        on = date.fromordinal(ordinal)
        yield Tick(ordinal + shift, f"{on.day} {MONTH_NAMES[on.month - 1]}")


def _months(first: date, end: int) -> Iterator[Tick]:
    last = date.fromordinal(end - 1)
    first_month, last_month = _month_number(first), _month_number(last)
    steps = (*_ROUND_MONTHS, *(years * _MONTHS for years in _ROUND_YEARS))
    step = next(each for each in steps if (last_month - first_month) / each <= _MAX_MONTHS)
    named_year = 0
    for number in range(-(-first_month // step) * step, last_month + 1, step):
        year, month = divmod(number, _MONTHS)
        if year and date(year, month + 1, 1) >= first:
            label = _month_label(year, month, step, is_first=year != named_year)
            yield Tick(date(year, month + 1, 1).toordinal(), label)
            named_year = year


def _month_label(year: int, month: int, step: int, *, is_first: bool) -> str:
    """Name each year once; show only the year if all ticks are years."""
    if step % _MONTHS == 0:
        return str(year)
    return f"{MONTH_NAMES[month]} {year}" if is_first else MONTH_NAMES[month]


def _month_number(on: date) -> int:
    return on.year * _MONTHS + on.month - 1
