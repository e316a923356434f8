"""Write the rows of new entries to the Delta tables of a lane.

What is there already stays, as far as it can: a night costs what is new. Only tasks that started on
the same day as an observed one are written again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final, TypeAlias

import duckdb

from gaussdb_tasks.archive.archive_tables import (
    OBSERVATIONS,
    ArchiveTable,
    quoted_text,
    table_sql,
)
from gaussdb_tasks.archive.replay import latest_observations, number_loads
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.verify_derived import stored
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import LOAD_ID, SCHEMA_NAME
from gaussdb_tasks.publication.delta_lanes import (
    LANES_OF_DELTA,
    LaneRow,
    marks,
    recorded_sequence,
    rows_in,
    store_lane,
)
from gaussdb_tasks.publication.delta_tables import (
    LANE,
    DeltaTables,
    active_files,
    file_names,
    rows_of,
)
from gaussdb_tasks.publication.lane import Lane, TransientPublicationError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_BATCH_ROWS: Final = 10_000

_Change: TypeAlias = tuple[str, str | None]
"""The rows to write, and a predicate of those of the lane that they replace, if any."""

_TASKS: Final = stored(tables.TASKS)
_VANISHED_TASKS: Final = stored(tables.VANISHED_TASKS)
_AMENDMENTS: Final = stored(tables.AMENDMENTS)
OF_LANES: Final = (
    _TASKS,
    *(
        stored(table)
        for table in (*tables.LOADED_TABLES, tables.AMENDMENTS)
        if table not in {tables.TASKS, tables.TASK_TYPES}
    ),
)
"""The tables that have rows of each lane."""

SHARED: Final = (stored(tables.TASK_TYPES), stored(tables.SCHEMA_VERSIONS))
"""The tables that are the same for all lanes."""


class LaneWriter:
    """Bring each table of a lane to the head, then the lane's row.

    Where another publication writes the same at the same time, `TransientPublicationError` is
    raised.
    """

    def __init__(
        self,
        target: DeltaTables,
        lane: Lane,
        digests: Mapping[int, str],
        projects: Sequence[ProjectKey],
    ) -> None:
        """Open the tables, and find what they have.

        Args:
            target: where to write.
            lane: the lane as it is afterwards.
            digests: the SHA-256 of each manifest of the archive, by sequence.
            projects: those of the archive.
        """
        self._target = target
        self._lane = lane
        self._projects = tuple(projects)
        self._opened = {table: target.open_or_create(table) for table in OF_LANES}
        self._done = {
            table: 0  # after an amendment, all rows are replaced
            if lane.is_cleanup_due
            else recorded_sequence(opened, lane.archive_id, digests)
            for table, opened in self._opened.items()
        }

    @property
    def done(self) -> int:
        """The last entry of which every table has the rows; 0 for none."""
        return min(self._done.values())

    def write(self, connection: duckdb.DuckDBPyConnection, new: Sequence[ChainEntry] = ()) -> None:
        """Publish, and delete what the publication before the last one left.

        Args:
            connection: a database with the rows of exactly the entries after `done`.
            new: these entries.
        """
        before = self._claim()
        versions, unused = {}, {}
        for table, opened in self._opened.items():
            unused[table.name] = self._write(connection, table, new, before.versions)
            versions[table.name] = opened.version()
        for table in SHARED:
            self._replace_shared(connection, table)
        store_lane(self._target, LaneRow(self._lane, before.projects, versions))
        for name, files in unused.items():
            self._target.remove_files(name, self._lane.archive_id, sorted(files))

    def _claim(self) -> LaneRow:
        """Record the projects, and that files must be cleaned, before any row is written."""
        table = self._target.open_or_create(stored(LANES_OF_DELTA), has_lanes=False)
        rows = rows_in(self._target, table)
        before = rows.get(self._lane.archive_id)
        lane = replace(self._lane, sequence=0) if before is None else before.lane
        due = self._lane.is_cleanup_due
        claimed = LaneRow(
            replace(lane, is_cleanup_due=due),
            self._projects,
            {} if before is None else before.versions,
        )
        for archive_id, other in rows.items():
            is_other = archive_id != self._lane.archive_id
            if is_other and set(self._projects) & set(other.projects):
                message = f"{self._target.name}: another archive began to publish the same projects"
                raise TransientPublicationError(message)  # the next attempt names it
        if claimed != before:
            store_lane(self._target, claimed, table)
        return claimed

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: ArchiveTable,
        new: Sequence[ChainEntry],
        versions: Mapping[str, int],
    ) -> set[str]:
        """Bring a table to the head; return the files that no reader needs then."""
        archive_id, opened = self._lane.archive_id, self._opened[table]
        if self._done[table] == self._lane.sequence:
            return set()
        # A writer whose files are listed here, but not committed, can no longer commit them.
        unused = self._target.stored_files(table.name, archive_id)
        relation, replaced = self._changes(connection, table, new)
        own = f"{LANE} = {quoted_text(archive_id)}"
        with _read(connection, table, relation, lane=archive_id) as rows:
            self._target.write(
                opened,
                rows,
                marks(archive_id, self._lane.head_digest, self._lane.sequence),
                None if replaced is None else f"{own} and {replaced}",
            )
        unused -= file_names(active_files(opened, archive_id))
        if self._lane.is_cleanup_due:
            return set()  # `clean` deletes them
        if table.name in versions:  # for who reads the last publication
            last = self._target.open_known(table.name, versions[table.name])
            unused -= file_names(active_files(last, archive_id))
        return unused

    def _changes(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: ArchiveTable,
        new: Sequence[ChainEntry],
    ) -> _Change:
        """Choose the rows that entries bring to a table."""
        done = self._done[table]
        if not done:
            return table_sql(table), "true"
        later = f"archive_sequence > {done}"
        if table == _AMENDMENTS:
            return f"{table_sql(table)} where {later}", None
        if table == _TASKS:
            entries = [entry for entry in new if entry.manifest.sequence > done]
            return self._changed_tasks(connection, entries)
        loads = f"select {LOAD_ID.name} from {SCHEMA_NAME}.load_runs where {later}"
        rows = f"{table_sql(table)} where {LOAD_ID.name} in ({loads})"
        if table == _VANISHED_TASKS:
            sql = f"select 1 from {rows} and reappeared_at is not null limit 1"
            if connection.execute(sql).fetchone():
                return self._with_others(connection, table, rows), "true"
        return rows, None

    def _changed_tasks(
        self, connection: duckdb.DuckDBPyConnection, entries: Sequence[ChainEntry]
    ) -> _Change:
        """Replace the days with observed tasks; files with no row of such a day stay.

        An earlier entry has the state of a task that did not change: the row is kept, and gets what
        was observed.
        """
        number_loads(connection, entries)
        observations = latest_observations(connection, entries)
        sql = f"select distinct created_at::date as day from {observations} order by day"
        days = [day for (day,) in connection.execute(sql).fetchall()]
        if not days:
            return f"{table_sql(_TASKS)} where false", None
        listed = ", ".join(f"date '{day}'" for day in days)
        condition = f"created_date in ({listed})"
        rows = f"{table_sql(_TASKS)} where {condition}"
        merged = self._with_others(connection, _TASKS, rows, condition, days)
        observed = [name for name in OBSERVATIONS.column_names if name not in OBSERVATIONS.key]
        connection.execute(
            f"update {merged} as old set {', '.join(f'{each} = new.{each}' for each in observed)} "
            f"from {observations} as new where {_is_same(_TASKS)}"
        )
        return merged, condition

    def _with_others(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: ArchiveTable,
        rows: str,
        condition: str = "true",
        days: Sequence[date] = (),
    ) -> str:
        """Add the published rows with other keys; return a table that has both."""
        merged = f"merged_{table.name}"
        found = rows_of(self._opened[table], self._lane.archive_id, days)
        with registered(connection, "found", found):
            connection.execute(
                f"create or replace temporary table {merged} as {table.select(rows)} "
                f"union all by name select old.* exclude ({LANE}) from found as old "
                f"where {condition} and not exists "
                f"(from (select * from {rows}) as new where {_is_same(table)})"
            )
        return merged

    def _replace_shared(self, connection: duckdb.DuckDBPyConnection, table: ArchiveTable) -> None:
        """Write a table that all lanes share, unless its rows are there."""
        opened = self._target.open_or_create(table, has_lanes=False)
        if self._lane.is_cleanup_due or not _has_rows(connection, table, opened):
            with _read(connection, table, table_sql(table)) as rows:
                self._target.write(opened, rows, {table.name: opened.version()}, "true")


def _has_rows(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, opened: "DeltaTable"
) -> bool:
    """Check whether a table that lanes share has the rows of the database."""
    columns = ", ".join(name for name in table.column_names if name != LOAD_ID.name)
    with registered(connection, "found", rows_of(opened)):
        found, wanted = (
            connection.execute(f"select {columns} from {each} order by all").fetchall()
            for each in ("found", table_sql(table))
        )
    return found == wanted


def _is_same(table: ArchiveTable) -> str:
    return " and ".join(f"old.{name} = new.{name}" for name in table.key)


def _read(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    lane: str | None = None,
) -> "pa.RecordBatchReader":
    column = "" if lane is None else f", {quoted_text(lane)} as {LANE}"
    cursor = connection.execute(f"select *{column} from ({table.select(relation)})")
    return cursor.to_arrow_reader(_BATCH_ROWS)
