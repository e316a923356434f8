"""Retention: what is older than a period goes, on the record; what is held stays."""

from collections.abc import Sequence
from dataclasses import dataclass

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.amendment import (
    PAYLOAD,
    Amendment,
    AmendmentContext,
    Effects,
    RowChange,
    perform,
    rewrite,
    told,
    workshop,
)
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, Micros, iso

# What the task center may still list would be read again by the next load.
SHORTEST_DAYS = 62


@dataclass(frozen=True, slots=True)
class Holds:
    """What stays, however old: a legal hold.

    Attributes:
        instances: ids or names of instances.
        stretches: time in which a task was started.
    """

    instances: Sequence[str] = ()
    time_ranges: Sequence[TimeRange] = ()


def retain(
    data_dir: DataDir, before: Micros, holds: Holds, act: Amendment, *, is_dry_run: bool
) -> Effects:
    """Remove tasks that no load saw since an instant, and records rejected before it.

    Loads, coverage and digests stay: what was there, and that it was whole, can still be proved.

    Args:
        data_dir: whose archive and database it is.
        before: what was last seen before goes.
        holds: what stays nevertheless.
        act: how it is put on the record.
        is_dry_run: whether to say only what would go.

    Raises:
        ConfigurationError: the period is so short that the next load would bring things back.
    """
    if before > act.at - SHORTEST_DAYS * DAY:
        message = (
            f"--keep: what was seen since {iso(before)} may still be in the task center; keep "
            f"{SHORTEST_DAYS} days at least"
        )
        raise ConfigurationError(message)
    with workshop(data_dir) as shop:
        _name_old_tasks(shop, before, holds)
        rewrites = rewrite(shop, {segment: _change(segment, holds) for segment in PAYLOAD})
        if is_dry_run or not rewrites:
            return told(shop, rewrites)
        return perform(data_dir, shop, act, rewrites, is_removing=True)


def _name_old_tasks(shop: AmendmentContext, before: Micros, holds: Holds) -> None:
    connection = shop.connection
    connection.execute("create table loads (_dlt_load_id varchar, is_old boolean)")
    connection.execute("create table held_instances (instance varchar)")
    connection.execute("create table held_time (held_from timestamp, held_to timestamp)")
    loads = [
        (link.manifest.load.load_id, link.manifest.at < iso(before))
        for link in shop.chain
        if link.manifest.load is not None
    ]
    connection.executemany("insert into loads values (?, ?)", loads)
    for instance in holds.instances:
        connection.execute("insert into held_instances values (?)", [instance])
    for start, end in holds.time_ranges:
        connection.execute(
            "insert into held_time values (make_timestamp(?), make_timestamp(?))", [start, end]
        )
    seen = " union all ".join(
        f"select region, project_id, job_id, created_at, _dlt_load_id from ({shop.relation(each)})"
        for each in (archive_tables.SIGHTINGS, archive_tables.VANISHED_TASKS)
    )
    versions = shop.relation(archive_tables.TASK_VERSIONS)
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


def _change(segment: ArchiveTable, holds: Holds) -> RowChange:
    if segment is archive_tables.REJECTED_RECORDS:
        # What cannot be read may tell of a held instance in any place, and of any time.
        is_held = "exists (from held_instances where contains(kept.raw, instance))"
        if holds.time_ranges:
            is_held += (
                " or kept.created_at is null or exists (from held_time"
                " where kept.created_at >= held_from and kept.created_at < held_to)"
            )
        return RowChange(
            is_kept=f"not exists (from loads where is_old and _dlt_load_id = kept._dlt_load_id)"
            f" or {is_held}"
        )
    is_old = " and ".join(f"old.{name} = kept.{name}" for name in archive_tables.SIGHTINGS.key)
    return RowChange(is_kept=f"not exists (from old_tasks as old where {is_old})")
