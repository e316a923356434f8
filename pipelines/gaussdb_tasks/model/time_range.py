"""Time ranges: half-open intervals, merged and subtracted."""

from collections.abc import Iterable
from typing import NamedTuple

from gaussdb_tasks.model.times import Micros


class TimeRange(NamedTuple):
    """The times from ``start`` up to, but not including, ``end``."""

    start: Micros
    end: Micros

    def clip(self, to: "TimeRange") -> "TimeRange":
        """Return the part inside another time range; an empty one if there is none."""
        start = min(max(self.start, to.start), to.end)
        return TimeRange(start, max(start, min(self.end, to.end)))

    @property
    def is_empty(self) -> bool:
        """Whether it contains no time."""
        return self.end <= self.start


def merge(time_ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Join time ranges that overlap or touch; drop empty ones and sort the result."""
    merged: list[TimeRange] = []
    for time_range in sorted(time_ranges):
        if time_range.is_empty:
            continue
        if merged and time_range.start <= merged[-1].end:
            merged[-1] = TimeRange(merged[-1].start, max(merged[-1].end, time_range.end))
        else:
            merged.append(time_range)
    return tuple(merged)


def subtract(time_range: TimeRange, parts: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Return the time of a time range that is in none of the parts, sorted."""
    left: list[TimeRange] = []
    at = time_range.start
    for part in merge(parts):
        left.append(TimeRange(at, min(part.start, time_range.end)))
        at = max(at, part.end)
    left.append(TimeRange(at, time_range.end))
    return tuple(each for each in left if not each.is_empty)
