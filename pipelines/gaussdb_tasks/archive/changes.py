"""Select what a range of loads found, one row for each state of a task.

The view ``nightly_changes`` answers another question: one row for each task of a project's last
load, with its latest state, and without rejected records.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, Micros, iso, now, parse_time

_ENTRY: Final = re.compile(r"(?P<sequence>\d{1,7})(?:-\d{8}T\d{6}Z-[a-z]+)?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_CHANGES: Final = """
    with

    loads as (
        select
            region, project_id, project_name, run_id, _dlt_load_id, observed_at, archive_sequence
        from {load_runs}
        where {is_selected}
    ),

    versions as (
        select
            loads.archive_sequence,
            loads.observed_at,
            now.region,
            now.project_id,
            loads.project_name,
            now.job_id,
            now.task_name,
            now.instance_name,
            case when now.version = 1 then 'new' else 'changed' end as change,
            now.version,
            before.status as status_before,
            now.status,
            before.progress_percent as progress_before,
            now.progress_percent,
            now.fail_reason
        from task_center.task_versions as now
        inner join loads using (region, project_id, _dlt_load_id)
        left join task_center.task_versions as before
            on
                now.version > 1
                and before.region = now.region
                and before.project_id = now.project_id
                and before.job_id = now.job_id
                and before.created_at = now.created_at
                and before.version = now.version - 1
    ),

    found_deleted as (
        select region, project_id, job_id, created_at, vanished_at as at, 'vanished' as change
        from task_center.vanished_tasks
        union all
        select region, project_id, job_id, created_at, reappeared_at, 'reappeared'
        from task_center.vanished_tasks
        where reappeared_at is not null
    ),

    deletions as (
        select
            min(loads.archive_sequence) as archive_sequence,
            loads.observed_at,
            tasks.region,
            tasks.project_id,
            loads.project_name,
            tasks.job_id,
            tasks.task_name,
            tasks.instance_name,
            found_deleted.change,
            tasks.version_count as version,
            tasks.status as status_before,
            tasks.status,
            tasks.progress_percent as progress_before,
            tasks.progress_percent,
            tasks.fail_reason
        from found_deleted
        inner join task_center.tasks as tasks using (region, project_id, job_id, created_at)
        inner join loads
            on
                loads.region = tasks.region
                and loads.project_id = tasks.project_id
                and loads.observed_at = found_deleted.at
        group by all
    ),

    rejections as (
        select
            loads.archive_sequence,
            loads.observed_at,
            rejected.region,
            rejected.project_id,
            loads.project_name,
            rejected.job_id,
            'rejected' as change,
            rejected.reason as fail_reason
        from task_center.rejected_records as rejected
        inner join loads using (region, project_id, run_id)
    )

    select archive_sequence as entry, * exclude (archive_sequence) from versions
    union all
    select * from deletions
    union all by name
    select archive_sequence as entry, * exclude (archive_sequence) from rejections
    order by entry, region, project_id, job_id, version, change
"""


@dataclass(frozen=True, slots=True)
class LoadBound:
    """An inclusive bound of a range of loads: an entry of the archive, or a range of time."""

    sequence: int | None = None
    start: Micros | None = None
    end: Micros | None = None

    @classmethod
    def parse(cls, text: str, *, option: str) -> "LoadBound":
        """Parse an entry's number or name, a day, or a time.

        Raises:
            ConfigurationError: the text is not one of them.
        """
        entry = _ENTRY.fullmatch(text)
        if entry is not None:
            return cls(sequence=int(entry["sequence"]))
        try:
            start = parse_time(text, option=option)
        except ConfigurationError as error:
            message = (
                f"{option}: {text!r} is not a load; write a day as 2026-01-31, a time as "
                "2026-01-31T02:00:00Z, or the number or name of an entry of the archive"
            )
            raise ConfigurationError(message) from error
        return cls(start=start, end=start + DAY - 1 if _DATE.fullmatch(text) else start)


def changes(
    connection: duckdb.DuckDBPyConnection, since: LoadBound, until: LoadBound | None
) -> duckdb.DuckDBPyConnection:
    """Return a cursor over the changes that loads found, both bounds included.

    Raises:
        ConfigurationError: no load can be between the bounds.
    """
    _refuse_impossible(connection, since, until)
    bounds = [(">=", since.sequence, since.start)]
    if until is not None:
        bounds.append(("<=", until.sequence, until.end))
    conditions = (
        f"{'epoch_us(observed_at)' if sequence is None else 'archive_sequence'} {sign} ?"
        for sign, sequence, _ in bounds
    )
    sql = _CHANGES.format(
        load_runs=with_project_name("task_center.load_runs"), is_selected=" and ".join(conditions)
    )
    values = [time if sequence is None else sequence for _, sequence, time in bounds]
    return connection.execute(sql, values)


def _refuse_impossible(
    connection: duckdb.DuckDBPyConnection, since: LoadBound, until: LoadBound | None
) -> None:
    """Refuse bounds between which no load can be.

    Raises:
        ConfigurationError: the last load is before the first, or before all loads, or the first is
            yet to come.
    """
    loads = _LoadTimes(connection)
    if since.sequence is not None and since.sequence > loads.sequence:
        message = f"--since {since.sequence}: the newest load is entry {loads.sequence}"
        raise ConfigurationError(message)
    if since.start is not None and since.start > max(now(), loads.observed_at):
        message = f"--since {iso(since.start)} is in the future; use a time in the past"
        raise ConfigurationError(message)
    if until is None:
        return
    if since.sequence is not None and until.sequence is not None:
        is_reversed = until.sequence < since.sequence
    else:
        start = loads.time_of(since.sequence) if since.start is None else since.start
        end = loads.time_of(until.sequence) if until.end is None else until.end
        is_reversed = start is not None and end is not None and end < start
    if is_reversed:
        message = "--until is before --since, so no load is between them; swap them"
        raise ConfigurationError(message)
    if until.end is not None and until.end < loads.first_observed_at:
        first = iso(loads.first_observed_at)
        message = f"--until {iso(until.end)} is before the first load, of {first}; use a later time"
        raise ConfigurationError(message)


class _LoadTimes:
    """The first and the newest load, and the times of others."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.sequence, self.observed_at, self.first_observed_at = self._row(
            "select coalesce(max(archive_sequence), 0), coalesce(epoch_us(max(observed_at)), 0), "
            "coalesce(epoch_us(min(observed_at)), 0) from task_center.load_runs"
        )

    def time_of(self, sequence: int | None) -> Micros | None:
        """Return the clock of an entry's load; None if it has none."""
        (time,) = self._row(
            "select epoch_us(max(observed_at)) from task_center.load_runs "
            "where archive_sequence = ?",
            sequence,
        )
        return time if time is None else int(time)

    def _row(self, sql: str, *values: int | None) -> tuple[Any, ...]:
        return self._connection.execute(sql, values).fetchone() or ()
