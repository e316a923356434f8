"""Declare the tables that a load fills, once for Arrow, dlt and DuckDB.

Timestamps are UTC without a zone: no answer depends on the time zone of a session, and DuckDB can
prune by them. Every column is declared, since dlt does not create a column that holds only nulls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_NAME: Final = "task_center"
"""The schema of the database that holds these tables."""

_ARROW_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "string",
        "json": "string",
        "bigint": "int64",
        "double": "double",
        "bool": "bool",
        "date": "date32",
        "timestamp": "timestamp[us]",
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
    """A column: its name, dlt data type, description, and whether it may be null.

    Attributes:
        compression: of its values in a database file; None for DuckDB's choice.
    """

    name: str
    data_type: str
    description: str
    nullable: bool = True
    compression: str | None = None

    @property
    def arrow_type(self) -> "pa.DataType":
        """The type of the column in Arrow."""
        import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

        name = _ARROW_TYPES[self.data_type]
        return pa.type_for_alias(name)  # type: ignore[call-overload,no-any-return]  # the stubs accept literals only

    def dlt_hints(self) -> dict[str, Any]:
        """Return the column's hints for a dlt resource."""
        hints: dict[str, Any] = {
            "name": self.name,
            # Arrow has no type for JSON: dlt would warn of a difference, and only some destinations
            # would have another column than text.
            "data_type": "text" if self.data_type == "json" else self.data_type,
            "nullable": self.nullable,
            "description": self.description,
        }
        if self.data_type == "timestamp":
            hints["timezone"] = False
        return hints

    @property
    def sql_type(self) -> str:
        """The DuckDB type that dlt chooses for the column."""
        return _SQL_TYPES[self.data_type]

    @property
    def ddl(self) -> str:
        """The column's definition for ``create table``."""
        return f"{self.name} {self.sql_type}{self._constraint}"

    @property
    def ddl_of_file(self) -> str:
        """The same for a database file, in which DuckDB stores the values itself."""
        compression = f" using compression {self.compression}" if self.compression else ""
        return f"{self.name} {self.sql_type}{compression}{self._constraint}"

    @property
    def _constraint(self) -> str:
        return "" if self.nullable else " not null"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, grain, columns, and the columns that identify a row."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    @property
    def schema(self) -> "pa.Schema":
        """The Arrow schema of the table."""
        import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

        return pa.schema(
            [
                pa.field(column.name, column.arrow_type, nullable=column.nullable)
                for column in self.columns
            ]
        )

    def dlt_columns(self) -> list[dict[str, Any]]:
        """Return the hints that declare every column to dlt."""
        return [column.dlt_hints() for column in self.columns]

    def arrow(self, columns: Mapping[str, "Sequence[Any] | pa.Array[Any]"]) -> "pa.Table":
        """Build an Arrow table from its columns, by name: arrays, or values as for ``array``."""
        import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

        arrays = [array(columns[field.name], field.type) for field in self.schema]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def arrow_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
        """Build an Arrow table from rows; no rows give an empty table."""
        return self.arrow(
            {column.name: [row[column.name] for row in rows] for column in self.columns}
        )


def array(values: "Sequence[Any] | pa.Array[Any]", arrow_type: "pa.DataType") -> "pa.Array[Any]":
    """Build one column from its values; an array stays as it is.

    Timestamps are microseconds since 1970-01-01 UTC, dates are days since then.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

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
_JOB: Final = Column("job_id", "text", "Identifier of the task within its project.", nullable=False)
_STATE: Final = (
    Column("task_name", "text", "Kind of the task, as the API names it."),
    Column("status", "text", "Status from the API: Running, Completed, Failed, ..."),
    Column("progress_percent", "double", "Progress in per cent; null if the API gave no number."),
    Column("fail_reason", "text", "Reason of the failure, as the service reported it."),
    Column("created_at", "timestamp", "When the task started, UTC.", nullable=False),
    Column("ended_at", "timestamp", "When the task ended, UTC; an estimate while it is running."),
    Column("created_date", "date", "Day on which the task started, UTC.", nullable=False),
    Column(
        "duration_ms",
        "bigint",
        "Milliseconds from start to end; null if unfinished, or if the end is before the start.",
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
# DuckDB by itself takes three times as many bytes, and more time.
_RAW: Final = Column(
    "raw", "text", "The record, exactly as it was received.", nullable=False, compression="zstd"
)
_ARCHIVE_ID: Final = Column(
    "archive_id", "text", "The entry's archive: SHA-256 of the digest.json of its first entry."
)
_RUN_ID: Final = Column("run_id", "text", "The load that wrote the row.", nullable=False)

TASK_VERSIONS: Final = Table(
    "task_versions",
    "one row per distinct state of a task",
    (
        *_PROJECT,
        _JOB,
        Column("version", "bigint", "1 for the first observed state, then 2, ...", nullable=False),
        Column(
            "observed_at", "timestamp", "Clock of the load that observed it, UTC.", nullable=False
        ),
        *_STATE,
        _RAW,
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
        Column("version_count", "bigint", "Number of distinct states observed.", nullable=False),
        Column(
            "first_seen_at",
            "timestamp",
            "Clock of the load that first observed it, UTC.",
            nullable=False,
        ),
        Column(
            "last_changed_at",
            "timestamp",
            "When this state was first observed, UTC.",
            nullable=False,
        ),
        Column(
            "last_seen_at",
            "timestamp",
            "When this state was last observed, UTC; updated until the task finishes.",
            nullable=False,
        ),
    ),
    # With created_at, DuckDB finds the rows to merge by zone map: the cost stays constant.
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
            "purpose",
            "text",
            "Reason for reading it: new, in_flight, horizon, or stretch (requested range).",
            nullable=False,
        ),
        Column("window_from", "timestamp", "start_time of the request.", nullable=False),
        Column("window_to", "timestamp", "end_time of the request.", nullable=False),
        Column(
            "covered_from", "timestamp", "Start of the time that the window covers.", nullable=False
        ),
        Column(
            "covered_to", "timestamp", "End of the time that the window covers.", nullable=False
        ),
        Column("is_complete", "bool", "Whether every task in it was read.", nullable=False),
        Column("distinct_count", "bigint", "Distinct tasks read from it.", nullable=False),
        Column(
            "total_count", "bigint", "Tasks that the API counted in it; null if it gave no count."
        ),
        Column("reason", "text", "Why the window is incomplete, or a note."),
    ),
    ("region", "project_id", "run_id", "window_from", "window_to"),
)

LOAD_RUNS: Final = Table(
    "load_runs",
    "one row per project and load",
    (
        *_PROJECT,
        Column(
            "project_name",
            "text",
            "Name of the project as the load learned it, else as an earlier one did; null if "
            "unknown.",
        ),
        _RUN_ID,
        Column(
            "load_number",
            "bigint",
            "Number of the load, from 1 on; gives the order even if a clock was wrong.",
            nullable=False,
        ),
        Column("observed_at", "timestamp", "Clock of the load, UTC.", nullable=False),
        Column("outcome", "text", "complete, incomplete or failed.", nullable=False),
        Column("error", "text", "Reason why the project failed or is incomplete."),
        Column("seen_count", "bigint", "Distinct tasks observed.", nullable=False),
        Column("new_count", "bigint", "Tasks observed for the first time.", nullable=False),
        Column("changed_count", "bigint", "Known tasks in a new state.", nullable=False),
        Column("rejected_count", "bigint", "New rejected records.", nullable=False),
        Column(
            "vanished_count", "bigint", "Tasks found deleted from the task center.", nullable=False
        ),
        Column("call_count", "bigint", "API calls made for the project.", nullable=False),
        Column("horizon_ms", "bigint", "How far back the API lists tasks.", nullable=False),
        Column("expected_count", "bigint", "Tasks in the horizon according to the archive."),
        Column("reported_count", "bigint", "Tasks in the horizon according to the API."),
        Column("is_count_usable", "bool", "Whether the API's total_count is reliable."),
        Column("is_running_listed", "bool", "Whether time windows list tasks without an end."),
        Column("is_sweep_whole", "bool", "False if the query for running tasks omits some."),
        Column(
            "gone_rejects",
            "text",
            "record_hash of rejected records that are no longer listed, separated by spaces.",
        ),
        Column("tool_version", "text", "Version of gaussdb-tasks.", nullable=False),
        Column("archive_sequence", "bigint", "Number of the load's entry in the archive."),
        Column(
            "head_digest", "text", "SHA-256 of that entry's digest.json, the head of the chain."
        ),
        _ARCHIVE_ID,
    ),
    ("region", "project_id", "run_id"),
)

REJECTED_RECORDS: Final = Table(
    "rejected_records",
    "one row per distinct record that could not be read as a task",
    (
        *_PROJECT,
        _RUN_ID,
        Column(
            "observed_at", "timestamp", "Clock of the load that observed it, UTC.", nullable=False
        ),
        Column("reason", "text", "Reason why it could not be read as a task.", nullable=False),
        Column("job_id", "text", "Its job_id, if it has one."),
        Column("created_at", "timestamp", "Its created_at in UTC, if it can be read."),
        _RAW,
        Column("record_hash", "text", "SHA-256 of its content.", nullable=False),
    ),
    ("region", "project_id", "record_hash"),
)

VANISHED_TASKS: Final = Table(
    "vanished_tasks",
    "one row per time that a finished task was found deleted from the task center",
    (
        *_PROJECT,
        _JOB,
        Column("created_at", "timestamp", "When the task started, UTC.", nullable=False),
        Column(
            "vanished_at", "timestamp", "When a load first found it deleted, UTC.", nullable=False
        ),
        Column("reappeared_at", "timestamp", "When it was observed again, UTC; null if never."),
        _RUN_ID,
    ),
    ("region", "project_id", "job_id", "created_at", "vanished_at"),
)

TASK_TYPES: Final = Table(
    "task_types",
    "one row per documented kind of task",
    (
        Column("task_name", "text", "Kind of the task, as the API names it.", nullable=False),
        Column("task_label", "text", "The kind in words.", nullable=False),
        Column("category", "text", "create, backup, restore, delete or scale.", nullable=False),
    ),
    ("task_name",),
)

AMENDMENTS: Final = Table(
    "archive_acts",
    "one row per amendment of the archive",
    (
        Column("archive_sequence", "bigint", "Number of its entry in the archive.", nullable=False),
        Column("acted_at", "timestamp", "Clock of the amendment, UTC.", nullable=False),
        Column("kind", "text", "Kind of the amendment, such as redaction.", nullable=False),
        Column("reason", "text", "Reason, as the operator gave it."),
        Column("row_count", "bigint", "Rows removed or changed.", nullable=False),
        Column("tool_version", "text", "Version of gaussdb-tasks.", nullable=False),
        Column("head_digest", "text", "SHA-256 of that entry's digest.json.", nullable=False),
        _ARCHIVE_ID,
    ),
    ("archive_sequence",),
)

SCHEMA_VERSION: Final = 4
"""The version of the database's schema that this program writes."""

SCHEMA_VERSIONS: Final = Table(
    "schema_version",
    "one row: the version of the database's schema",
    (Column("version", "bigint", "Increases when tables change.", nullable=False),),
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

ALL_TABLES: Final = (*LOADED_TABLES, AMENDMENTS, SCHEMA_VERSIONS)

# dlt adds this column.
LOAD_ID: Final = Column(
    "_dlt_load_id", "text", "The dlt load package that last wrote the row.", nullable=False
)


def stored_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table in the database."""
    return (*table.columns, LOAD_ID) if table in LOADED_TABLES else table.columns
