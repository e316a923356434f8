"""Renormalisation: today's normaliser over the records of the past, on the record.

What was received is kept word for word, so a mended parser can read it again: columns change, tasks
get another start, a record that could not be read becomes a task. The archive's earlier files stay
as they are; an act says what their rows are from now on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pyarrow as pa

from gaussdb_tasks.api.responses import BrokenBodyError, parse_record
from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    AmendmentContext,
    Effect,
    Effects,
    Rewrite,
    perform,
    told,
    union,
    workshop,
)
from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.current_rows import Rows
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.tables import Table
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY, Micros, iso

Row: TypeAlias = dict[str, Any]
"""A row by column; instants are microseconds since 1970-01-01 UTC, dates days."""

_SEGMENTS: Final = (
    archive_tables.TASK_VERSIONS,
    archive_tables.SIGHTINGS,
    archive_tables.REJECTED_RECORDS,
    archive_tables.VANISHED_TASKS,
)
_READ_AS: Final[Mapping[str, str]] = {
    "timestamp": "epoch_us({0}) as {0}",
    "date": "date_diff('day', date '1970-01-01', {0}) as {0}",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What today's normaliser reads otherwise; ``column`` None: the row as a whole."""

    entry: str
    table: str
    region: str
    project_id: str
    job_id: str | None
    version: int | None
    column: str | None
    was: str | None
    now: str | None


@dataclass
class _Identity:
    """A task as the records told so far make it."""

    created_at: Micros
    first_seen_at: Micros
    last_changed_at: Micros = 0
    version: int = 0


@dataclass
class _Replay:
    """The records of all loads, read again in their order."""

    differences: list[Difference] = field(default_factory=list)
    _tasks: dict[tuple[Any, ...], _Identity] = field(default_factory=dict)
    _by_old_key: dict[tuple[Any, ...], _Identity] = field(default_factory=dict)

    def load(self, entry: str, old: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
        """Return a load's rows as they are read today, by segment."""
        versions: list[Row] = []
        sightings: dict[int, Row] = {}
        rejected: list[Row] = []
        for row in old[archive_tables.REJECTED_RECORDS.name]:
            read = _read(row["raw"])
            if isinstance(read, Task):
                key = _key({**row, "job_id": read.job_id}, read.created_at)
                versions.append(self._version(row, read, key))
                identity = self._tasks[key]
                sightings[id(identity)] = _sighting(versions[-1], identity, row["observed_at"])
                self._differs(entry, row, None, row["reason"], None)
            else:
                rejected.append(self._rejection(entry, row, read))
        versions += [
            self._known_version(entry, row) for row in old[archive_tables.TASK_VERSIONS.name]
        ]
        for row in old[archive_tables.SIGHTINGS.name]:
            identity = self._by_old_key[_key(row, row["created_at"])]
            sightings[id(identity)] = _sighting(row, identity, row["last_seen_at"])
        vanished = [
            row | {"created_at": self._by_old_key[_key(row, row["created_at"])].created_at}
            for row in old[archive_tables.VANISHED_TASKS.name]
        ]
        return {
            archive_tables.TASK_VERSIONS.name: versions,
            archive_tables.SIGHTINGS.name: list(sightings.values()),
            archive_tables.REJECTED_RECORDS.name: rejected,
            archive_tables.VANISHED_TASKS.name: vanished,
        }

    def _known_version(self, entry: str, row: Row) -> Row:
        old_key = _key(row, row["created_at"])
        read = _read(row["raw"])
        if isinstance(read, Rejection) or read is None:
            # What was a task stays one: nothing is lost by a parser that reads less.
            reason = "it is no record" if read is None else read.reason
            if read is not None:
                self._differs(entry, row, None, "a task", reason)
            read = None
        identity = self._by_old_key.get(old_key)
        if identity is None:
            created_at = row["created_at"] if read is None else read.created_at
            key = _key(row, created_at)
            identity = self._tasks.setdefault(key, _Identity(created_at, row["observed_at"]))
            self._by_old_key[old_key] = identity
        # The hash is of what was received, which a redaction may have taken from the record.
        new = row | self._columns(row, read, identity) | {"version_hash": row["version_hash"]}
        for name, was in row.items():
            if new[name] != was:
                self._differs(entry, row, name, was, new[name])
        return new

    def _version(self, row: Row, read: Task, key: tuple[Any, ...]) -> Row:
        """Make a version of a record that could not be read."""
        identity = self._tasks.setdefault(key, _Identity(read.created_at, row["observed_at"]))
        kept = ("region", "project_id", "observed_at", "_dlt_load_id")
        return {name: row[name] for name in kept} | self._columns(row, read, identity)

    def _columns(self, row: Row, read: Task | None, identity: _Identity) -> Row:
        identity.version += 1
        identity.last_changed_at = row["observed_at"]
        if read is None:
            return {"version": identity.version, "created_at": identity.created_at}
        task = read.started_at(identity.created_at)
        columns = {name: value for name, value in task._asdict().items() if name != "is_final"}
        return columns | {
            "version": identity.version,
            "created_date": identity.created_at // DAY,
        }

    def _rejection(self, entry: str, row: Row, read: Rejection | None) -> Row:
        if read is None:
            return row
        new = row | {"reason": read.reason, "job_id": read.job_id, "created_at": read.created_at}
        for name in ("reason", "job_id", "created_at"):
            if new[name] != row[name]:
                self._differs(entry, row, name, row[name], new[name])
        return new

    def _differs(self, entry: str, row: Row, column: str | None, was: Any, now: Any) -> None:
        segment = (
            archive_tables.TASK_VERSIONS if "version" in row else archive_tables.REJECTED_RECORDS
        )
        self.differences.append(
            Difference(
                entry=entry,
                table=segment.name,
                region=row["region"],
                project_id=row["project_id"],
                job_id=row["job_id"],
                version=row.get("version"),
                column=column,
                was=_text(segment, column, was),
                now=_text(segment, column, now),
            )
        )


def renormalise(
    data_dir: DataDir, act: Amendment, *, is_dry_run: bool
) -> tuple[Effects, Sequence[Difference]]:
    """Read every record again, and put on the record what is read otherwise today.

    Args:
        data_dir: whose archive and database it is; the database is made again.
        act: how it is put on the record.
        is_dry_run: whether to say only what would differ.
    """
    with workshop(data_dir) as shop:
        replay = _Replay()
        rewrites = _rewrites(shop, replay)
        if is_dry_run or not rewrites:
            return told(shop, rewrites), replay.differences
        effects = perform(data_dir, shop, act, rewrites, is_removing=False)
        return effects, replay.differences


def _rewrites(shop: AmendmentContext, replay: _Replay) -> list[Rewrite]:
    """Compare the rows of every load with what is read of them today."""
    by_segment = {
        segment: {rows.load.manifest.sequence: rows for rows in shop.rows(segment)}
        for segment in _SEGMENTS
    }
    effects: dict[ArchiveTable, dict[int, Effect]] = {segment: {} for segment in _SEGMENTS}
    for link in shop.chain:
        if link.manifest.load is None:
            continue
        sequence = link.manifest.sequence
        old = {
            segment.name: _rows(shop, segment, by_segment[segment].get(sequence))
            for segment in _SEGMENTS
        }
        new = replay.load(link.entry.name, old)
        for segment in _SEGMENTS:
            changed = _count_changes(old[segment.name], new[segment.name])
            if changed:
                effects[segment][sequence] = Effect(rows_changed=changed)
                _keep(shop, segment, link, new[segment.name])
    return [
        Rewrite(
            segment,
            f"(from restated_{segment.name})",
            found,
            file_name=f"{segment.name}.renormalised.parquet",
        )
        for segment, found in effects.items()
        if found
    ]


def _rows(shop: AmendmentContext, segment: ArchiveTable, rows: Rows | None) -> list[Row]:
    if rows is None:
        return []
    columns = ", ".join(
        _READ_AS.get(column.data_type, "{0}").format(column.name) for column in segment.columns
    )
    cursor = shop.connection.execute(f"select {columns} from ({union(segment, [rows])})")
    names = segment.column_names
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _keep(
    shop: AmendmentContext, segment: ArchiveTable, link: ChainEntry, rows: Iterable[Row]
) -> None:
    """Keep a load's rows, as they are read today, for the act's file."""
    identity = link.manifest.load
    marked = [row | {"_dlt_load_id": identity.load_id if identity else None} for row in rows]
    declared = Table(segment.name, segment.meaning, segment.columns, segment.key)
    batch: pa.Table = declared.arrow_from_rows(marked)
    name = f"restated_{segment.name}"
    shop.connection.register("batch", batch)
    shop.connection.execute(f"create table if not exists {name} as from batch limit 0")
    shop.connection.execute(f"insert into {name} from batch")
    shop.connection.unregister("batch")


def _read(raw: str) -> Task | Rejection | None:
    """Normalise a record again; None if its text is no record, as after a redaction."""
    try:
        return normalise(parse_record(raw))
    except BrokenBodyError:
        return None


def _count_changes(old: Sequence[Row], new: Sequence[Row]) -> int:
    if len(old) != len(new):
        return max(len(old), len(new))
    return sum(was != now for was, now in zip(old, new, strict=True))


def _sighting(row: Row, identity: _Identity, last_seen_at: Micros) -> Row:
    kept = {name: row[name] for name in ("region", "project_id", "job_id", "_dlt_load_id")}
    return kept | {
        "created_at": identity.created_at,
        "version_count": identity.version,
        "first_seen_at": identity.first_seen_at,
        "last_changed_at": identity.last_changed_at,
        "last_seen_at": last_seen_at,
    }


def _key(row: Row, created_at: Micros) -> tuple[Any, ...]:
    return row["region"], row["project_id"], row["job_id"], created_at


def _text(segment: ArchiveTable, column: str | None, value: Any) -> str | None:
    if value is None:
        return None
    types = {each.name: each.data_type for each in segment.columns}
    return iso(value) if column and types[column] == "timestamp" else str(value)
