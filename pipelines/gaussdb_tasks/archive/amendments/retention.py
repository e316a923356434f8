"""Retention: remove tasks and records older than a period, except those under a legal hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    AmendmentReport,
    report,
    write_amendment,
)
from gaussdb_tasks.archive.amendments.context import TASK_TABLES, AmendmentContext
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.amendments.rewrites import RowChange, plan_rewrites
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.store import loads_of
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, Micros, iso

# A shorter period would remove tasks that the next load reads again.
MIN_DAYS = 62


@dataclass(frozen=True, slots=True)
class Holds:
    """Legal holds: tasks that stay at any age.

    Attributes:
        instances: ids or names of instances.
        time_ranges: tasks started in them stay.
    """

    instances: Sequence[str] = ()
    time_ranges: Sequence[TimeRange] = ()


def retain(
    data_dir: DataDir, before: Micros, holds: Holds, amendment: Amendment, *, is_dry_run: bool
) -> AmendmentReport:
    """Remove tasks that no load has seen since a time, and records rejected before it.

    Loads, coverage and digests stay, so that the completeness of the past can still be proved.

    Raises:
        ConfigurationError: the next load could read again what would be removed, or no task has
            an instance that is held.
    """
    if before > amendment.at - MIN_DAYS * DAY:
        message = (
            f"--keep: the period is too short; the task center may still list tasks seen since "
            f"{iso(before)}, and the next load would add them again; keep {MIN_DAYS} days at least"
        )
        raise ConfigurationError(message)
    with open_context(data_dir) as context:
        _select_old_tasks(context, before, holds)
        _refuse_unknown_holds(context)
        changes = {table: _change(table, holds) for table in TASK_TABLES}
        rewrites = plan_rewrites(context, changes)
        if is_dry_run or not rewrites:
            return report(context, rewrites)
        return write_amendment(data_dir, context, amendment, rewrites, is_removing=True)


def _select_old_tasks(context: AmendmentContext, before: Micros, holds: Holds) -> None:
    """Fill the tables that ``_change`` refers to: old tasks, old loads, and holds."""
    connection, loads = context.connection, loads_of(context.chain)
    connection.execute(
        "create table loads as "
        "select unnest(?::varchar[]) as _dlt_load_id, unnest(?::boolean[]) as is_old",
        [[each.load_id for each in loads], [each.manifest.at < iso(before) for each in loads]],
    )
    connection.execute(
        "create table held_instances as select unnest(?::varchar[]) as instance",
        [list(holds.instances)],
    )
    connection.execute(
        "create table held_time as select make_timestamp(unnest(?::bigint[])) as held_from, "
        "make_timestamp(unnest(?::bigint[])) as held_to",
        [[start for start, _ in holds.time_ranges], [end for _, end in holds.time_ranges]],
    )
    seen = " union all ".join(
        "select region, project_id, job_id, created_at, _dlt_load_id "
        f"from ({context.relation(table)})"
        for table in (archive_tables.OBSERVATIONS, archive_tables.VANISHED_TASKS)
    )
    versions = context.relation(archive_tables.TASK_VERSIONS)
    connection.execute(f"""
        create table old_tasks as
        select region, project_id, job_id, created_at
        from ({seen}) as seen
        inner join loads using (_dlt_load_id)
        group by all
        having bool_and(is_old)
    """)
    connection.execute("""
        delete from old_tasks using held_time
        where created_at >= held_from and created_at < held_to
    """)
    connection.execute(f"""
        delete from old_tasks using ({versions}) as versions
        where
            old_tasks.region = versions.region
            and old_tasks.project_id = versions.project_id
            and old_tasks.job_id = versions.job_id
            and old_tasks.created_at = versions.created_at
            and exists (
                from held_instances
                where instance in (versions.instance_id, versions.instance_name)
            )
    """)


def _refuse_unknown_holds(context: AmendmentContext) -> None:
    """Refuse a hold on an unknown instance: a typing error would remove what it should keep."""
    versions = context.relation(archive_tables.TASK_VERSIONS)
    unknown = context.connection.execute(f"""
        select instance from held_instances
        where
            instance not in (select instance_id from ({versions}) where instance_id is not null)
            and instance not in (
                select instance_name from ({versions}) where instance_name is not null
            )
    """).fetchone()  # fmt: skip
    if unknown is not None:
        message = (
            f"--hold-instance: no task has the instance {unknown[0]!r}; give a name or an id that "
            "the view instance_timeline shows"
        )
        raise ConfigurationError(message)


def _change(table: ArchiveTable, holds: Holds) -> RowChange:
    if table is archive_tables.REJECTED_RECORDS:
        # The text of a rejected record may name a held instance anywhere.
        is_held = "exists (from held_instances where contains(stored.raw, instance))"
        if holds.time_ranges:  # a record without a readable start may be of any time
            is_held += (
                " or stored.created_at is null or exists (from held_time"
                " where stored.created_at >= held_from and stored.created_at < held_to)"
            )
        return RowChange(
            is_kept=f"not exists (from loads where is_old and _dlt_load_id = stored._dlt_load_id)"
            f" or {is_held}"
        )
    is_old = " and ".join(f"old.{name} = stored.{name}" for name in archive_tables.OBSERVATIONS.key)
    return RowChange(is_kept=f"not exists (from old_tasks as old where {is_old})")
