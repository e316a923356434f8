"""A small archive to query: the tables as a load makes them, the views, and invented rows.

A test names the columns that it is about; the others are those of a task that was started at
``CREATED_AT``, took a minute, and was seen by the load of ``LOADED_AT``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    COVERAGE,
    LOAD_RUNS,
    REJECTED_RECORDS,
    TASK_TYPES,
    TASK_VERSIONS,
    TASKS,
    VANISHED_TASKS,
    Table,
)

Row: TypeAlias = dict[str, Any]

_COLUMN_TYPES: Final = {
    "text": "varchar",
    "json": "json",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}


def at(text: str) -> datetime:
    """Parse a time in UTC, without a zone as in the database."""
    return datetime.fromisoformat(text)


CREATED_AT: Final = at("2026-03-30 10:00")
LOADED_AT: Final = at("2026-03-31 02:00")
HORIZON: Final = timedelta(days=30)


class Archive:
    """A database with the tables of a load and all views."""

    def __init__(self, path: str = ":memory:") -> None:
        """Make the tables, without rows, and the views."""
        self.connection = duckdb.connect(path)
        self.connection.execute("create schema task_center")
        for table in ALL_TABLES:
            self.connection.execute(_table_definition(table))
        apply_views(self.connection)

    def insert(self, **rows_by_table: Iterable[Row]) -> None:
        """Insert rows: the name of a table, and rows made by the functions below."""
        schemas = {table.name: table.schema for table in ALL_TABLES}
        for table_name, rows in rows_by_table.items():
            batch = pa.Table.from_pylist(list(rows), schema=schemas[table_name])
            self.connection.register("batch", batch)
            self.connection.execute(f"insert into task_center.{table_name} select * from batch")
            self.connection.unregister("batch")

    def empty(self) -> None:
        """Remove all rows, and reset the settings of the session."""
        for table in ALL_TABLES:
            self.connection.execute(f"delete from task_center.{table.name}")
        self.connection.execute("reset TimeZone")
        self.connection.execute("reset variable gaussdb_tasks_now")

    def query(self, sql: str) -> list[Row]:
        """Return the rows of a query, by column."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def rows(self, view: str) -> list[Row]:
        """Return all rows of a view, in no order."""
        return self.query(f"select * from {view}")

    def only_row(self, view: str) -> Row:
        """Return the one row of a view."""
        (row,) = self.rows(view)
        return row


def given(**rows_by_table: Iterable[Row]) -> Archive:
    """Return an archive with these rows and no others, and with a fresh session.

    All calls return the same database, emptied: its views take longer to make than most tests.
    """
    archive = _shared_archive()
    archive.empty()
    archive.insert(**rows_by_table)
    return archive


@cache
def _shared_archive() -> Archive:
    return Archive()


def task(**columns: object) -> Row:
    """Make a row of ``tasks``."""
    return _row(
        TASKS,
        _state(columns),
        {
            "version_hash": "hash-1",
            "version_count": 1,
            "first_seen_at": LOADED_AT,
            "last_changed_at": LOADED_AT,
            "last_seen_at": LOADED_AT,
        },
        columns,
    )


def version(**columns: object) -> Row:
    """Make a row of ``task_versions``."""
    number = columns.get("version", 1)
    return _row(
        TASK_VERSIONS,
        _state(columns),
        {
            "version": number,
            "observed_at": LOADED_AT,
            "raw": '{"job_id": "job-1"}',
            "version_hash": f"hash-{number}",
        },
        columns,
    )


def load_run(**columns: object) -> Row:
    """Make a row of ``load_runs``."""
    counts = ("seen", "new", "changed", "rejected", "vanished", "call")
    observed_at: Any = columns.get("observed_at", LOADED_AT)
    return _row(
        LOAD_RUNS,
        {
            "region": "eu-de",
            "project_id": "project-1",
            "run_id": "run-1",
            "load_number": (observed_at - LOADED_AT) // timedelta(microseconds=1),
            "observed_at": LOADED_AT,
            "outcome": "complete",
            "horizon_ms": HORIZON // timedelta(milliseconds=1),
            "is_count_usable": True,
            "tool_version": "0.1.0",
            **{f"{counted}_count": 0 for counted in counts},
        },
        columns,
    )


def window(covered_from: datetime, covered_to: datetime, **columns: object) -> Row:
    """Make a row of ``coverage``."""
    return _row(
        COVERAGE,
        {
            "region": "eu-de",
            "project_id": "project-1",
            "run_id": "run-1",
            "observed_at": LOADED_AT,
            "purpose": "new",
            "window_from": covered_from,
            "window_to": covered_to,
            "covered_from": covered_from,
            "covered_to": covered_to,
            "is_complete": True,
            "distinct_count": 1,
            "total_count": 1,
        },
        columns,
    )


def rejected_record(**columns: object) -> Row:
    """Make a row of ``rejected_records``."""
    return _row(
        REJECTED_RECORDS,
        {
            "region": "eu-de",
            "project_id": "project-1",
            "run_id": "run-1",
            "observed_at": LOADED_AT,
            "reason": "job_id is missing or empty",
            "raw": "{}",
            "record_hash": "hash-1",
        },
        columns,
    )


def vanished_task(**columns: object) -> Row:
    """Make a row of ``vanished_tasks``."""
    return _row(
        VANISHED_TASKS,
        {
            "region": "eu-de",
            "project_id": "project-1",
            "job_id": "job-1",
            "created_at": CREATED_AT,
            "vanished_at": LOADED_AT,
            "run_id": "run-1",
        },
        columns,
    )


def task_type(task_name: str, task_label: str, category: str) -> Row:
    """Make a row of ``task_types``."""
    return _row(
        TASK_TYPES, {"task_name": task_name, "task_label": task_label, "category": category}
    )


def _state(columns: Mapping[str, Any]) -> Row:
    """Make the columns of a state: as a rule consistent with those that are given."""
    status = columns.get("status", "Completed")
    created_at = columns.get("created_at", CREATED_AT)
    duration_ms = columns.get("duration_ms", 60_000 if is_final(status) else None)
    has_ended = duration_ms is not None
    return {
        "region": "eu-de",
        "project_id": "project-1",
        "job_id": "job-1",
        "task_name": "CreateGaussDBV5Instance",
        "status": status,
        "created_at": created_at,
        "created_date": created_at.date(),
        "ended_at": created_at + timedelta(milliseconds=duration_ms) if has_ended else None,
        "duration_ms": duration_ms,
        "instance_id": "instance-1",
        "instance_name": "orders",
        "instance_status": "normal",
    }


def _row(table: Table, *columns: Mapping[str, object]) -> Row:
    row = dict.fromkeys((column.name for column in table.columns), None) | _merged(columns)
    unknown = row.keys() - {column.name for column in table.columns}
    if unknown:
        message = f"{table.name} has no column {', '.join(sorted(unknown))}"
        raise KeyError(message)
    return row


def _merged(mappings: Iterable[Mapping[str, object]]) -> Row:
    return {name: value for mapping in mappings for name, value in mapping.items()}


def _table_definition(table: Table) -> str:
    columns = ", ".join(
        f"{column.name} {_COLUMN_TYPES[column.data_type]}{'' if column.nullable else ' not null'}"
        for column in table.columns
    )
    return f"create table task_center.{table.name} ({columns})"
