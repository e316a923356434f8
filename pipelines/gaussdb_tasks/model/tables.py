"""The tables that a load fills, column by column: one declaration for Arrow and for dlt.

Timestamps are UTC without a zone, so that no answer depends on a session's time zone and DuckDB
can prune by them. Every column is declared, since dlt does not create one that only ever held null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

SCHEMA_NAME: Final = "task_center"
"""The schema of the database that holds these tables."""

_ARROW_TYPES: Final[Mapping[str, pa.DataType]] = MappingProxyType(
    {
        "text": pa.string(),
        "json": pa.string(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
    }
)


_SQL_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "varchar",
        "json": "json",
        "bigint": "bigint",
        "double": "double",
        "bool": "boolean",
        "date": "date",
        "timestamp": "timestamp",
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, dlt data type, meaning, and whether null has a meaning in it."""

    name: str
    data_type: str
    description: str
    nullable: bool = True

    def dlt_hints(self) -> dict[str, Any]:
        """Return the column's hints for a dlt resource."""
        hints: dict[str, Any] = {
            "name": self.name,
            "data_type": self.data_type,
            "nullable": self.nullable,
            "description": self.description,
        }
        if self.data_type == "timestamp":
            hints["timezone"] = False
        return hints

    @property
    def sql_type(self) -> str:
        """The column's type in DuckDB, as dlt chooses it."""
        return _SQL_TYPES[self.data_type]

    @property
    def ddl(self) -> str:
        """The column's definition in a ``create table``."""
        return f"{self.name} {self.sql_type}{'' if self.nullable else ' not null'}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, grain, columns, and the columns that identify a row."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table."""
        return pa.schema(
            [
                pa.field(column.name, _ARROW_TYPES[column.data_type], nullable=column.nullable)
                for column in self.columns
            ]
        )

    def dlt_columns(self) -> list[dict[str, Any]]:
        """Return the hints that declare every column to dlt."""
        return [column.dlt_hints() for column in self.columns]

    def array(self, name: str, values: Sequence[Any]) -> "pa.Array[Any]":
        """Build one column from its values.

        Timestamps are microseconds since 1970-01-01 UTC, dates are days since then.
        """
        return _array(values, self.schema.field(name).type)

    def arrow(self, columns: Mapping[str, "Sequence[Any] | pa.Array[Any]"]) -> pa.Table:
        """Build an Arrow table from its columns, by name: arrays, or values as for ``array``."""
        arrays = [_array(columns[field.name], field.type) for field in self.schema]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def arrow_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Build an Arrow table from rows; none give an empty table."""
        return self.arrow(
            {column.name: [row[column.name] for row in rows] for column in self.columns}
        )


def _array(values: "Sequence[Any] | pa.Array[Any]", arrow_type: pa.DataType) -> "pa.Array[Any]":
    if isinstance(values, pa.Array):
        return values
    if pa.types.is_timestamp(arrow_type):
        return pa.array(values, type=pa.int64()).cast(arrow_type)
    if pa.types.is_date(arrow_type):
        return pa.array(values, type=pa.int32()).cast(arrow_type)
    return pa.array(values, type=arrow_type)


_PROJECT: Final = (
    Column("region", "text", "Region of the cloud, such as eu-de.", nullable=False),
    Column("project_id", "text", "Project in which the task ran.", nullable=False),
)
_JOB: Final = Column("job_id", "text", "Identity of the task inside its project.", nullable=False)
_STATE: Final = (
    Column("task_name", "text", "Kind of the task as the API names it."),
    Column("status", "text", "Status as the API gave it: Running, Completed, Failed, ..."),
    Column("progress_percent", "double", "Progress in per cent, where the API gave a number."),
    Column("fail_reason", "text", "Why the task failed, in the service's words."),
    Column("created_at", "timestamp", "When the task was started, UTC.", nullable=False),
    Column("ended_at", "timestamp", "When the task ended, UTC; a plan while it is running."),
    Column("created_date", "date", "Day on which the task was started, UTC.", nullable=False),
    Column(
        "duration_ms",
        "bigint",
        "Milliseconds from start to end; null unless the task has ended, and not before it began.",
    ),
    Column("instance_id", "text", "Instance the task worked on."),
    Column("instance_name", "text", "The instance's name at the time of the record."),
    Column("instance_status", "text", "The instance's status at the time of the record."),
    Column("extra", "json", "Fields of the record that have no column, as JSON."),
)
_VERSION_HASH: Final = Column(
    "version_hash",
    "text",
    "SHA-256 of the record as JSON with sorted keys and no white space.",
    nullable=False,
)
_RUN_ID: Final = Column("run_id", "text", "The load that wrote the row.", nullable=False)

TASK_VERSIONS: Final = Table(
    "task_versions",
    "one row per distinct state in which a task was seen",
    (
        *_PROJECT,
        _JOB,
        Column("version", "bigint", "1 for the first state seen, then 2, ...", nullable=False),
        Column("observed_at", "timestamp", "Clock of the load that saw it, UTC.", nullable=False),
        *_STATE,
        Column("raw", "text", "The record, word for word as it was received.", nullable=False),
        _VERSION_HASH,
    ),
    ("region", "project_id", "job_id", "created_at", "version"),
)

TASKS: Final = Table(
    "tasks",
    "one row per task, its latest state",
    (
        *_PROJECT,
        _JOB,
        *_STATE,
        _VERSION_HASH,
        Column("version_count", "bigint", "How many states have been seen.", nullable=False),
        Column("first_seen_at", "timestamp", "When it was first seen, UTC.", nullable=False),
        Column("last_changed_at", "timestamp", "When this state was first seen.", nullable=False),
        Column(
            "last_seen_at",
            "timestamp",
            "When this state was last confirmed; kept fresh while the task is in flight.",
            nullable=False,
        ),
    ),
    # created_at lets DuckDB find the rows to merge by zone map, at constant cost in a large table.
    ("region", "project_id", "job_id", "created_at"),
)

COVERAGE: Final = Table(
    "coverage",
    "one row per window of time that a load read",
    (
        *_PROJECT,
        _RUN_ID,
        Column("observed_at", "timestamp", "Clock of the load, UTC.", nullable=False),
        Column(
            "purpose", "text", "Why it was read: new, in_flight, horizon, stretch.", nullable=False
        ),
        Column("window_from", "timestamp", "start_time that was asked for.", nullable=False),
        Column("window_to", "timestamp", "end_time that was asked for.", nullable=False),
        Column("covered_from", "timestamp", "Start of what the window proves.", nullable=False),
        Column("covered_to", "timestamp", "End of what the window proves.", nullable=False),
        Column("is_complete", "bool", "Whether every task of it was proved read.", nullable=False),
        Column("distinct_count", "bigint", "Distinct tasks read from it.", nullable=False),
        Column("total_count", "bigint", "Tasks the API counted in it; null where it did not."),
        Column("reason", "text", "What is wrong with an incomplete window."),
    ),
    ("region", "project_id", "run_id", "window_from", "window_to"),
)

LOAD_RUNS: Final = Table(
    "load_runs",
    "one row per project and load",
    (
        *_PROJECT,
        _RUN_ID,
        Column(
            "load_number",
            "bigint",
            "Place of the load among all loads, from 1 on; clocks may jump, this does not.",
            nullable=False,
        ),
        Column("observed_at", "timestamp", "Clock of the load, UTC.", nullable=False),
        Column("outcome", "text", "complete, incomplete or failed.", nullable=False),
        Column("error", "text", "Why the project failed or is incomplete."),
        Column("seen_count", "bigint", "Distinct tasks seen.", nullable=False),
        Column("new_count", "bigint", "Tasks seen for the first time.", nullable=False),
        Column("changed_count", "bigint", "Known tasks in a new state.", nullable=False),
        Column("rejected_count", "bigint", "Records newly kept as rejected.", nullable=False),
        Column("vanished_count", "bigint", "Tasks found deleted.", nullable=False),
        Column("call_count", "bigint", "API calls made for the project.", nullable=False),
        Column(
            "horizon_ms", "bigint", "How far back the API was taken to remember.", nullable=False
        ),
        Column("expected_count", "bigint", "Tasks of the horizon that the archive knows."),
        Column("reported_count", "bigint", "Tasks of the horizon that the API counted."),
        Column("is_count_usable", "bool", "Whether the API's total_count can be counted on."),
        Column("is_running_listed", "bool", "Whether time windows list tasks without an end."),
        Column("is_sweep_whole", "bool", "False if the sweep leaves running tasks out."),
        Column(
            "gone_rejects",
            "text",
            "Rejected records that are no longer listed: their record_hash, separated by spaces.",
        ),
        Column("tool_version", "text", "Version of gaussdb-tasks.", nullable=False),
        Column("archive_sequence", "bigint", "Place of the load's entry in the archive."),
        Column("head_digest", "text", "SHA-256 of the digest of that entry, which is the head."),
    ),
    ("region", "project_id", "run_id"),
)

REJECTED_RECORDS: Final = Table(
    "rejected_records",
    "one row per distinct record that could not be normalised",
    (
        *_PROJECT,
        _RUN_ID,
        Column("observed_at", "timestamp", "Clock of the load that saw it, UTC.", nullable=False),
        Column("reason", "text", "What the record lacks.", nullable=False),
        Column("job_id", "text", "Its job_id, where it has one."),
        Column("created_at", "timestamp", "Its created_at in UTC, where it can be read."),
        Column("raw", "text", "The record, word for word as it was received.", nullable=False),
        Column("record_hash", "text", "SHA-256 of its content.", nullable=False),
    ),
    ("region", "project_id", "record_hash"),
)

VANISHED_TASKS: Final = Table(
    "vanished_tasks",
    "one row per time a finished task was found deleted from the task center",
    (
        *_PROJECT,
        _JOB,
        Column("created_at", "timestamp", "When the task was started, UTC.", nullable=False),
        Column("vanished_at", "timestamp", "When a load first missed it, UTC.", nullable=False),
        Column("reappeared_at", "timestamp", "When it was seen again, if ever, UTC."),
        _RUN_ID,
    ),
    ("region", "project_id", "job_id", "created_at", "vanished_at"),
)

TASK_TYPES: Final = Table(
    "task_types",
    "one row per documented kind of task",
    (
        Column("task_name", "text", "Kind of the task as the API names it.", nullable=False),
        Column("task_label", "text", "What it means, in words.", nullable=False),
        Column("category", "text", "create, backup, restore, delete or scale.", nullable=False),
    ),
    ("task_name",),
)

ARCHIVE_ACTS: Final = Table(
    "archive_acts",
    "one row per act on the archive that was no load",
    (
        Column("archive_sequence", "bigint", "Place of its entry in the archive.", nullable=False),
        Column("acted_at", "timestamp", "Clock of the act, UTC.", nullable=False),
        Column("kind", "text", "retention, redaction or renormalisation.", nullable=False),
        Column("reason", "text", "Why, in the words of who did it."),
        Column("row_count", "bigint", "Rows removed or changed.", nullable=False),
        Column("tool_version", "text", "Version of gaussdb-tasks.", nullable=False),
        Column("head_digest", "text", "SHA-256 of the digest of that entry.", nullable=False),
    ),
    ("archive_sequence",),
)

SCHEMA_VERSION: Final = 2
"""The version of the database's schema that this program makes and goes on with."""

SCHEMA_VERSIONS: Final = Table(
    "schema_version",
    "one row: the version of the database's schema",
    (Column("version", "bigint", "Raised whenever tables change.", nullable=False),),
    ("version",),
)

LOADED_TABLES: Final = (
    TASK_VERSIONS,
    TASKS,
    COVERAGE,
    LOAD_RUNS,
    REJECTED_RECORDS,
    VANISHED_TASKS,
    TASK_TYPES,
)
"""The tables that dlt loads."""

ALL_TABLES: Final = (*LOADED_TABLES, ARCHIVE_ACTS, SCHEMA_VERSIONS)

# As dlt names it: the load that last wrote a row.
LOAD_ID: Final = Column("_dlt_load_id", "text", "The load package of the row.", nullable=False)
