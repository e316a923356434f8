"""Render the report: one HTML file with figures, plots and captions, and no external resource."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from gaussdb_tasks.report import captions, formatting, plots
from gaussdb_tasks.report.attention import attention_items
from gaussdb_tasks.report.buckets import ReportPeriod
from gaussdb_tasks.report.coverage_calendar import DayCoverage, year_calendars
from gaussdb_tasks.report.figures import Figures, TaskKind, TaskKindFigures
from gaussdb_tasks.report.queries import MAX_TASK_KINDS
from gaussdb_tasks.report.scales import duration_scale, rate_scale
from gaussdb_tasks.version import VERSION

_MAX_GAPS: Final = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """The database of a report, and the time at which the report was created."""

    database: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of a kind of task; the drawing is None if there is no data."""

    key: str
    kind: TaskKind
    caption: str
    description: str
    drawing: Markup | None


def make_page(figures: Figures, origin: Origin) -> bytes:
    """Return the page as UTF-8. The same figures and origin give the same bytes."""
    page = _template().render(
        figures=figures,
        origin=origin,
        version=VERSION,
        attention_items=attention_items(figures),
        duration_plots=list(_duration_plots(figures)),
        rate_plots=list(_rate_plots(figures)),
        histograms=list(_histograms(figures)),
        calendars=[year_calendars(project) for project in figures.projects],
        max_task_kinds=MAX_TASK_KINDS,
        max_gaps=_MAX_GAPS,
        plots=plots,
        DayCoverage=DayCoverage,
        captions=captions,
        css=Markup(_text("page.css")),  # noqa: S704 - a file of this package
    )
    return page.lstrip().encode()  # the macros leave blank lines


def _duration_plots(figures: Figures) -> Iterator[Plot]:
    for place, (shown, period) in enumerate(_with_period(figures.kinds, figures.duration_period)):
        points, drawing, description = shown.durations, None, ""
        if points:
            seconds = duration_scale(
                min(point.p50_seconds for point in points),
                max(point.p95_seconds for point in points),
            )
            drawing = plots.draw_durations(points, period, seconds)
            description = captions.duration_description(points, period.bucket)
        caption = captions.duration_caption(shown.kind)
        yield Plot(f"durations-{place}", shown.kind, caption, description, drawing)


def _rate_plots(figures: Figures) -> Iterator[Plot]:
    for place, (shown, period) in enumerate(_with_period(figures.kinds, figures.rate_period)):
        points, kind = shown.rates, shown.kind
        rates = rate_scale(max(point.failure_rate_high for point in points))
        drawing = plots.draw_rates(points, period, rates, kind.failure_rate)
        description = captions.rate_description(points, period.bucket)
        yield Plot(f"rates-{place}", kind, captions.rate_caption(kind), description, drawing)


def _histograms(figures: Figures) -> Iterator[Plot]:
    for place, shown in enumerate(figures.kinds):
        bins, kind = shown.bins, shown.kind
        drawing = plots.draw_histogram(bins, kind.p50_seconds) if bins else None
        description = captions.histogram_description(bins, kind) if bins else ""
        caption = captions.histogram_caption(kind)
        yield Plot(f"histogram-{place}", kind, caption, description, drawing)


def _with_period(
    kinds: Sequence[TaskKindFigures], period: ReportPeriod | None
) -> Iterator[tuple[TaskKindFigures, ReportPeriod]]:
    if period is not None:
        yield from ((kind, period) for kind in kinds)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {each.__name__: each for each in _FILTERS}
    return environment.get_template("page.html.j2")


def _text(name: str) -> str:
    return (files("gaussdb_tasks.report") / name).read_text(encoding="utf-8")


def iso(at: datetime) -> str:
    """Format a time for programs."""
    return f"{at.isoformat()}Z"


_FILTERS: Final[Sequence[Callable[..., str]]] = (
    iso,
    formatting.count,
    formatting.counted,
    formatting.day,
    formatting.duration,
    formatting.minute,
    formatting.percent,
    formatting.shown,
)
