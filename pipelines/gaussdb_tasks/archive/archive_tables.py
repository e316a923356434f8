"""The archive tables: which tables and columns of the database an entry contains.

An archive table of a load contains the rows that the load wrote, in the database's row order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gaussdb_tasks.model import tables
from gaussdb_tasks.model.tables import LOAD_ID, SCHEMA_NAME, Column, Table

# A load's row cannot contain the hash that is computed from it.
_SET_AFTER_WRITING: Final = frozenset({"archive_sequence", "head_digest", "archive_id"})
_OBSERVATION_KEY: Final = ("region", "project_id", "job_id", "created_at")
_OBSERVATION_COLUMNS: Final = ("version_count", "first_seen_at", "last_changed_at", "last_seen_at")

UNPRUNED_LOAD_ID: Final = f"concat({LOAD_ID.name})"
"""SQL for the load of a file's row, in conditions.

With the column alone DuckDB skips rows that cannot match, as the statistics in the file say.
"""

REDACTABLE: Final = ("fail_reason", "instance_id", "instance_name", "instance_status", "extra")
"""The columns that a redaction can replace, and ``raw`` with them."""


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """Describe a kind of file in the archive.

    Attributes:
        name: file name without ``.parquet``.
        table: table of the database that the rows come from.
        meaning: meaning of one row.
        columns: columns in the order of the file.
        key: columns that identify a row.
    """

    name: str
    table: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The file name in an entry's folder."""
        return f"{self.name}.parquet"

    @property
    def clock(self) -> str | None:
        """The column with the clock of the load that wrote a row, if there is one."""
        names = self.column_names
        return next((name for name in ("observed_at", "last_seen_at") if name in names), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the file."""
        return tuple(column.name for column in self.columns)

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The columns that no redaction changes; none if no redaction changes the table."""
        names, redactable = self.column_names, (*REDACTABLE, "raw")
        return tuple(name for name in names if name not in redactable) if "raw" in names else ()

    def select(self, relation: str, columns: Sequence[str] | None = None) -> str:
        """Return SQL that reads the columns from a relation, with the types of the archive."""
        wanted = self.column_names if columns is None else columns
        # JSON is written as text, which any engine reads.
        selected = [
            f"cast({name} as varchar) as {name}" if name == "extra" else name for name in wanted
        ]
        return f"select {', '.join(selected)} from {relation}"

    def with_nulls_replaced(self, relation: str, replacement: str) -> str:
        """Return a relation whose texts have another character instead of U+0000."""
        if replacement == "\0":
            return relation
        texts = (column.name for column in self.columns if column.data_type == "text")
        replaced = ", ".join(
            f"replace({name}, chr(0), {quoted_text(replacement)}) as {name}" for name in texts
        )
        return f"(select * replace ({replaced}) from {relation})"


def with_columns(table: Table, columns: Iterable[Column]) -> ArchiveTable:
    """Describe some columns of a table of the database."""
    return ArchiveTable(table.name, table.name, table.grain, tuple(columns), table.primary_key)


def _of_a_load(table: Table) -> ArchiveTable:
    columns = (column for column in table.columns if column.name not in _SET_AFTER_WRITING)
    return with_columns(table, (*columns, LOAD_ID))


def _observations() -> ArchiveTable:
    by_name = {column.name: column for column in tables.TASKS.columns}
    columns = tuple(by_name[name] for name in (*_OBSERVATION_KEY, *_OBSERVATION_COLUMNS))
    meaning = "one row per task that the load saw as new, changed, or still in flight"
    return ArchiveTable("sightings", "tasks", meaning, (*columns, LOAD_ID), _OBSERVATION_KEY)


TASK_VERSIONS: Final = _of_a_load(tables.TASK_VERSIONS)
OBSERVATIONS: Final = _observations()
COVERAGE: Final = _of_a_load(tables.COVERAGE)
LOAD_RUNS: Final = _of_a_load(tables.LOAD_RUNS)
REJECTED_RECORDS: Final = _of_a_load(tables.REJECTED_RECORDS)
VANISHED_TASKS: Final = _of_a_load(tables.VANISHED_TASKS)
TASK_TYPES: Final = with_columns(tables.TASK_TYPES, tables.TASK_TYPES.columns)

OF_A_LOAD: Final = (
    TASK_VERSIONS,
    OBSERVATIONS,
    COVERAGE,
    LOAD_RUNS,
    REJECTED_RECORDS,
    VANISHED_TASKS,
)
"""The archive tables of a load; task types are added if they changed."""

APPENDED: Final = (TASK_VERSIONS, COVERAGE, LOAD_RUNS, REJECTED_RECORDS)
"""The archive tables whose rows a load only appends to the database, in order of the loads."""

BY_NAME: Final = MappingProxyType({each.name: each for each in (*OF_A_LOAD, TASK_TYPES)})


def table_sql(table: ArchiveTable) -> str:
    """Return the qualified name of the table of the database."""
    return f"{SCHEMA_NAME}.{table.table}"


def parquet_sql(*files: Path, has_same_columns: bool = False) -> str:
    """Return a relation that reads files in the given order and matches columns by name.

    Args:
        files: the files.
        has_same_columns: whether all have the same columns: then only one footer is read first.
    """
    quoted = ", ".join(quoted_text(str(file)) for file in files)
    union = str(not has_same_columns).lower()
    return f"read_parquet([{quoted}], union_by_name = {union}, hive_partitioning = false)"


def quoted_text(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
