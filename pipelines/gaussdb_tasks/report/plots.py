"""The plots: small SVG drawings that take their colours and their font from the page.

Only this module knows matplotlib. A drawing holds numbers and dates, never a text of others.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from gaussdb_tasks.report.figures import Bucket, DurationPoint, Period, RatePoint, Step
from gaussdb_tasks.report.scales import Scale, Tick, bucket_end, rate_scale, time_scale
from gaussdb_tasks.report.words import short_duration

WIDTH: Final = 340
HEIGHT: Final = 174
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 22, 10, 26
_POINTS_PER_INCH: Final = 72
_MOST_BOUNDS: Final = 6
_FEWEST_STEPS: Final = 5
_MOST_MARKS: Final = 70
_BAR: Final = 0.86
_SHORT_LABEL: Final = 6
_EDGE: Final = 0.07
"""What part of an axis half a label takes."""

# Who drew it, a style for any page, fonts, and turns by nothing.
_NOT_OF_THE_PAGE: Final = re.compile(
    r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->"
    r"|font-[a-z]+: [^;\"]*; | transform=\"rotate\(-0 [^)]*\)\"",
    re.DOTALL,
)
_ID: Final = re.compile(r' id="([^"]*)"')
_REFERENCE: Final = re.compile(r'(?<=[("])#([^")]+)')

# Colours that stand for those of the page, which differ by light and dark.
_PAGE_COLOURS: Final[Mapping[str, str]] = {
    "#010101": "var(--axis)",
    "#020202": "var(--grid)",
    "#030303": "var(--quiet)",
    "#040404": "var(--time)",
    "#050505": "var(--time-soft)",
    "#060606": "var(--fail)",
    "#070707": "var(--fail-edge)",
    "#080808": "var(--spread)",
    "#090909": "var(--card)",
    "#0a0a0a": "var(--ink)",
    "#0b0b0b": "var(--time-edge)",
}
_COLOURS: Final = {
    name.removeprefix("var(--").removesuffix(")"): colour for colour, name in _PAGE_COLOURS.items()
}

_SETTINGS: Final[Mapping[Any, Any]] = {
    "axes.edgecolor": _COLOURS["axis"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.labelcolor": _COLOURS["quiet"],
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.color": _COLOURS["grid"],
    "grid.linewidth": 0.8,
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "gaussdb-tasks",
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": _COLOURS["axis"],
    "xtick.labelcolor": _COLOURS["quiet"],
    "xtick.major.pad": 6.5,
    "xtick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.labelcolor": _COLOURS["quiet"],
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """What stands inside an ``svg`` element, and how large it is."""

    width: int
    height: int
    body: str


def draw_durations(
    name: str, points: Sequence[DurationPoint], period: Period, seconds: Scale
) -> Drawing:
    """Draw medians as a line, and bars from each up to the 95th percentile.

    Args:
        name: what tells the drawing from others of the page.
        points: in order of time.
        period: the time across, and what a point stands for.
        seconds: the axis of durations.
    """

    def draw(axes: Axes) -> None:
        _set_scales(axes, time_scale(period), seconds)
        axes.bar(
            [_middle(period.bucket, point) for point in points],
            [point.p95_seconds - point.p50_seconds for point in points],
            [_BAR * _length(period.bucket, point) for point in points],
            [point.p50_seconds for point in points],
            color=_COLOURS["time-soft"],
        )
        axes.hlines(
            [point.p95_seconds for point in points],
            *_bar_ends(period.bucket, points),
            colors=_COLOURS["time-edge"],
            linewidth=1.2,
        )
        for run in _runs(period.bucket, points):
            axes.plot(
                [_middle(period.bucket, point) for point in run],
                [point.p50_seconds for point in run],
                color=_COLOURS["time"],
                marker="o",
                # Many points are a line; one alone would be nothing without its mark.
                markersize=3.4 if len(points) <= _MOST_MARKS or len(run) == 1 else 0,
                clip_on=False,
            )

    return _drawing(name, draw)


def draw_rates(
    name: str,
    points: Sequence[RatePoint],
    period: Period,
    rates: Scale,
    overall: float,
) -> Drawing:
    """Draw failure rates as points between their bounds, hollow where nothing failed.

    Args:
        name: what tells the drawing from others of the page.
        points: in order of time.
        period: the time across, and what a point stands for.
        rates: the axis of rates.
        overall: the rate over all time, a line across.
    """

    def draw(axes: Axes) -> None:
        _set_scales(axes, time_scale(period), rates)
        axes.axhline(overall, color=_COLOURS["quiet"], linewidth=1, linestyle=(0, (4, 3)))
        middles = [_middle(period.bucket, point) for point in points]
        axes.vlines(
            middles,
            [point.failure_rate_low for point in points],
            [point.failure_rate_high for point in points],
            colors=_COLOURS["fail-edge"],
            linewidth=2,
        )
        for is_filled, face in ((True, "fail"), (False, "card")):
            chosen = [n for n, point in enumerate(points) if (point.failed_count > 0) is is_filled]
            axes.plot(
                [middles[n] for n in chosen],
                [points[n].failure_rate for n in chosen],
                color=_COLOURS["fail"],
                linestyle="none",
                marker="o",
                markersize=4.6,
                markeredgewidth=1.2,
                markerfacecolor=_COLOURS[face],
                clip_on=False,
            )

    return _drawing(name, draw)


def draw_steps(name: str, steps: Sequence[Step], median_seconds: float | None) -> Drawing:
    """Draw how the durations of a kind spread: a bar a step, a line at the median.

    Args:
        name: what tells the drawing from others of the page.
        steps: in order, without a gap.
        median_seconds: where half of the tasks lie below.
    """

    def draw(axes: Axes) -> None:
        shares = rate_scale(max(step.share for step in steps))
        _set_scales(axes, _step_scale(steps), shares)
        axes.bar(
            [place + 0.5 for place in range(len(steps))],
            [step.share for step in steps],
            0.94,
            color=_COLOURS["spread"],
        )
        if median_seconds is not None:
            axes.axvline(_place(steps, median_seconds), color=_COLOURS["ink"], linewidth=1.4)

    return _drawing(name, draw)


def _step_scale(steps: Sequence[Step]) -> Scale:
    """Return an axis on which each step is as wide as the next."""
    bounds = [step.from_seconds for step in steps]
    if steps[-1].to_seconds is not None:
        bounds.append(steps[-1].to_seconds)
    every = math.ceil(len(bounds) / _MOST_BOUNDS)
    # From the end: the longest durations are those to know.
    first = (len(bounds) - 1) % every
    ticks = [
        Tick(place, short_duration(bound))
        for place, bound in enumerate(bounds)
        if place % every == first
    ]
    spare = max(_FEWEST_STEPS - len(steps), 0) / 2  # a single bar is no wall
    return Scale(-spare, len(steps) + spare, ticks)


def _place(steps: Sequence[Step], seconds: float) -> float:
    """Return where a duration lies on the axis of steps, which is logarithmic within each."""
    place, step = next(
        (place, step)
        for place, step in reversed(list(enumerate(steps)))
        if step.from_seconds <= seconds
    )
    if step.to_seconds is None:
        return place + 0.5
    if step.from_seconds == 0:
        return place + seconds / step.to_seconds
    ratio = step.to_seconds / step.from_seconds
    return place + math.log(seconds / step.from_seconds) / math.log(ratio)


def _set_scales(axes: Axes, across: Scale, up: Scale) -> None:
    if up.is_logarithmic:
        axes.set_yscale("symlog", linthresh=1)
    axes.set_xlim(across.low, across.high)
    axes.set_ylim(up.low, up.high)
    axes.set_xticks([tick.at for tick in across.ticks], [tick.label for tick in across.ticks])
    axes.set_yticks([tick.at for tick in up.ticks], [tick.label for tick in up.ticks])
    for label in axes.get_xticklabels():
        _keep_inside(label, across)


def _keep_inside(label: Text, scale: Scale) -> None:
    """Let a label at the end of the axis grow inwards where it would be cut."""
    place = (label.get_position()[0] - scale.low) / (scale.high - scale.low)
    if place > 1 - _EDGE and len(label.get_text()) > _SHORT_LABEL:
        label.set_horizontalalignment("right")


def _runs(bucket: Bucket, points: Sequence[DurationPoint]) -> Iterator[list[DurationPoint]]:
    """Part points where a bucket without tasks lies between them: nothing is known of it."""
    run: list[DurationPoint] = []
    for point in points:
        if run and bucket_end(bucket, run[-1].starts_on) != point.starts_on.toordinal():
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _length(bucket: Bucket, point: DurationPoint | RatePoint) -> int:
    return bucket_end(bucket, point.starts_on) - point.starts_on.toordinal()


def _middle(bucket: Bucket, point: DurationPoint | RatePoint) -> float:
    return point.starts_on.toordinal() + _length(bucket, point) / 2


def _bar_ends(bucket: Bucket, points: Sequence[DurationPoint]) -> tuple[list[float], list[float]]:
    halves = [_BAR * _length(bucket, point) / 2 for point in points]
    middles = [_middle(bucket, point) for point in points]
    return (
        [middle - half for middle, half in zip(middles, halves, strict=True)],
        [middle + half for middle, half in zip(middles, halves, strict=True)],
    )


def _drawing(name: str, draw: Callable[[Axes], None]) -> Drawing:
    with style.context(["default", dict(_SETTINGS)]):  # whatever the user has set
        figure = Figure(figsize=(WIDTH / _POINTS_PER_INCH, HEIGHT / _POINTS_PER_INCH))
        axes = figure.add_axes(
            (
                _LEFT / WIDTH,
                _BOTTOM / HEIGHT,
                1 - (_LEFT + _RIGHT) / WIDTH,
                1 - (_BOTTOM + _TOP) / HEIGHT,
            )
        )
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return Drawing(WIDTH, HEIGHT, _for_the_page(out.getvalue(), name))


def _for_the_page(svg: str, name: str) -> str:
    """Return what is inside the ``svg`` element, with names and colours that fit the page."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = " ".join(_NOT_OF_THE_PAGE.sub("", body).split())
    for colour, page_colour in _PAGE_COLOURS.items():
        body = body.replace(colour, page_colour)
    return _with_own_names(body, name)


def _with_own_names(body: str, name: str) -> str:
    """Drop the ids that nothing refers to, and begin the others with the drawing's name."""
    referred = set(_REFERENCE.findall(body))
    body = _REFERENCE.sub(lambda found: found[0].replace("#", f"#{name}-"), body)
    return _ID.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in referred else "", body)
