"""Describe plots in words: captions, descriptions for screen readers, and titles of marks."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from gaussdb_tasks.report.buckets import Bucket
from gaussdb_tasks.report.figures import DurationBin, DurationPoint, RatePoint, TaskKind
from gaussdb_tasks.report.formatting import SPACE, count, counted, day, duration, percent

_WHEN = {Bucket.DAY: "on", Bucket.WEEK: "in the week of", Bucket.MONTH: "in the month of"}
_STARTS = {Bucket.DAY: "", Bucket.WEEK: "week of ", Bucket.MONTH: "month of "}


def duration_caption(kind: TaskKind) -> str:
    """Return the median and the 95th percentile over all time, each on a line."""
    if kind.timed_count is None:
        return "no task with a duration"
    tasks, p95 = counted(kind.timed_count, "task"), duration(kind.p95_seconds)
    return f"{tasks}, median {duration(kind.p50_seconds)}\n95{SPACE}% within {p95}"


def duration_description(points: Sequence[DurationPoint], bucket: Bucket) -> str:
    """Return the range of the medians and the highest 95th percentile."""
    medians = [point.p50_seconds for point in points]
    top = max(points, key=lambda point: point.p95_seconds)
    return (
        f"{_period(points, bucket)} "
        f"The median is between {duration(min(medians))} and {duration(max(medians))}. "
        f"The 95th percentile is highest {_WHEN[bucket]} {day(top.starts_on)}: "
        f"{duration(top.p95_seconds)}."
    )


def duration_title(point: DurationPoint, bucket: Bucket) -> str:
    """Return the values of a point of durations."""
    return (
        f"{_STARTS[bucket]}{day(point.starts_on)}: median {duration(point.p50_seconds)}, "
        f"95{SPACE}% within {duration(point.p95_seconds)} ({counted(point.finished_count, 'task')})"
    )


def course(
    values: Sequence[tuple[date, float]], bucket: Bucket, shown: Callable[[float], str]
) -> str:
    """Return the range of the values of a small plot, and the bucket of the highest."""
    on, highest = max(values, key=lambda each: each[1])
    lowest = min(value for _, value in values)
    return (
        f"By {bucket.value}: {shown(lowest)} to {shown(highest)}, highest {_WHEN[bucket]} {day(on)}"
    )


def rate_caption(kind: TaskKind) -> str:
    """Return the failure rate over all time, with its bounds."""
    return (
        f"{count(kind.failed_count)} of {count(kind.finished_count)} failed: "
        f"{percent(kind.failure_rate)} ({bounds(kind)})"
    )


def rate_description(points: Sequence[RatePoint], bucket: Bucket) -> str:
    """Return the number of buckets without a failure and the highest rate."""
    period = _period(points, bucket)
    top = max(points, key=lambda point: point.failure_rate)
    if not top.failed_count:
        return f"{period} Nothing failed."
    without_failure = sum(not point.failed_count for point in points)
    return (
        f"{period} {counted(without_failure, bucket.value)} without a failure. "
        f"The rate is highest {_WHEN[bucket]} {day(top.starts_on)}: {_rate(top)}."
    )


def rate_title(point: RatePoint, bucket: Bucket) -> str:
    """Return the values of a point of failure rates."""
    return f"{_STARTS[bucket]}{day(point.starts_on)}: {_rate(point)}"


def bounds(rated: Any) -> str:
    """Return the 95 % bounds of a failure rate."""
    return f"{percent(rated.failure_rate_low)} to {percent(rated.failure_rate_high)}"


def histogram_caption(kind: TaskKind) -> str:
    """Return the shortest and the longest duration."""
    if kind.timed_count is None:
        return duration_caption(kind)
    return f"shortest {duration(kind.min_seconds)}, longest {duration(kind.max_seconds)}"


def histogram_description(bins: Sequence[DurationBin], kind: TaskKind) -> str:
    """Return the bin with the most tasks, and the median."""
    top = max(bins, key=lambda each: each.share)
    return (
        f"{counted(len(bins), 'bin')}. The largest bin is {bin_range(top)}, "
        f"with {percent(top.share)} of the tasks. The median is {duration(kind.p50_seconds)}."
    )


def bin_title(each: DurationBin) -> str:
    """Return the values of a bin."""
    return f"{bin_range(each)}: {percent(each.share)} ({counted(each.finished_count, 'task')})"


def bin_range(each: DurationBin) -> str:
    """Return the lower and upper end of a bin."""
    if each.to_seconds is None:
        return f"{duration(each.from_seconds)} or longer"
    if each.from_seconds == 0:
        return f"less than {duration(each.to_seconds)}"
    return f"{duration(each.from_seconds)} to {duration(each.to_seconds)}"


def _rate(point: RatePoint) -> str:
    return (
        f"{count(point.failed_count)} of {count(point.finished_count)} failed, "
        f"{percent(point.failure_rate)} ({bounds(point)})"
    )


def _period(points: Sequence[DurationPoint] | Sequence[RatePoint], bucket: Bucket) -> str:
    return (
        f"{counted(len(points), bucket.value)} with tasks, "
        f"from {day(points[0].starts_on)} to {day(points[-1].starts_on)}."
    )
