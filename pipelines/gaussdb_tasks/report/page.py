"""Render the report: one HTML file with tables, plots and a small script; it loads nothing."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from gaussdb_tasks.report import captions, formatting, listings, plots
from gaussdb_tasks.report.attention import attention_items
from gaussdb_tasks.report.buckets import MAX_MONTHS
from gaussdb_tasks.report.figures import Figures, TaskKindFigures
from gaussdb_tasks.report.formatting import count, counted, percent
from gaussdb_tasks.report.scales import duration_scale, rate_scale
from gaussdb_tasks.report.tables import Table, foreign, time_cell
from gaussdb_tasks.version import VERSION

_OPEN_KINDS: Final = 2
"""The plots of so many kinds are not folded."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The databases of a report, and the time at which the report was created."""

    databases: Sequence[str]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Tile:
    """A large number with its name, a note, and its course over time."""

    name: str
    number: str
    note: str
    course: Markup | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of a kind of task, in words and as a table, too."""

    about: str
    caption: str
    description: str
    drawing: Markup
    numbers: Table


def make_page(figures: Figures, origin: Origin) -> bytes:
    """Return the page as UTF-8. The same figures and origin give the same bytes."""
    looked_at, others = listings.project_tables(figures, origin.made_at)
    css, script = _text("page.css"), _text("page.js")
    page = _template().render(
        figures=figures,
        origin=origin,
        version=VERSION,
        tiles=list(_tiles(figures)),
        covered=_covered(figures),
        attention_items=attention_items(figures, origin.made_at),
        instances=listings.instances_table(figures),
        reasons=listings.reasons_table(figures),
        kinds=listings.kinds_table(figures),
        rare_kinds=listings.rare_kinds_table(figures),
        plots_of_kinds=[(each.kind, list(_plots(each, figures))) for each in figures.kinds],
        open_kinds=_OPEN_KINDS,
        slow_tasks=listings.slow_tasks_table(figures),
        looked_at=looked_at,
        other_projects=others,
        archives=listings.archives_table(figures),
        plots=plots,
        max_months=MAX_MONTHS,
        css=Markup(css),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        style_hash=_hash(css),
        script_hash=_hash(script),
    )
    return page.lstrip().encode()  # the macros leave blank lines


def _tiles(figures: Figures) -> Iterator[Tile]:
    totals, projects = figures.totals, figures.projects
    task_count = sum(each.task_count for each in projects)
    yield Tile("Tasks", count(task_count), f"in {counted(len(projects), 'project')}")
    finished = [(each.starts_on, each.finished_count) for each in figures.counts]
    failed = [(each.starts_on, each.failed_count) for each in figures.counts]
    kinds = f"{counted(totals.kind_count, 'kind')} of task"
    rate = "none has finished"
    if totals.failure_rate is not None:
        rate = f"{percent(totals.failure_rate)} of finished"
    for name, number, note, values, css in (
        ("Finished", totals.finished_count, kinds, finished, "time-bar"),
        ("Failed", totals.failed_count, rate, failed, "fail-bar"),
    ):
        course = None
        if figures.duration_period is not None:
            bucket = figures.duration_period.bucket
            words = captions.course(values, bucket, lambda number: count(int(number)))
            course = plots.draw_bars(values, figures.duration_period, css, words)
        yield Tile(name, count(number), note, course)
    in_flight = sum(each.open_task_count for each in projects)
    note = f"{count(figures.overdue_tasks.total)} overdue"
    if figures.lost_tasks.total:
        note += f"; {count(figures.lost_tasks.total)} more lost from sight"
    yield Tile("In flight", count(in_flight), note)
    lost = sum(gap.is_lost for gap in figures.gaps)
    gaps = len(figures.gaps)
    yield Tile("Coverage gaps", count(gaps), f"{count(gaps - lost)} open, {count(lost)} lost")


def _covered(figures: Figures) -> tuple[Markup | str, Markup | str] | None:
    starts = [each.covered_from for each in figures.projects if each.covered_from is not None]
    ends = [each.covered_to for each in figures.projects if each.covered_to is not None]
    if not starts or not ends:
        return None
    return time_cell(min(starts)).content, time_cell(max(ends)).content


def _plots(shown: TaskKindFigures, figures: Figures) -> Iterator[Plot]:
    kind, durations, rates, bins = shown.kind, shown.durations, shown.rates, shown.bins
    if durations and figures.duration_period is not None:
        bucket = figures.duration_period.bucket
        seconds = duration_scale(
            min(point.p50_seconds for point in durations),
            max(point.p95_seconds for point in durations),
        )
        yield Plot(
            f"Durations by {bucket.value}",
            captions.duration_caption(kind),
            captions.duration_description(durations, bucket),
            plots.draw_durations(durations, figures.duration_period, seconds),
            listings.duration_numbers(durations, bucket),
        )
    if rates and figures.rate_period is not None:
        bucket = figures.rate_period.bucket
        scale = rate_scale(max(point.failure_rate_high for point in rates))
        yield Plot(
            f"Failure rate by {bucket.value}",
            captions.rate_caption(kind),
            captions.rate_description(rates, bucket),
            plots.draw_rates(rates, figures.rate_period, scale, kind.failure_rate),
            listings.rate_numbers(rates, bucket),
        )
    if bins:
        yield Plot(
            "Distribution of durations",
            captions.histogram_caption(kind),
            captions.histogram_description(bins, kind),
            plots.draw_histogram(bins, kind.p50_seconds),
            listings.bin_numbers(bins),
        )


def _hash(text: str) -> str:
    """Return the source expression with which a content security policy allows a text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


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
    environment.filters["foreign"] = foreign
    environment.filters["minute"] = formatting.minute
    environment.filters["count"] = count
    environment.filters["counted"] = counted
    return environment.get_template("page.html.j2")


def _text(name: str) -> str:
    return (files("gaussdb_tasks.report") / name).read_text(encoding="utf-8")
