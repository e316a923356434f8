"""What the archive learned between two nights, a row a state of a task."""

import re
from dataclasses import dataclass
from typing import Final

import duckdb

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, Micros, parse_instant

_ENTRY: Final = re.compile(r"(?P<sequence>\d{1,7})(?:-\d{8}T\d{6}Z-[a-z]+)?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

_CHANGES: Final = """
    with

    loads as (
        select region, project_id, run_id, _dlt_load_id, observed_at, archive_sequence
        from task_center.load_runs
        where {is_meant}
    ),

    versions as (
        select
            loads.archive_sequence,
            loads.observed_at,
            now.region,
            now.project_id,
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
            rejected.job_id,
            null as task_name,
            null as instance_name,
            'rejected' as change,
            null as version,
            null as status_before,
            null as status,
            null as progress_before,
            null as progress_percent,
            rejected.reason as fail_reason
        from task_center.rejected_records as rejected
        inner join loads using (region, project_id, run_id)
    )

    select archive_sequence as entry, * exclude (archive_sequence) from versions
    union all
    select * from deletions
    union all
    select * from rejections
    order by entry, region, project_id, job_id, version, change
"""


@dataclass(frozen=True, slots=True)
class Night:
    """A bound of a range of loads, itself in it: an entry of the archive, or a stretch of time."""

    sequence: int | None = None
    start: Micros | None = None
    end: Micros | None = None

    @classmethod
    def of(cls, text: str, *, option: str) -> "Night":
        """Read what a user wrote: an entry's number or name, a day, or an instant.

        Raises:
            ConfigurationError: it is none of them.
        """
        entry = _ENTRY.fullmatch(text)
        if entry is not None:
            return cls(sequence=int(entry["sequence"]))
        try:
            instant = parse_instant(text, option=option)
        except ConfigurationError as error:
            message = (
                f"{option}: {text!r} is no night; write a day as 2026-01-31, an instant as "
                "2026-01-31T02:00:00Z, or the number or name of an entry of the archive"
            )
            raise ConfigurationError(message) from error
        return cls(start=instant, end=instant + DAY - 1 if _DATE.fullmatch(text) else instant)


def changes(
    connection: duckdb.DuckDBPyConnection, since: Night, until: Night | None
) -> duckdb.DuckDBPyConnection:
    """Return a cursor over what the loads from one night to another brought, both included."""
    bounds: list[str] = []
    values: list[int | None] = []
    for night, sign, instant in (
        (since, ">=", since.start),
        (until, "<=", None if until is None else until.end),
    ):
        if night is None:
            continue
        if night.sequence is not None:
            bounds.append(f"archive_sequence {sign} ?")
            values.append(night.sequence)
        else:
            bounds.append(f"epoch_us(observed_at) {sign} ?")
            values.append(instant)
    return connection.execute(_CHANGES.format(is_meant=" and ".join(bounds)), values)
