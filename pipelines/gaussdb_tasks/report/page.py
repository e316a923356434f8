"""The page: figures, drawings and captions put into one file of HTML that needs nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from gaussdb_tasks.report import captions, words
from gaussdb_tasks.report.concerns import concerns
from gaussdb_tasks.report.figures import MOST_KINDS, Figures, Kind, KindFigures, Period
from gaussdb_tasks.report.plots import Drawing, draw_durations, draw_rates, draw_steps
from gaussdb_tasks.report.scales import duration_scale, rate_scale
from gaussdb_tasks.report.strip import Day, year_strips
from gaussdb_tasks.version import VERSION

_MOST_GAPS: Final = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report comes from."""

    database: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing of a kind with its words; no drawing where there is nothing to draw."""

    key: str
    kind: Kind
    in_short: str
    at_length: str
    drawing: Drawing | None


def make_page(figures: Figures, origin: Origin) -> bytes:
    """Return the page as UTF-8. The same figures and origin give the same bytes."""
    page = _template().render(
        figures=figures,
        origin=origin,
        version=VERSION,
        concerns=concerns(figures),
        duration_plots=list(_duration_plots(figures)),
        rate_plots=list(_rate_plots(figures)),
        step_plots=list(_step_plots(figures)),
        strips=[year_strips(project) for project in figures.projects],
        most_kinds=MOST_KINDS,
        most_gaps=_MOST_GAPS,
        Day=Day,
        captions=captions,
        css=Markup(_text("page.css")),  # noqa: S704 - a file of our own
    )
    return page.lstrip().encode()  # what its macros leave of themselves


def _duration_plots(figures: Figures) -> Iterator[Plot]:
    for place, (shown, period) in enumerate(_in(figures.kinds, figures.duration_period)):
        points = shown.durations
        key = f"durations-{place}"
        drawing = at_length = None
        if points:
            seconds = duration_scale(
                min(point.p50_seconds for point in points),
                max(point.p95_seconds for point in points),
            )
            drawing = draw_durations(key, points, period, seconds)
            at_length = captions.durations_at_length(points, period.bucket)
        yield Plot(
            key, shown.kind, captions.durations_in_short(shown.kind), at_length or "", drawing
        )


def _rate_plots(figures: Figures) -> Iterator[Plot]:
    for place, (shown, period) in enumerate(_in(figures.kinds, figures.rate_period)):
        key, points = f"rates-{place}", shown.rates
        drawing = draw_rates(
            key,
            points,
            period,
            rate_scale(max(point.failure_rate_high for point in points)),
            shown.kind.failure_rate,
        )
        at_length = captions.rates_at_length(points, period.bucket)
        yield Plot(key, shown.kind, captions.rates_in_short(shown.kind), at_length, drawing)


def _step_plots(figures: Figures) -> Iterator[Plot]:
    for place, shown in enumerate(figures.kinds):
        key, steps, kind = f"steps-{place}", shown.steps, shown.kind
        drawing = draw_steps(key, steps, kind.p50_seconds) if steps else None
        at_length = captions.steps_at_length(steps, kind) if steps else ""
        yield Plot(key, kind, captions.steps_in_short(kind), at_length, drawing)


def _in(
    kinds: Sequence[KindFigures], period: Period | None
) -> Iterator[tuple[KindFigures, Period]]:
    """Yield the kinds with their period; without a period there are none."""
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
    for write in _FILTERS:
        environment.filters[write.__name__] = write
    return environment.get_template("page.html.j2")


def _text(name: str) -> str:
    return (files("gaussdb_tasks.report") / name).read_text(encoding="utf-8")


def body(drawing: Drawing) -> Markup:
    """Return what is inside a drawing, which is of our own making, as markup."""
    return Markup(drawing.body)  # noqa: S704 - numbers and dates; texts of others stand outside


def iso(at: datetime) -> str:
    """Write an instant for programs."""
    return f"{at.isoformat()}Z"


_FILTERS: Final[Sequence[Callable[..., str]]] = (
    body,
    iso,
    words.count,
    words.counted,
    words.day,
    words.duration,
    words.moment,
    words.percent,
    words.shown,
)
