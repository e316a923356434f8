"""What a load brought, in words and as plain values."""

from collections.abc import Iterator
from typing import Any

from gaussdb_tasks.archive.mirror.mirror import MirrorState
from gaussdb_tasks.cli import console
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.extract.project_tables import ProjectSummary
from gaussdb_tasks.load import LoadReport
from gaussdb_tasks.model.tables import SCHEMA_VERSION
from gaussdb_tasks.model.times import iso


def summary_line(report: LoadReport) -> str:
    """Say in one line what a load brought."""
    return (
        f"{report.total('seen_count'):,} tasks seen, {report.total('new_count'):,} new, "
        f"{report.total('changed_count'):,} changed, "
        f"{report.total('vanished_count'):,} vanished, "
        f"{report.total('rejected_count'):,} rejected; "
        f"{report.total('call_count'):,} calls in {report.seconds:.1f} s; {report.database}; "
        f"head {report.head_digest}"
    )


def as_dict(report: LoadReport) -> dict[str, Any]:
    """Return a report as plain values, for machines to read."""
    return {
        "run_id": report.run_id,
        "exit_code": int(report.exit_code),
        "database": str(report.database),
        "archive_entry": report.entry_name,
        "head_digest": report.head_digest,
        "copies_waiting": None if report.mirror is None else report.mirror.waiting,
        "upgraded_from": report.upgraded_from,
        "adopted": list(report.adopted),
        "archive_doubts": list(report.archive_problems),
        "seconds": round(report.seconds, 3),
        "seconds_waited": round(report.seconds_waited, 3),
        "projects": [
            {
                "region": project.key.region,
                "project_id": project.key.project_id,
                "outcome": project.outcome.value,
                "error": str(project.error) if project.error else None,
                "doubts": list(project.doubts),
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
            {"region": key.region, "project_id": key.project_id, "from": iso(start), "to": iso(end)}
            for key, (start, end) in report.lost
        ],
        "warnings": [
            {"check": finding.check_name, "meaning": finding.meaning, "rows": finding.row_count}
            for finding in report.warnings
        ],
    }


def waiting_line(copies: MirrorState) -> str:
    """Say that entries of the archive wait to be copied."""
    return (
        f"copies: {copies.waiting:,} entries wait to be copied to {copies.place} since "
        f"{copies.at}: {copies.error}; the next load with --archive-url copies them"
    )


def remarks(report: LoadReport) -> Iterator[str]:
    """Say what somebody may want to look at, a line each."""
    if report.upgraded_from is not None:
        yield (
            f"note: the database was upgraded from version {report.upgraded_from} of its schema "
            f"to {SCHEMA_VERSION}"
        )
    yield from _archive_lines(report)
    for project in report.projects:
        if len(report.projects) > 1:
            yield _project_line(project)
        if project.error is not None:
            again = ", run it again" if project.error.exit_code is ExitCode.FAILED else ""
            yield f"failed: {project.error}; the other projects were loaded{again}"
        for doubt in project.doubts:
            yield (
                f"incomplete: project {project.key.project_id}: {doubt}; what was read is kept, "
                "the next load reads it again"
            )
        if project.rejected_count:
            yield (
                f"rejected: project {project.key.project_id}: {project.rejected_count:,} records "
                "are no tasks; they are kept with the reason in task_center.rejected_records"
            )
    for failure in report.failed_sign_ins:
        yield f"failed: {failure.name}: {failure.error}; the other projects were loaded"
    for key, (start, end) in report.lost:
        yield (
            f"lost: project {key.project_id}: {iso(start)} to {iso(end)} left the task center "
            "before a load covered it; see coverage_gaps"
        )
    for finding in report.warnings:
        yield (
            f"note: {finding.check_name}: {finding.meaning} "
            f"({finding.row_count:,} rows, such as {finding.first_rows[0]})"
        )


def tell_read(project: ProjectSummary) -> None:
    """Say to a machine that reads logs what was read of a project, window by window."""
    if not console.is_json():
        return  # people get a line a project at the end
    key = project.key._asdict()
    for window in project.windows:
        console.say(
            f"project {project.key.project_id}: window read",
            event="window",
            **key,
            purpose=window.purpose.value,
            window_from=iso(window.time_range.start),
            window_to=iso(window.time_range.end),
            tasks=window.task_count,
            is_complete=window.is_complete,
        )
    console.say(
        _project_line(project),
        event="project",
        level="info" if project.error is None else "error",
        **key,
        outcome=project.outcome.value,
        calls=project.call_count,
        seen=project.seen_count,
        new=project.new_count,
        changed=project.changed_count,
        error=None if project.error is None else str(project.error),
    )


def _archive_lines(report: LoadReport) -> Iterator[str]:
    if report.adopted:
        first, last = report.adopted[0], report.adopted[-1]
        told = first if len(report.adopted) == 1 else f"{first} to {last}"
        yield f"note: the database lacked {told} of the archive, and has it now"
    for doubt in report.archive_problems:
        yield f"archive: {doubt}"
    if report.mirror is not None and report.mirror.waiting:
        yield waiting_line(report.mirror)


def _project_line(project: ProjectSummary) -> str:
    return (
        f"project {project.key.project_id} ({project.key.region}): {project.seen_count:,} seen, "
        f"{project.new_count:,} new, {project.changed_count:,} changed, "
        f"{project.vanished_count:,} vanished, {project.call_count:,} calls"
    )
