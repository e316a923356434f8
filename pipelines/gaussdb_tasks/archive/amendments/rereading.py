"""Read all records again, and find the rows that today's normaliser reads differently.

A renormalisation writes these rows. A verification compares them with those that it wrote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa

from gaussdb_tasks.api.responses import BrokenBodyError, parse_record
from gaussdb_tasks.archive.amendments.context import TASK_TABLES, AmendmentContext
from gaussdb_tasks.archive.amendments.rewrites import Effect, Rewrite
from gaussdb_tasks.archive.archive_tables import (
    OBSERVATIONS,
    REJECTED_RECORDS,
    TASK_VERSIONS,
    VANISHED_TASKS,
    ArchiveTable,
)
from gaussdb_tasks.archive.current_rows import Rows
from gaussdb_tasks.archive.manifest import file_names
from gaussdb_tasks.archive.replay import relations, typed
from gaussdb_tasks.archive.store import ChainEntry, loads_of
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.tables import Table
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY, Micros, iso

Row: TypeAlias = dict[str, Any]
"""Values by column; times are microseconds since 1970-01-01 UTC, dates are days since then."""

_BATCH_ROWS: Final = 10_000
_READ_AS: Final[Mapping[str, str]] = {
    "timestamp": "epoch_us({0}) as {0}",
    "date": "date_diff('day', date '1970-01-01', {0}) as {0}",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that today's normaliser reads differently; ``column`` None for the whole row."""

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
    """A task, as far as its records have been read again."""

    created_at: Micros
    first_seen_at: Micros
    last_changed_at: Micros = 0
    version: int = 0


@dataclass
class Rereading:
    """Read the records of all loads again, in order of the loads."""

    differences: list[Difference] = field(default_factory=list)
    _tasks: dict[tuple[Any, ...], _Identity] = field(default_factory=dict)
    _by_old_key: dict[tuple[Any, ...], _Identity] = field(default_factory=dict)

    def read_load(self, entry: str, old: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
        """Return the new rows of a load, by table name."""
        versions: list[Row] = []
        observations: dict[int, Row] = {}
        rejected: list[Row] = []
        for row in old[REJECTED_RECORDS.name]:
            read = read_record(row["raw"])
            if isinstance(read, Task):
                key = _key({**row, "job_id": read.job_id}, read.created_at)
                versions.append(self._version(row, read, key))
                identity = self._tasks[key]
                observations[id(identity)] = _observation(
                    versions[-1], identity, row["observed_at"]
                )
                self._add_difference(entry, row, None, row["reason"], None)
            else:
                rejected.append(self._rejection(entry, row, read))
        versions += [self._known_version(entry, row) for row in old[TASK_VERSIONS.name]]
        for row in old[OBSERVATIONS.name]:
            identity = self._by_old_key[_key(row, row["created_at"])]
            observations[id(identity)] = _observation(row, identity, row["last_seen_at"])
        vanished = [
            row | {"created_at": self._by_old_key[_key(row, row["created_at"])].created_at}
            for row in old[VANISHED_TASKS.name]
        ]
        return {
            TASK_VERSIONS.name: versions,
            OBSERVATIONS.name: list(observations.values()),
            REJECTED_RECORDS.name: rejected,
            VANISHED_TASKS.name: vanished,
        }

    def _known_version(self, entry: str, row: Row) -> Row:
        old_key = _key(row, row["created_at"])
        read = read_record(row["raw"])
        if isinstance(read, Rejection) or read is None:
            # A task stays a task: a parser that reads less must not lose it.
            if read is not None:
                self._add_difference(entry, row, None, "a task", read.reason)
            read = None
        identity = self._by_old_key.get(old_key)
        if identity is None:
            created_at = row["created_at"] if read is None else read.created_at
            key = _key(row, created_at)
            identity = self._tasks.setdefault(key, _Identity(created_at, row["observed_at"]))
            self._by_old_key[old_key] = identity
        # The hash is of the record as received, which a redaction may have changed.
        new = row | self._columns(row, read, identity) | {"version_hash": row["version_hash"]}
        for name, was in row.items():
            if new[name] != was:
                self._add_difference(entry, row, name, was, new[name])
        return new

    def _version(self, row: Row, read: Task, key: tuple[Any, ...]) -> Row:
        """Make a version of a record that was rejected before."""
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
                self._add_difference(entry, row, name, row[name], new[name])
        return new

    def _add_difference(self, entry: str, row: Row, column: str | None, was: Any, now: Any) -> None:
        table = TASK_VERSIONS if "version" in row else REJECTED_RECORDS
        self.differences.append(
            Difference(
                entry=entry,
                table=table.name,
                region=row["region"],
                project_id=row["project_id"],
                job_id=row["job_id"],
                version=row.get("version"),
                column=column,
                was=_text(table, column, was),
                now=_text(table, column, now),
            )
        )


def plan_rereading(context: AmendmentContext, rereading: Rereading) -> list[Rewrite]:
    """Compare the rows of every load with those that today's normaliser makes."""
    by_table = {
        table: {rows.load.manifest.sequence: rows for rows in context.rows(table)}
        for table in TASK_TABLES
    }
    effects: dict[ArchiveTable, dict[int, Effect]] = {table: {} for table in TASK_TABLES}
    for entry in loads_of(context.chain):
        sequence = entry.manifest.sequence
        old = {
            table.name: _rows(context, table, by_table[table].get(sequence))
            for table in TASK_TABLES
        }
        new = rereading.read_load(entry.name, old)
        for table in TASK_TABLES:
            changed = _count_changes(old[table.name], new[table.name])
            if changed:
                effects[table][sequence] = Effect(rows_changed=changed)
                _add_restated(context, table, entry, new[table.name])
    return [
        Rewrite(
            table,
            f"from restated_{table.name}",
            found,
            file_name=file_names(table.name)[1],
        )
        for table, found in effects.items()
        if found
    ]


def _rows(context: AmendmentContext, table: ArchiveTable, rows: Rows | None) -> list[Row]:
    if rows is None:
        return []
    return list(read_rows(context.connection, table, next(relations([rows]))))


def _add_restated(
    context: AmendmentContext, table: ArchiveTable, entry: ChainEntry, rows: Iterable[Row]
) -> None:
    """Add the new rows of a load to the table that is written into the amendment's file."""
    marked = [row | {"_dlt_load_id": entry.load_id} for row in rows]
    declared = Table(table.name, table.meaning, table.columns, table.key)
    batch: pa.Table = declared.arrow_from_rows(marked)
    name = f"restated_{table.name}"
    with registered(context.connection, "batch", batch):
        context.connection.execute(f"create table if not exists {name} as from batch limit 0")
        context.connection.execute(f"insert into {name} from batch")


def read_rows(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, relation: str
) -> Iterator[Row]:
    """Yield the rows of a relation with all columns of the table, in order."""
    columns = ", ".join(
        _READ_AS.get(column.data_type, "{0}").format(column.name) for column in table.columns
    )
    cursor = connection.execute(f"select {columns} from ({typed(table, relation)})")
    while batch := cursor.fetchmany(_BATCH_ROWS):
        for values in batch:
            yield dict(zip(table.column_names, values, strict=True))


def read_record(raw: str) -> Task | Rejection | None:
    """Normalise a record; return None if its text is not a record, as after a redaction."""
    try:
        return normalise(parse_record(raw))
    except BrokenBodyError:
        return None


def _count_changes(old: Sequence[Row], new: Sequence[Row]) -> int:
    if len(old) != len(new):
        return max(len(old), len(new))
    return sum(was != now for was, now in zip(old, new, strict=True))


def _observation(row: Row, identity: _Identity, last_seen_at: Micros) -> Row:
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


def _text(table: ArchiveTable, column: str | None, value: Any) -> str | None:
    if value is None:
        return None
    types = {each.name: each.data_type for each in table.columns}
    return iso(value) if column and types[column] == "timestamp" else str(value)
