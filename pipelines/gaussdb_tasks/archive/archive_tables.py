"""What an entry of the archive keeps of the database: which tables, columns and rows.

A segment's rows are those that one load wrote, in the order in which they lie in the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gaussdb_tasks.model import tables
from gaussdb_tasks.model.tables import LOAD_ID, SCHEMA_NAME, Column, Table

# A load's row cannot hold the digest that is made of it.
_SET_BY_SEALING: Final = frozenset({"archive_sequence", "head_digest"})
_SIGHTING_KEY: Final = ("region", "project_id", "job_id", "created_at")
_SIGHTING_TIMES: Final = ("version_count", "first_seen_at", "last_changed_at", "last_seen_at")


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """A kind of file in the archive.

    Attributes:
        name: the file's name without ``.parquet``.
        table: the table of the database whose rows it keeps.
        meaning: what one row is.
        columns: in the order of the file.
        key: the columns that identify a row.
        is_appended: whether rows of the table are only ever added, so that its order means nights.
    """

    name: str
    table: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    is_appended: bool

    @property
    def file_name(self) -> str:
        """The name of the file in an entry's folder."""
        return f"{self.name}.parquet"

    @property
    def clock(self) -> str | None:
        """The column that holds the clock of the load that wrote a row, if there is one."""
        names = self.column_names
        return next((name for name in ("observed_at", "last_seen_at") if name in names), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the file."""
        return tuple(column.name for column in self.columns)

    def select(self, relation: str, columns: Sequence[str] | None = None) -> str:
        """Return SQL that reads the columns from a relation, as they are kept."""
        wanted = self.column_names if columns is None else columns
        # A text that any engine reads; the text of a JSON column is kept as it is.
        kept = [
            f"cast({name} as varchar) as {name}" if name == "extra" else name for name in wanted
        ]
        return f"select {', '.join(kept)} from {relation}"


def _segment(table: Table, *, is_appended: bool) -> ArchiveTable:
    columns = tuple(column for column in table.columns if column.name not in _SET_BY_SEALING)
    return ArchiveTable(
        table.name,
        table.name,
        table.grain,
        (*columns, LOAD_ID),
        table.primary_key,
        is_appended,
    )


def _sightings() -> ArchiveTable:
    by_name = {column.name: column for column in tables.TASKS.columns}
    columns = tuple(by_name[name] for name in (*_SIGHTING_KEY, *_SIGHTING_TIMES))
    meaning = "one row per task that the load saw as new, changed, or still in flight"
    return ArchiveTable("sightings", "tasks", meaning, (*columns, LOAD_ID), _SIGHTING_KEY, False)  # noqa: FBT003


TASK_VERSIONS: Final = _segment(tables.TASK_VERSIONS, is_appended=True)
SIGHTINGS: Final = _sightings()
COVERAGE: Final = _segment(tables.COVERAGE, is_appended=True)
LOAD_RUNS: Final = _segment(tables.LOAD_RUNS, is_appended=True)
REJECTED_RECORDS: Final = _segment(tables.REJECTED_RECORDS, is_appended=True)
VANISHED_TASKS: Final = _segment(tables.VANISHED_TASKS, is_appended=False)
TASK_TYPES: Final = ArchiveTable(
    tables.TASK_TYPES.name,
    tables.TASK_TYPES.name,
    tables.TASK_TYPES.grain,
    tables.TASK_TYPES.columns,
    tables.TASK_TYPES.primary_key,
    is_appended=False,
)

OF_A_LOAD: Final = (
    TASK_VERSIONS,
    SIGHTINGS,
    COVERAGE,
    LOAD_RUNS,
    REJECTED_RECORDS,
    VANISHED_TASKS,
)
"""The segments that a load may leave; task types join them where they are new."""

BY_NAME: Final = MappingProxyType({each.name: each for each in (*OF_A_LOAD, TASK_TYPES)})


def table_sql(segment: ArchiveTable) -> str:
    """Return the table of the database that a segment keeps."""
    return f"{SCHEMA_NAME}.{segment.table}"


def parquet_sql(*files: Path) -> str:
    """Return a relation that reads files one after another; columns are found by name."""
    quoted = ", ".join(quoted_text(str(file)) for file in files)
    return f"read_parquet([{quoted}], union_by_name = true, hive_partitioning = false)"


def quoted_text(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
