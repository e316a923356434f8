"""Write the metrics of a load in the text format of Prometheus, for a textfile collector."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Gauge, Info, Metric, generate_latest

from gaussdb_tasks.database.files import replacing
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.extract.project_tables import Outcome, ProjectSummary
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import SECOND, Micros
from gaussdb_tasks.monitoring.freshness import Freshness, ProjectFreshness, age_seconds
from gaussdb_tasks.os_errors import explain

_P = TypeVar("_P", ProjectSummary, ProjectFreshness)
_Gauges = Mapping[str, tuple[str, Callable[[_P], float | None]]]
"""The help text and the value of each gauge, by name."""

_PREFIX: Final = "gaussdb_tasks"
_PROJECT_LABELS: Final = ("region", "project_id", "project_name")
_MODE: Final = 0o644
"""A collector of another user reads the file; it holds no secrets."""


def write_metrics(  # noqa: PLR0913 - the facts that the metrics show
    file: Path,
    *,
    data_dir: Path,
    ended_at: Micros,
    exit_code: ExitCode,
    report: LoadReport | None,
    freshness: Freshness | None,
) -> None:
    """Replace the metrics file atomically with the metrics of a load.

    Args:
        file: its name should end in ``.prom``.
        data_dir: a label of every series: two directories may have the same projects.
        ended_at: when the load ended.
        exit_code: the exit code of the load.
        report: the report of the load; None if nothing was published.
        freshness: the freshness of the published database; None if there is no database.

    Raises:
        GaussdbTasksError: the file cannot be written.
    """
    registry = _Registry(data_dir)
    _gauge(registry, "last_run_timestamp_seconds", "When the last load ended.").set(
        ended_at / SECOND
    )
    _gauge(
        registry, "last_run_exit_code", "0 done, 1 failed, 2 usage, 3 needs attention, 4 locked."
    ).set(int(exit_code))
    if report is not None:
        _add_report(registry, report)
    if freshness is not None:
        _add_freshness(registry, freshness)
    try:
        with replacing(file, mode=_MODE) as out:
            out.write(generate_latest(registry))
    except OSError as error:
        raise explain(error, path=file, setting="--metrics-file") from error


class _Registry(CollectorRegistry):
    """Adds the data directory to the labels of every series; labels have foreign text."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__()
        self._label = {"data_dir": str(data_dir.absolute())}

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with the label."""
        for metric in super().collect():
            metric.samples = [
                sample._replace(labels=self._labels(sample.labels)) for sample in metric.samples
            ]
            yield metric

    def _labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {name: visible(value) for name, value in {**self._label, **labels}.items()}


def _gauge(
    registry: CollectorRegistry, name: str, meaning: str, labels: tuple[str, ...] = ()
) -> Gauge:
    return Gauge(f"{_PREFIX}_{name}", meaning, labels, registry=registry)


def _add_report(registry: CollectorRegistry, report: LoadReport) -> None:
    _gauge(registry, "last_load_seconds", "How long the last load took.").set(report.seconds)
    waited_help = "Time that calls waited for the rate limit, added up over all threads."
    _gauge(registry, "last_load_wait_seconds", waited_help).set(report.seconds_waited)
    if report.timestamp is not None:
        stamp_help = "1 if the entry of the last load has a time stamp."
        is_stamped = report.timestamp.error is None
        _gauge(registry, "last_load_timestamped", stamp_help).set(is_stamped)
    _add_project_gauges(registry, _REPORT_GAUGES, report.projects)
    sign_ins_help = "Sign-ins of the last load that failed."
    _gauge(registry, "last_load_failed_sign_ins", sign_ins_help).set(len(report.failed_sign_ins))


def _add_freshness(registry: CollectorRegistry, freshness: Freshness) -> None:
    _add_project_gauges(registry, _FRESHNESS_GAUGES, freshness.projects)
    age = _gauge(
        registry,
        "oldest_unkept_task_age_seconds",
        "Age of the earliest uncovered time, and so of the oldest task that may be missing.",
        _PROJECT_LABELS,
    )
    for project in freshness.projects:
        seconds = age_seconds(project.uncovered_since, freshness.now)
        if seconds is not None:
            age.labels(*_labels(project)).set(seconds)
    if freshness.head_digest is not None:
        head_help = "Digest of the newest entry of the archive."
        head = Info(f"{_PREFIX}_archive_head", head_help, registry=registry)
        head.info({"digest": freshness.head_digest})


def _add_project_gauges(
    registry: CollectorRegistry, gauges: _Gauges[_P], projects: Sequence[_P]
) -> None:
    """Add a gauge for each name; projects whose value is None are omitted."""
    for name, (meaning, value_of) in gauges.items():
        gauge = _gauge(registry, name, meaning, _PROJECT_LABELS)
        for project in projects:
            value = value_of(project)
            if value is not None:  # Prometheus has no null
                gauge.labels(*_labels(project)).set(value)


def _labels(project: ProjectSummary | ProjectFreshness) -> tuple[str, ...]:
    return *project.key, project.name or ""  # Prometheus takes an empty label as none


def _last_success_seconds(project: ProjectFreshness) -> float | None:
    return None if project.last_success_at is None else project.last_success_at / SECOND


def _count_incomplete_windows(project: ProjectSummary) -> int:
    return sum(1 for window in project.windows if not window.is_complete)


_REPORT_GAUGES: Final[_Gauges[ProjectSummary]] = {
    "last_load_seen_tasks": (
        "Distinct tasks that the last load saw.",
        attrgetter("seen_count"),
    ),
    "last_load_new_tasks": (
        "Tasks that the last load saw for the first time.",
        attrgetter("new_count"),
    ),
    "last_load_changed_tasks": (
        "Known tasks that the last load saw in a new state.",
        attrgetter("changed_count"),
    ),
    "last_load_vanished_tasks": (
        "Tasks that the last load found deleted.",
        attrgetter("vanished_count"),
    ),
    "last_load_rejected_records": (
        "Records that the last load rejected.",
        attrgetter("rejected_count"),
    ),
    "last_load_calls": (
        "Calls that the last load made.",
        attrgetter("call_count"),
    ),
    "last_load_failed": (
        "1 if the last load could not read the project.",
        lambda project: project.outcome is Outcome.FAILED,
    ),
    "last_load_incomplete_windows": (
        "Windows in which the last load could not prove that it read every task.",
        _count_incomplete_windows,
    ),
}
_FRESHNESS_GAUGES: Final[_Gauges[ProjectFreshness]] = {
    "last_success_timestamp_seconds": ("Time of the last complete load.", _last_success_seconds),
    "nights_left": ("Nights left until uncovered time is lost.", attrgetter("nights_left")),
    "lost_gaps": ("Time ranges that were lost.", attrgetter("lost_gap_count")),
    "gaps": ("Time ranges that are not covered.", attrgetter("gap_count")),
    "rejected_records": ("Rejected records in the archive.", attrgetter("rejected_count")),
    "open_tasks": ("Tasks that have not ended.", attrgetter("open_task_count")),
    "tasks": ("Tasks in the archive.", attrgetter("task_count")),
}
