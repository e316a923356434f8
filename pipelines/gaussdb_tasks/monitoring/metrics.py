"""The metrics of a load as a file in Prometheus' text format, for a textfile collector."""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Info, write_to_textfile

from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.extract.project_tables import Outcome, ProjectSummary
from gaussdb_tasks.load import LoadReport
from gaussdb_tasks.model.times import SECOND, Micros
from gaussdb_tasks.monitoring.freshness import Freshness, ProjectFreshness, age_seconds

_PREFIX: Final = "gaussdb_tasks"
_PROJECT_LABELS: Final = ("region", "project_id")


def write_metrics(
    file: Path,
    *,
    ended_at: Micros,
    exit_code: ExitCode,
    report: LoadReport | None,
    freshness: Freshness | None,
) -> None:
    """Write what a load came to, in the place of the last load's; half a file is never seen.

    Args:
        file: where to; its name should end in ``.prom``.
        ended_at: when the load ended.
        exit_code: how.
        report: what was published; None if nothing was.
        freshness: how fresh the published database is; None if there is none.

    Raises:
        ConfigurationError: it cannot be written there.
    """
    registry = CollectorRegistry()
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
        write_to_textfile(str(file), registry)
    except OSError as error:
        message = f"the metrics cannot be written to {file} ({error.strerror})"
        raise ConfigurationError(message) from error


def _gauge(
    registry: CollectorRegistry, name: str, meaning: str, labels: tuple[str, ...] = ()
) -> Gauge:
    return Gauge(f"{_PREFIX}_{name}", meaning, labels, registry=registry)


def _add_report(registry: CollectorRegistry, report: LoadReport) -> None:
    seconds = _gauge(registry, "last_load_seconds", "How long the last load took.")
    seconds.set(report.seconds)
    waited = _gauge(
        registry, "last_load_wait_seconds", "Time that calls were held back, over all threads."
    )
    waited.set(report.seconds_waited)
    counts = {
        "last_load_seen_tasks": ("Distinct tasks that the last load saw.", "seen_count"),
        "last_load_new_tasks": ("Tasks that it saw for the first time.", "new_count"),
        "last_load_changed_tasks": ("Known tasks that it saw in a new state.", "changed_count"),
        "last_load_vanished_tasks": ("Tasks that it found deleted.", "vanished_count"),
        "last_load_rejected_records": ("Records that it kept as rejected.", "rejected_count"),
        "last_load_calls": ("Calls that it made.", "call_count"),
    }
    for name, (meaning, attribute) in counts.items():
        gauge = _gauge(registry, name, meaning, _PROJECT_LABELS)
        for project in report.projects:
            gauge.labels(*project.key).set(getattr(project, attribute))
    failed = _gauge(
        registry, "last_load_failed", "1 if the last load could not read it.", _PROJECT_LABELS
    )
    incomplete = _gauge(
        registry,
        "last_load_incomplete_windows",
        "Windows of which the last load could not prove that it read every task.",
        _PROJECT_LABELS,
    )
    for project in report.projects:
        failed.labels(*project.key).set(project.outcome is Outcome.FAILED)
        incomplete.labels(*project.key).set(_incomplete_windows(project))
    signed_out = _gauge(
        registry, "last_load_failed_sign_ins", "Sign-ins that failed beside the others."
    )
    signed_out.set(len(report.failed_sign_ins))


def _incomplete_windows(project: ProjectSummary) -> int:
    return sum(1 for window in project.windows if not window.is_complete)


def _add_freshness(registry: CollectorRegistry, freshness: Freshness) -> None:
    def per_project(name: str, meaning: str) -> Gauge:
        return _gauge(registry, name, meaning, _PROJECT_LABELS)

    success = per_project("last_success_timestamp_seconds", "Clock of the last complete load.")
    unkept = per_project(
        "oldest_unkept_task_age_seconds",
        "Age that the oldest task not kept yet may have: time since then was not covered.",
    )
    nights = per_project("nights_left", "Nights left until time not covered is lost.")
    counts = {
        "lost_gaps": ("Stretches of time that were lost.", "lost_gap_count"),
        "gaps": ("Stretches of time not covered.", "gap_count"),
        "rejected_records": ("Records kept as rejected, all in all.", "rejected_count"),
        "open_tasks": ("Tasks in flight.", "open_task_count"),
        "tasks": ("Tasks kept.", "task_count"),
    }
    gauges = {
        attribute: per_project(name, meaning) for name, (meaning, attribute) in counts.items()
    }
    for project in freshness.projects:
        _set(success, project, _seconds(project.last_success_at))
        _set(unkept, project, age_seconds(project.unkept_since, freshness.now))
        _set(nights, project, project.nights_left)
        for attribute, gauge in gauges.items():
            _set(gauge, project, getattr(project, attribute))
    if freshness.head_digest is not None:
        head = Info(f"{_PREFIX}_archive_head", "Head of the archive's chain.", registry=registry)
        head.info({"digest": freshness.head_digest})


def _set(gauge: Gauge, project: ProjectFreshness, value: float | None) -> None:
    if value is not None:  # what is not known is left out, as Prometheus would have it
        gauge.labels(*project.key).set(value)


def _seconds(instant: Micros | None) -> float | None:
    return None if instant is None else instant / SECOND
