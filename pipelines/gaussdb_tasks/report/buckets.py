"""Time buckets of the plots: days, weeks or months."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Final

MAX_MONTHS: Final = 48
"""Plots show at most so many months, the last ones: more are too close to tell apart."""


class Bucket(Enum):
    """The length of time that one point of a plot covers."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def column(self) -> str:
        """Return the view column that holds the first day of a bucket."""
        return "created_date" if self is Bucket.DAY else f"created_{self.value}"


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """The time axis of a plot: its bucket, and the first days of the first and last bucket."""

    bucket: Bucket
    first: date
    last: date
    is_cut: bool = False
    """Whether earlier buckets are not shown."""


def duration_bucket(first: date, last: date) -> Bucket:
    """Choose the bucket for durations."""
    return _choose(first, last, max_by_day=62, max_by_week=420)


def rate_bucket(first: date, last: date) -> Bucket:
    """Choose the bucket for failure rates: a rate needs more tasks than a median does."""
    return _choose(first, last, max_by_day=14, max_by_week=190)


def bucket_days(bucket: Bucket, starts_on: date) -> int:
    """Return the number of days in a bucket."""
    match bucket:
        case Bucket.DAY:
            return 1
        case Bucket.WEEK:
            return 7
        case Bucket.MONTH:
            return calendar.monthrange(starts_on.year, starts_on.month)[1]


def bucket_end(bucket: Bucket, starts_on: date) -> int:
    """Return the ordinal of the day after a bucket; a date cannot hold the end of year 9999."""
    return starts_on.toordinal() + bucket_days(bucket, starts_on)


def report_period(bucket: Bucket, first: date, last: date) -> ReportPeriod:
    """Return the time axis from one day to another; older buckets than plots show are cut."""
    first, last = bucket_start(bucket, first), bucket_start(bucket, last)
    shown = _first_shown(bucket, first, last)
    return ReportPeriod(bucket, shown, last, is_cut=shown > first)


def bucket_start(bucket: Bucket, on: date) -> date:
    """Return the first day of the bucket of a day, as in the views."""
    match bucket:
        case Bucket.DAY:
            return on
        case Bucket.WEEK:
            return on - timedelta(days=on.weekday())
        case Bucket.MONTH:
            return on.replace(day=1)


def _first_shown(bucket: Bucket, first: date, last: date) -> date:
    """Return the first day of the first bucket that plots show."""
    if bucket is not Bucket.MONTH:
        return first
    months = last.year * 12 + last.month - MAX_MONTHS
    year, month = divmod(months, 12)
    return first if year < 1 else max(first, date(year, month + 1, 1))


def _choose(first: date, last: date, *, max_by_day: int, max_by_week: int) -> Bucket:
    days = (last - first).days + 1
    if days <= max_by_day:
        return Bucket.DAY
    return Bucket.WEEK if days <= max_by_week else Bucket.MONTH
