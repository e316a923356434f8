"""Make the tables of the page: instances, reasons, kinds of tasks, slow tasks and projects."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

from markupsafe import Markup

from gaussdb_tasks.report import captions
from gaussdb_tasks.report.attention import project_problems
from gaussdb_tasks.report.buckets import Bucket, ReportPeriod
from gaussdb_tasks.report.figures import (
    CoverageGap,
    DurationBin,
    DurationPoint,
    Figures,
    Listing,
    ProjectStatus,
    RatePoint,
    TaskKindFigures,
)
from gaussdb_tasks.report.formatting import MISSING, count, day, duration, percent
from gaussdb_tasks.report.plots import draw_bars, draw_coverage
from gaussdb_tasks.report.tables import (
    MAX_TEXT,
    PROJECT,
    TASK,
    Cell,
    Column,
    Projects,
    Table,
    count_cell,
    duration_cell,
    foreign,
    kind_name,
    make_table,
    name_cell,
    percent_cell,
    rate_cell,
    share_cell,
    time_cell,
    with_detail,
)

_MAX_PROJECTS: Final = 1_000
_MAX_LOOKED_AT: Final = 100
_MAX_IN_VIEW: Final = 10
"""So many projects are shown at once; of more, only those that need attention."""
_MAX_DIGEST: Final = 128


def instances_table(figures: Figures) -> Table:
    """Return the instances that fail most, with their reasons."""
    listing = figures.instances
    top = max((each.failure_rate_high for each in listing.rows), default=1.0)
    columns = (
        Column("Instance", lambda each: name_cell(each.instance_name or each.instance_id)),
        Column("Failed", lambda each: count_cell(each.failed_count), "number"),
        Column("Finished", lambda each: count_cell(each.finished_count), "number"),
        Column("Failure rate", lambda each: rate_cell(each, top), "rate"),
        Column("Reasons", _reasons, "long"),
        Column("Last failure", lambda each: Cell(day(each.last_failed_at)), "day"),
    )
    question = "query failure_rates_by_instance"
    return make_table(
        "Instances that fail most", listing, columns, question, Projects(figures.projects)
    )


def reasons_table(figures: Figures) -> Table:
    """Return the reasons for failures."""
    columns = (
        Column("Reason", _reason, "long"),
        Column("Failed", lambda each: count_cell(each.failed_count), "number"),
        Column("Share of failures", lambda each: share_cell(each.share), "rate"),
        Column("Last failure", lambda each: Cell(day(each.last_failed_at)), "day"),
    )
    return make_table("Reasons for failures", figures.reasons, columns, "query failure_reasons")


def kinds_table(figures: Figures) -> Table:
    """Return the frequent kinds: durations and failure rates, with their course over time."""
    top = max((each.kind.failure_rate_high for each in figures.kinds), default=1.0)

    def medians(each: TaskKindFigures) -> Cell:
        values = [(point.starts_on, point.p50_seconds) for point in each.durations]
        return _course(values, figures.duration_period, "time-bar", duration)

    def rates(each: TaskKindFigures) -> Cell:
        values = [(point.starts_on, point.failure_rate) for point in each.rates]
        return _course(values, figures.rate_period, "fail-bar", percent)

    columns = (
        Column("Kind of task", lambda each: Cell(kind_name(each.kind))),
        Column("Finished", lambda each: count_cell(each.kind.finished_count), "number"),
        Column("Median", lambda each: duration_cell(each.kind.p50_seconds), "number"),
        Column("95 % within", lambda each: duration_cell(each.kind.p95_seconds), "number"),
        Column("Median over time", medians, "course"),
        Column("Failed", lambda each: count_cell(each.kind.failed_count), "number"),
        Column("Failure rate", lambda each: rate_cell(each.kind, top), "rate"),
        Column("Rate over time", rates, "course"),
    )
    listing = Listing.of(figures.kinds)
    return make_table("Kinds of tasks", listing, columns, "query failure_rates_by_name")


def rare_kinds_table(figures: Figures) -> Table:
    """Return the less frequent kinds."""
    top = max((each.failure_rate_high for each in figures.rare_kinds), default=1.0)
    columns = (
        Column("Kind of task", lambda kind: Cell(kind_name(kind))),
        Column("Finished", lambda kind: count_cell(kind.finished_count), "number"),
        Column("Median", lambda kind: duration_cell(kind.p50_seconds), "number"),
        Column("Longest", lambda kind: duration_cell(kind.max_seconds), "number"),
        Column("Failed", lambda kind: count_cell(kind.failed_count), "number"),
        Column("Failure rate", lambda kind: rate_cell(kind, top), "rate"),
    )
    total = figures.totals.kind_count - len(figures.kinds)
    listing = Listing(figures.rare_kinds, total)
    return make_table("Less frequent kinds", listing, columns, "query failure_rates_by_name")


def duration_numbers(points: Sequence[DurationPoint], bucket: Bucket) -> Table:
    """Return the values of a plot of durations."""
    columns = (
        _starts(bucket),
        Column("Tasks", lambda point: count_cell(point.finished_count), "number"),
        Column("Median", lambda point: duration_cell(point.p50_seconds), "number"),
        Column("90 % within", lambda point: duration_cell(point.p90_seconds), "number"),
        Column("95 % within", lambda point: duration_cell(point.p95_seconds), "number"),
    )
    return _numbers(f"Durations by {bucket.value}", points, columns)


def rate_numbers(points: Sequence[RatePoint], bucket: Bucket) -> Table:
    """Return the values of a plot of failure rates."""
    columns = (
        _starts(bucket),
        Column("Finished", lambda point: count_cell(point.finished_count), "number"),
        Column("Failed", lambda point: count_cell(point.failed_count), "number"),
        Column("Rate", lambda point: percent_cell(point.failure_rate), "number"),
        Column("95 % bounds", lambda point: Cell(captions.bounds(point)), "number"),
    )
    return _numbers(f"Failure rate by {bucket.value}", points, columns)


def bin_numbers(bins: Sequence[DurationBin]) -> Table:
    """Return the values of a histogram."""
    columns = (
        Column("Duration", lambda each: Cell(captions.bin_range(each))),
        Column("Tasks", lambda each: count_cell(each.finished_count), "number"),
        Column("Share", lambda each: percent_cell(each.share), "number"),
    )
    return _numbers("Tasks by duration", bins, columns)


def slow_tasks_table(figures: Figures) -> Table:
    """Return the slowest finished tasks."""
    columns = (
        *TASK,
        Column("Status", lambda task: name_cell(task.status)),
        Column("Duration", lambda task: duration_cell(task.duration_seconds), "number"),
        Column("95 % within", lambda task: duration_cell(task.typical_seconds), "number"),
        Column("Ratio", lambda task: _ratio(task.times_typical), "number"),
    )
    projects = Projects(figures.projects)
    return make_table("Slowest tasks", figures.slow_tasks, columns, "query slow_tasks", projects)


def project_tables(figures: Figures, made_at: datetime) -> tuple[Table, Table]:
    """Return the projects to look at, and the others; all of few projects are to look at."""
    is_few = len(figures.projects) <= _MAX_IN_VIEW
    looked_at: list[ProjectStatus] = []
    others: list[ProjectStatus] = []
    for status in figures.projects:
        is_wanted = is_few or status.gap_count or any(project_problems(status, made_at))
        (looked_at if is_wanted else others).append(status)
    projects = Projects(figures.projects)
    return (
        make_table(
            "Projects",
            Listing.of(looked_at, _MAX_LOOKED_AT),
            (*_PROJECT, _coverage(figures), *_COUNTS),
            "status",
            projects,
        ),
        make_table(
            "Other projects",
            Listing.of(others, _MAX_PROJECTS),
            (_PROJECT[0], _PROJECT[-1], *_COUNTS),
            "status",
            projects,
        ),
    )


def archives_table(figures: Figures) -> Table:
    """Return the archives: the newest entry of each, and the number of its projects."""
    counts = Counter((each.archive_id, each.head_digest) for each in figures.projects)
    archives = [each for each in counts if any(each)]
    columns = (
        Column("Newest entry", lambda each: Cell(_code(each[1]))),
        Column("Archive", lambda each: Cell(_code(each[0]))),
        Column("Projects", lambda each: count_cell(counts[each]), "number"),
    )
    return make_table("Archives", Listing.of(archives), columns, "status")


def _coverage(figures: Figures) -> Column:
    gaps: dict[tuple[str, str], list[CoverageGap]] = {}
    for gap in figures.gaps:
        gaps.setdefault((gap.region, gap.project_id), []).append(gap)

    def cell(status: ProjectStatus) -> Cell:
        if status.covered_from is None:
            return Cell("nothing yet")
        found = gaps.get((status.region, status.project_id), [])
        return Cell(draw_coverage(status, found) if found else "no gaps", len(found))

    return Column("Coverage", cell, "rate")


def _starts(bucket: Bucket) -> Column:
    return Column(bucket.value.capitalize(), lambda point: Cell(day(point.starts_on)))


def _numbers(caption: str, rows: Sequence[Any], columns: Sequence[Column]) -> Table:
    return make_table(caption, Listing.of(rows), columns, "")


def _last_load(status: ProjectStatus) -> Cell:
    return Cell(with_detail(time_cell(status.last_run_at).content, status.last_outcome))


def _project(status: ProjectStatus) -> Cell:
    name, project_id = status.project_name, status.project_id
    return name_cell(name, project_id) if name else name_cell(project_id)


_PROJECT: Final = (
    Column(PROJECT, _project, "task"),
    Column("Region", lambda status: name_cell(status.region), "day"),
    Column("Last load", _last_load),
    Column("Last complete load", lambda status: time_cell(status.last_success_at)),
)
_COUNTS: Final = (
    Column("Nights left", lambda status: count_cell(status.nights_left), "number"),
    Column("Tasks", lambda status: count_cell(status.task_count), "number"),
    Column("In flight", lambda status: count_cell(status.open_task_count), "number"),
)


def _code(digest: str | None) -> Markup | str:
    if digest is None:
        return MISSING
    return Markup('<code class="id">{}</code>').format(foreign(digest, _MAX_DIGEST))


def _course(
    values: Sequence[tuple[date, float]],
    period: ReportPeriod | None,
    css: str,
    shown: Callable[[float], str],
) -> Cell:
    if period is None or not values:
        return Cell(MISSING)
    return Cell(draw_bars(values, period, css, captions.course(values, period.bucket, shown)))


def _reason(reason: Any) -> Cell:
    others = {reason.example} - {None, reason.reason_pattern}
    examples = [foreign(each, MAX_TEXT) for each in others]
    return _folded(foreign(reason.reason_pattern, MAX_TEXT), "Example", examples)


def _reasons(instance: Any) -> Cell:
    first, *others = (
        Markup("{}\N{MULTIPLICATION SIGN} {}").format(count(number), foreign(pattern, MAX_TEXT))
        for pattern, number in instance.reasons
    )
    left = instance.reason_count - len(instance.reasons)
    if left:
        others.append(Markup("and {} more").format(count(left)))
    return _folded(first, f"{count(instance.reason_count - 1)} more", others)


def _folded(first: Markup, summary: str, rest: Sequence[Markup]) -> Cell:
    if not rest:
        return Cell(first)
    items = Markup().join(Markup("<li>{}</li>").format(each) for each in rest)
    fold = Markup('{} <details class="others"><summary>{}</summary><ul>{}</ul></details>')
    return Cell(fold.format(first, summary, items))


def _ratio(ratio: float | None) -> Cell:
    return Cell(MISSING if ratio is None else f"{ratio:,.2f}", ratio)
