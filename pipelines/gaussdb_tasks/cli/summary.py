"""The result of a load, as text and as plain values."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from gaussdb_tasks.archive.timestamp_authority import StampResult
from gaussdb_tasks.cli import console
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.extract.project_tables import ProjectSummary
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.project_state import ProjectKey, project_label
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import iso


class Remark(NamedTuple):
    """A line about the result of a load."""

    text: str
    is_warning: bool = True


def summary_line(report: LoadReport) -> str:
    """Return the result of a load in one line."""
    return (
        f"{report.total('seen_count'):,} tasks seen, {report.total('new_count'):,} new, "
        f"{report.total('changed_count'):,} changed, "
        f"{report.total('vanished_count'):,} vanished, "
        f"{report.total('rejected_count'):,} rejected; "
        f"{report.total('call_count'):,} calls in {report.seconds:.1f} s; {report.database}; "
        f"head {report.head_digest}"
    )


def report_as_dict(report: LoadReport) -> dict[str, Any]:
    """Return a report as plain values, for JSON."""
    return {
        "run_id": report.run_id,
        "exit_code": int(report.exit_code),
        "database": str(report.database),
        "archive_entry": report.entry_name,
        "head_digest": report.head_digest,
        "timestamp": None if report.timestamp is None else _timestamp(report.timestamp),
        "copies_waiting": None if report.mirror is None else report.mirror.waiting,
        "publication": None if report.published is None else asdict(report.published),
        "upgraded_from": report.upgraded_from,
        "adopted": list(report.adopted),
        "archive_doubts": list(report.archive_problems),
        "seconds": round(report.seconds, 3),
        "seconds_waited": round(report.seconds_waited, 3),
        "projects": [
            {
                "region": project.key.region,
                "project_id": project.key.project_id,
                "project_name": project.name,
                "outcome": project.outcome.value,
                "error": str(project.error) if project.error else None,
                "doubts": list(project.incomplete_reasons),
                "seen": project.seen_count,
                "new": project.new_count,
                "changed": project.changed_count,
                "rejected": project.rejected_count,
                "vanished": project.vanished_count,
                "calls": project.call_count,
            }
            for project in report.projects
        ],
        "signed_out": [
            {"sign_in": failure.name, "error": str(failure.error)}
            for failure in report.failed_sign_ins
        ],
        "lost": [
            {
                **key._asdict(),
                "project_name": _name_of(key, report),
                "from": iso(start),
                "to": iso(end),
            }
            for key, (start, end) in report.lost
        ],
        "warnings": [
            {"check": finding.check_name, "meaning": finding.meaning, "rows": finding.row_count}
            for finding in report.warnings
        ],
    }


def _timestamp(timestamp: StampResult) -> dict[str, str | None]:
    at = None if timestamp.at is None else iso(timestamp.at)
    return {"at": at, "authority": timestamp.authority, "error": timestamp.error}


def remarks(report: LoadReport) -> Iterator[Remark]:
    """Yield the lines about a load that an operator may need."""
    if report.upgraded_from is not None:
        text = (
            f"note: the database schema was upgraded from version {report.upgraded_from} "
            f"to {SCHEMA_VERSION}"
        )
        yield Remark(text, is_warning=False)
    yield from _archive_remarks(report)
    for project in report.projects:
        if len(report.projects) > 1:
            yield Remark(_project_line(project), is_warning=False)
        yield from _project_remarks(project)
    for failure in report.failed_sign_ins:
        yield Remark(f"failed: {failure.name}: {failure.error}; the other projects were loaded")
    for key, (start, end) in report.lost:
        label = project_label(key.project_id, _name_of(key, report))
        yield Remark(
            f"lost: project {label}: {iso(start)} to {iso(end)} left the task center "
            "before a load covered it; see coverage_gaps"
        )
    for finding in report.warnings:
        text = (
            f"note: {finding.check_name}: {finding.meaning} "
            f"({finding.row_count:,} rows, such as {finding.first_rows[0]})"
        )
        yield Remark(text, is_warning=False)


def log_project(project: ProjectSummary) -> None:
    """Log a project that was read, window by window; only if messages are JSON."""
    if not console.is_json():
        return  # as text, each project has one line at the end
    fields = {**project.key._asdict(), "project_name": project.name}
    for window in project.windows:
        console.info(
            f"project {project_label(project.key.project_id, project.name)}: window read",
            event="window",
            **fields,
            purpose=window.purpose.value,
            window_from=iso(window.time_range.start),
            window_to=iso(window.time_range.end),
            tasks=window.task_count,
            is_complete=window.is_complete,
        )
    write = console.info if project.error is None else console.error
    write(
        _project_line(project),
        event="project",
        **fields,
        outcome=project.outcome.value,
        calls=project.call_count,
        seen=project.seen_count,
        new=project.new_count,
        changed=project.changed_count,
        error=None if project.error is None else str(project.error),
    )


def _archive_remarks(report: LoadReport) -> Iterator[Remark]:
    if report.adopted:
        first, last = report.adopted[0], report.adopted[-1]
        entries = first if len(report.adopted) == 1 else f"{first} to {last}"
        text = f"note: archive entries missing in the database were added: {entries}"
        yield Remark(text, is_warning=False)
    for problem in report.archive_problems:
        yield Remark(f"archive: {problem}")
    if report.timestamp is not None and report.timestamp.error is not None:
        yield Remark(
            f"timestamp: {report.timestamp.error}; the load is not affected, the next time stamp "
            "covers its entry, too"
        )
    if report.mirror is not None and report.mirror.is_behind:
        yield Remark(report.mirror.waiting_line)
    if report.published is not None and report.published.error is not None:
        yield Remark(
            f"publication: {report.published.error}; the load is not affected, the next load with "
            "--publish-to, or gaussdb-tasks publish, publishes its entry, too"
        )


def _project_remarks(project: ProjectSummary) -> Iterator[Remark]:
    label = project_label(project.key.project_id, project.name)
    if project.error is not None:
        remedy = ", run it again" if project.error.exit_code is ExitCode.FAILED else ""
        yield Remark(f"failed: {project.error}; the other projects were loaded{remedy}")
    for reason in project.incomplete_reasons:
        yield Remark(
            f"incomplete: project {label}: {reason}; the tasks that were read are kept, "
            "the next load reads them again"
        )
    if project.rejected_count:
        yield Remark(
            f"rejected: project {label}: {project.rejected_count:,} records are not valid "
            "tasks; they are kept with the reason in task_center.rejected_records"
        )


def _name_of(key: ProjectKey, report: LoadReport) -> str | None:
    return next((project.name for project in report.projects if project.key == key), None)


def _project_line(project: ProjectSummary) -> str:
    label = project_label(f"{project.key.project_id} ({project.key.region})", project.name)
    return (
        f"project {label}: {project.seen_count:,} seen, "
        f"{project.new_count:,} new, {project.changed_count:,} changed, "
        f"{project.vanished_count:,} vanished, {project.call_count:,} calls"
    )
