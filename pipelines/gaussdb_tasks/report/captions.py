"""What a plot shows, in words: for its caption, and for who cannot see it."""

from collections.abc import Sequence

from gaussdb_tasks.report.figures import Bucket, DurationPoint, Kind, RatePoint, Step
from gaussdb_tasks.report.words import SPACE, count, counted, day, duration, percent

_WHEN = {Bucket.DAY: "on", Bucket.WEEK: "in the week of", Bucket.MONTH: "in the month of"}


def durations_in_short(kind: Kind) -> str:
    """Return the median and the 95th percentile over all time, each on a line."""
    if kind.timed_count is None:
        return "no task with a duration"
    tasks, within = counted(kind.timed_count, "task"), duration(kind.p95_seconds)
    return f"{tasks}, median {duration(kind.p50_seconds)}\n95{SPACE}% within {within}"


def durations_at_length(points: Sequence[DurationPoint], bucket: Bucket) -> str:
    """Return the range of the medians, and when the 95th percentile was highest."""
    medians = [point.p50_seconds for point in points]
    top = max(points, key=lambda point: point.p95_seconds)
    return (
        f"{counted(len(points), bucket.value)} with tasks, {_from_to(points)}. "
        f"The median lies between {duration(min(medians))} and {duration(max(medians))}. "
        f"The 95th percentile is highest {_WHEN[bucket]} {day(top.starts_on)}, "
        f"with {duration(top.p95_seconds)}."
    )


def rates_in_short(kind: Kind) -> str:
    """Return the failure rate over all time, with its bounds."""
    return (
        f"{count(kind.failed_count)} of {count(kind.finished_count)} failed: "
        f"{percent(kind.failure_rate)} ({bounds(kind)})"
    )


def bounds(rated: Kind | RatePoint) -> str:
    """Return the 95 % bounds of a failure rate."""
    return f"{percent(rated.failure_rate_low)} to {percent(rated.failure_rate_high)}"


def rates_at_length(points: Sequence[RatePoint], bucket: Bucket) -> str:
    """Return how often nothing failed, and when the rate was highest."""
    said = f"{counted(len(points), bucket.value)} with tasks, {_from_to(points)}."
    top = max(points, key=lambda point: point.failure_rate)
    if not top.failed_count:
        return f"{said} Nothing failed."
    quiet = sum(not point.failed_count for point in points)
    return (
        f"{said} Without a failure: {count(quiet)}. The rate is highest {_WHEN[bucket]} "
        f"{day(top.starts_on)}: {count(top.failed_count)} of {count(top.finished_count)} failed, "
        f"{percent(top.failure_rate)} ({bounds(top)})."
    )


def steps_in_short(kind: Kind) -> str:
    """Return the shortest and the longest duration."""
    if kind.timed_count is None:
        return durations_in_short(kind)
    return f"shortest {duration(kind.min_seconds)}, longest {duration(kind.max_seconds)}"


def steps_at_length(steps: Sequence[Step], kind: Kind) -> str:
    """Return where most of the tasks lie, and the median."""
    top = max(steps, key=lambda step: step.share)
    return (
        f"{counted(len(steps), 'step')}. Most tasks, {percent(top.share)}, took "
        f"{step_bounds(top)}. The median is {duration(kind.p50_seconds)}."
    )


def step_bounds(step: Step) -> str:
    """Return from where to where a step goes."""
    if step.to_seconds is None:
        return f"{duration(step.from_seconds)} or longer"
    if step.from_seconds == 0:
        return f"less than {duration(step.to_seconds)}"
    return f"{duration(step.from_seconds)} to {duration(step.to_seconds)}"


def _from_to(points: Sequence[DurationPoint] | Sequence[RatePoint]) -> str:
    return f"from {day(points[0].starts_on)} to {day(points[-1].starts_on)}"
