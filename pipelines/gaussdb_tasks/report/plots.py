"""Draw the plots as the content of SVG elements; their colours are classes of the page's CSS."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from gaussdb_tasks.report import captions, svg
from gaussdb_tasks.report.buckets import Bucket, ReportPeriod, bucket_days, bucket_end
from gaussdb_tasks.report.figures import (
    CoverageGap,
    DurationBin,
    DurationPoint,
    ProjectStatus,
    RatePoint,
)
from gaussdb_tasks.report.formatting import counted, duration, minute, short_duration
from gaussdb_tasks.report.scales import Scale, Tick, rate_scale, time_scale

WIDTH: Final = 340
HEIGHT: Final = 174
_LEFT: Final = 50
_RIGHT: Final = 318
_TOP: Final = 10
_BOTTOM: Final = 148

_TICK_LENGTH: Final = 3
_X_LABEL_BASELINE: Final = 166
_Y_LABEL_END: Final = 46.5
_Y_LABEL_DROP: Final = 4
"""From a tick down to the baseline of its label, so that the label is centred."""

_EDGE: Final = 0.07
"""The part of the axis that half a long label takes."""
_SHORT_LABEL: Final = 6

_BAR_WIDTH: Final = 0.86
_BIN_WIDTH: Final = 0.94
_MEDIAN_RADIUS: Final = 2.2
_RATE_RADIUS: Final = 2.3
_MAX_CIRCLES: Final = 70
_MAX_BIN_LABELS: Final = 6
_MIN_BINS: Final = 5

_SMALL_WIDTH: Final = 120
_SMALL_HEIGHT: Final = 24
_MAX_BAR: Final = 8
_MAX_GAPS: Final = 8
_MIN_GAP: Final = 1.5
"""Width of the shortest gap, in hundredths of the strip."""


@dataclass(frozen=True, slots=True)
class _Axes:
    across: Scale
    up: Scale

    def x(self, value: float) -> float:
        return _LEFT + self.across.fraction(value) * (_RIGHT - _LEFT)

    def y(self, value: float) -> float:
        return _BOTTOM - self.up.fraction(value) * (_BOTTOM - _TOP)


def draw_durations(points: Sequence[DurationPoint], period: ReportPeriod, seconds: Scale) -> Markup:
    """Draw medians as a line, and a bar from each median to the 95th percentile.

    Args:
        points: in order of time.
        period: the time axis.
        seconds: the axis of durations.
    """
    axes = _Axes(time_scale(period), seconds)
    runs = list(_runs(period.bucket, points))
    # Many medians are a line without circles; a single one would be invisible without its circle.
    with_circle = {
        point.starts_on
        for run in runs
        for point in run
        if len(points) <= _MAX_CIRCLES or len(run) == 1
    }
    return svg.join(
        [
            _y_axis(axes),
            *(
                _duration_mark(
                    axes, period.bucket, point, has_circle=point.starts_on in with_circle
                )
                for point in points
            ),
            *(_median_line(axes, period.bucket, run) for run in runs if len(run) > 1),
            _x_axis(axes),
        ]
    )


def draw_rates(
    points: Sequence[RatePoint], period: ReportPeriod, rates: Scale, overall: float
) -> Markup:
    """Draw failure rates as circles between their bounds; a circle is hollow if nothing failed.

    Args:
        points: in order of time.
        period: the time axis.
        rates: the axis of rates.
        overall: the rate over all time, drawn as a dashed line.
    """
    axes = _Axes(time_scale(period), rates)
    return svg.join(
        [
            _y_axis(axes),
            svg.line("overall", _LEFT, axes.y(overall), _RIGHT, axes.y(overall)),
            *(_rate_mark(axes, period.bucket, point) for point in points),
            _x_axis(axes),
        ]
    )


def draw_histogram(bins: Sequence[DurationBin], median_seconds: float | None) -> Markup:
    """Draw the share of tasks in each bin as a bar, and the median as a line.

    Args:
        bins: in order, without a gap between them.
        median_seconds: the median duration.
    """
    axes = _Axes(_bin_scale(bins), rate_scale(max(each.share for each in bins)))
    elements = [
        _y_axis(axes),
        *(_bin_mark(axes, place, each) for place, each in enumerate(bins)),
        _x_axis(axes),
    ]
    if median_seconds is not None:
        x = axes.x(_bin_position(bins, median_seconds))
        title = f"median {duration(median_seconds)}"
        elements.append(svg.mark(title, svg.line("median", x, _BOTTOM, x, _TOP)))
    return svg.join(elements)


def draw_bars(
    values: Sequence[tuple[date, float]], period: ReportPeriod, css_class: str, words: str
) -> Markup:
    """Draw a small plot without axes: a bar for each bucket, the highest as high as the plot.

    Args:
        values: the first day of each bucket and its value, in order of time.
        period: the time axis.
        css_class: the class of the bars.
        words: the description for screen readers and on hover.
    """
    across, top = time_scale(period), max(value for _, value in values) or 1
    bars = []
    for starts_on, value in values:
        days = bucket_days(period.bucket, starts_on)
        left, right = (
            _SMALL_WIDTH * across.fraction(starts_on.toordinal() + part * days) for part in (0, 1)
        )
        width = min(_BAR_WIDTH * (right - left), _MAX_BAR)
        bars.append(((left + right - width) / 2, width, _SMALL_HEIGHT * value / top))
    return svg.image(
        "small", _SMALL_WIDTH, _SMALL_HEIGHT, words, svg.bars(css_class, bars, _SMALL_HEIGHT)
    )


def draw_coverage(status: ProjectStatus, gaps: Sequence[CoverageGap]) -> Markup:
    """Draw the covered time of a project as a strip, with its longest gaps."""
    times = [at for at in (status.covered_from, status.covered_to) if at is not None]
    start, end = (
        min(times + [gap.gap_from for gap in gaps]),
        max(times + [gap.gap_to for gap in gaps]),
    )
    longest = sorted(gaps, key=lambda gap: -gap.gap_seconds)[:_MAX_GAPS]
    whole = (end - start).total_seconds()
    marks = []
    for gap in longest:
        left = 100 * (gap.gap_from - start).total_seconds() / whole
        width = max(100 * gap.gap_seconds / whole, _MIN_GAP)
        state = "lost" if gap.is_lost else "open"
        title = f"{state} gap: {minute(gap.gap_from)} to {minute(gap.gap_to)}"
        marks.append(svg.mark(title, svg.rectangle(state, min(left, 100 - width), 0, width, 8)))
    words = f"{counted(status.gap_count, 'gap')}, {status.lost_gap_count:,} lost"
    covered = svg.rectangle("covered", 0, 0, 100, 8)
    return svg.bar(words, words, covered, *marks)


def _duration_mark(
    axes: _Axes, bucket: Bucket, point: DurationPoint, *, has_circle: bool
) -> Markup:
    middle = _middle(bucket, point)
    half = _BAR_WIDTH * bucket_days(bucket, point.starts_on) / 2
    left, right = axes.x(middle - half), axes.x(middle + half)
    low, high = axes.y(point.p50_seconds), axes.y(point.p95_seconds)
    shapes = [
        _hover_area(axes, bucket, point),
        svg.rectangle("time-range", left, high, right - left, low - high),
        svg.line("time-edge", left, high, right, high),
    ]
    if has_circle:
        shapes.append(svg.circle("time-point", axes.x(middle), low, _MEDIAN_RADIUS))
    return svg.mark(captions.duration_title(point, bucket), *shapes)


def _median_line(axes: _Axes, bucket: Bucket, run: Sequence[DurationPoint]) -> Markup:
    places = ((axes.x(_middle(bucket, point)), axes.y(point.p50_seconds)) for point in run)
    return svg.polyline("time-line", places)


def _rate_mark(axes: _Axes, bucket: Bucket, point: RatePoint) -> Markup:
    x = axes.x(_middle(bucket, point))
    return svg.mark(
        captions.rate_title(point, bucket),
        _hover_area(axes, bucket, point),
        svg.line(
            "fail-bounds", x, axes.y(point.failure_rate_low), x, axes.y(point.failure_rate_high)
        ),
        svg.circle(
            "fail-point" if point.failed_count else "fail-none",
            x,
            axes.y(point.failure_rate),
            _RATE_RADIUS,
        ),
    )


def _bin_mark(axes: _Axes, place: int, each: DurationBin) -> Markup:
    left, right = axes.x(place), axes.x(place + 1)
    margin = (right - left) * (1 - _BIN_WIDTH) / 2
    top = axes.y(each.share)
    return svg.mark(
        captions.bin_title(each),
        svg.rectangle("hover", left, _TOP, right - left, _BOTTOM - _TOP),
        svg.rectangle("share", left + margin, top, right - left - 2 * margin, _BOTTOM - top),
    )


def _hover_area(axes: _Axes, bucket: Bucket, point: DurationPoint | RatePoint) -> Markup:
    """Cover the whole bucket, since a circle alone is hard to hit."""
    left = axes.x(point.starts_on.toordinal())
    right = axes.x(bucket_end(bucket, point.starts_on))
    return svg.rectangle("hover", left, _TOP, right - left, _BOTTOM - _TOP)


def _y_axis(axes: _Axes) -> Markup:
    """Draw a grid line and a label for each tick."""
    return svg.join(
        element
        for tick in axes.up.ticks
        for y in [axes.y(tick.at)]
        for element in (
            svg.line("grid-line", _LEFT, y, _RIGHT, y),
            svg.label(tick.label, _Y_LABEL_END, y + _Y_LABEL_DROP, "end"),
        )
    )


def _x_axis(axes: _Axes) -> Markup:
    """Draw the axis at the bottom, with its ticks and labels."""
    ticks = (
        element
        for tick in axes.across.ticks
        for x in [axes.x(tick.at)]
        for element in (
            svg.line("axis", x, _BOTTOM, x, _BOTTOM + _TICK_LENGTH),
            svg.label(tick.label, x, _X_LABEL_BASELINE, _anchor(tick, axes.across)),
        )
    )
    return svg.join([svg.line("axis", _LEFT, _BOTTOM, _RIGHT, _BOTTOM), *ticks])


def _anchor(tick: Tick, across: Scale) -> str:
    """End a long label at its tick where it would otherwise be cut off."""
    is_at_edge = across.fraction(tick.at) > 1 - _EDGE
    return "end" if is_at_edge and len(tick.label) > _SHORT_LABEL else "middle"


def _bin_scale(bins: Sequence[DurationBin]) -> Scale:
    """Return an axis on which all bins have the same width."""
    bounds = [each.from_seconds for each in bins]
    if bins[-1].to_seconds is not None:
        bounds.append(bins[-1].to_seconds)
    every = math.ceil(len(bounds) / _MAX_BIN_LABELS)
    # Count from the end: the longest durations matter most.
    first = (len(bounds) - 1) % every
    ticks = [
        Tick(place, short_duration(bound))
        for place, bound in enumerate(bounds)
        if place % every == first
    ]
    margin = max(_MIN_BINS - len(bins), 0) / 2  # keeps a single bar narrow
    return Scale(-margin, len(bins) + margin, ticks)


def _bin_position(bins: Sequence[DurationBin], seconds: float) -> float:
    """Return the position of a duration on the axis of bins; each bin is logarithmic."""
    place, found = next(
        (place, each)
        for place, each in reversed(list(enumerate(bins)))
        if each.from_seconds <= seconds
    )
    if found.to_seconds is None:
        return place + 0.5
    if found.from_seconds == 0:
        return place + seconds / found.to_seconds
    ratio = found.to_seconds / found.from_seconds
    return place + math.log(seconds / found.from_seconds) / math.log(ratio)


def _runs(bucket: Bucket, points: Sequence[DurationPoint]) -> Iterator[list[DurationPoint]]:
    """Split points at buckets without tasks."""
    run: list[DurationPoint] = []
    for point in points:
        if run and bucket_end(bucket, run[-1].starts_on) != point.starts_on.toordinal():
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _middle(bucket: Bucket, point: DurationPoint | RatePoint) -> float:
    return point.starts_on.toordinal() + bucket_days(bucket, point.starts_on) / 2
