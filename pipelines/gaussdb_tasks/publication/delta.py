"""Publish as Delta tables: one for each table of the database, and one of lanes.

A lane is an archive. Its rows are a partition of each table. Delta has no transaction over several
tables, so a lane's row is committed last: it names the version of each table that a reader should
use. A publication that was stopped is completed by the next one: each commit records, as a
transaction of Delta, up to which entry the table has the rows of a lane.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, quoted_text, table_sql
from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_derived import stored
from gaussdb_tasks.database.connect import open_empty, read_published, registered
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import LOAD_ID, SCHEMA_NAME
from gaussdb_tasks.publication.catalogue import CATALOGUE
from gaussdb_tasks.publication.comparison import compare_with_archive
from gaussdb_tasks.publication.delta_lanes import (
    LANES_OF_DELTA,
    LaneRow,
    marks,
    read_lane_rows,
    recorded_sequence,
    repeated_marks,
    rows_in,
    store_lane,
)
from gaussdb_tasks.publication.delta_tables import (
    LANE,
    DeltaTables,
    active_files,
    file_names,
    lanes_of,
    rows_of,
)
from gaussdb_tasks.publication.lane import Lane, TransientPublicationError
from gaussdb_tasks.publication.target import DeltaTarget

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

_BATCH_ROWS: Final = 10_000
_APPENDED: Final = frozenset(each.table for each in archive_tables.APPENDED)

_Change: TypeAlias = tuple[str, str | None]
"""A condition of the rows to write, and a predicate of those that they replace, if any."""

TASKS: Final = stored(tables.TASKS)
OF_LANES: Final = (
    TASKS,
    *(
        stored(table)
        for table in (*tables.LOADED_TABLES, tables.AMENDMENTS)
        if table not in {tables.TASKS, tables.TASK_TYPES}
    ),
)
"""The tables that have rows of each lane."""

SHARED: Final = (stored(tables.TASK_TYPES), stored(tables.SCHEMA_VERSIONS))
"""The tables that are the same for all lanes."""


@contextmanager
def open_delta(target: DeltaTarget, scratch: Path) -> Iterator["DeltaPublication"]:
    """Open a folder or a bucket; nothing is locked: a conflict is found at the commit.

    Args:
        target: the folder or bucket.
        scratch: a folder for a database.
    """
    yield DeltaPublication(DeltaTables(target.name), scratch)


class DeltaPublication:
    """An archive as Delta tables; see ``Publication``."""

    def __init__(self, target: DeltaTables, scratch: Path) -> None:
        self._target = target
        self._scratch = scratch

    def lanes(self) -> Sequence[Lane]:
        """Return the lanes that are complete."""
        rows = read_lane_rows(self._target)
        return tuple(rows[each].lane for each in sorted(rows) if rows[each].lane.sequence)

    def owners(self) -> Mapping[ProjectKey, str]:
        """Return the archive of each project, also of publications that are not complete."""
        rows = read_lane_rows(self._target)
        return {project: each for each, row in rows.items() for project in row.projects}

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring the rows of entries to each table, then the lane; `first` is found by table."""
        del first
        with self._rows_of_archive(chain) as connection:
            digests = {entry.manifest.sequence: entry.sha256 for entry in chain}
            write_lane(self._target, connection, digests, lane)

    def clean(self) -> None:
        """Delete the files that amendments replaced, and those of stopped publications."""
        for row in read_lane_rows(self._target).values():
            if row.lane.is_cleanup_due and row.lane.sequence:
                for table in OF_LANES:
                    self._clean(table, row.lane)
                lane = replace(row.lane, is_cleanup_due=False)
                store_lane(self._target, LaneRow(lane, row.projects, row.versions))

    def verify(self, chain: Sequence[ChainEntry], lane: Lane, found: Verification) -> None:
        """Compare the rows that readers see, from a copy in a database."""
        lanes = read_lane_rows(self._target)
        copy = self._scratch / "published.duckdb"
        with open_empty(self._scratch) as connection:
            connection.execute(f"attach {quoted_text(str(copy))} as {CATALOGUE}")
            connection.execute(f"create schema {CATALOGUE}.{SCHEMA_NAME}")
            for table, rows in self._published_rows(lanes[lane.archive_id], lanes, found):
                columns = ", ".join(table.column_names)
                copied = f"create table {CATALOGUE}.{table_sql(table)} as select {columns}"
                with registered(connection, "found", rows):
                    connection.execute(f"{copied} from found")
            compare_with_archive(connection, CATALOGUE, chain, found, self._scratch)

    def _published_rows(
        self, row: LaneRow, lanes: Collection[str], found: Verification
    ) -> "Iterator[tuple[ArchiveTable, Dataset]]":
        lane = row.lane
        reached = marks(lane.archive_id, lane.head_digest, lane.sequence)
        for table in OF_LANES:
            opened = self._target.open_known(table.name)
            for other in lanes_of(opened) - {*lanes}:
                detail = f"rows of lane {other} are there, which no archive published"
                found.add(Fault.DIFFERS, table_sql(table), detail)
            if repeated_marks(opened, lane.archive_id) != reached:  # a publication is not complete
                opened = self._target.open_known(table.name, row.versions[table.name])
            yield table, rows_of(opened, lane.archive_id)
        for table in SHARED:
            yield table, rows_of(self._target.open_known(table.name))

    def _clean(self, table: ArchiveTable, lane: Lane) -> None:
        stored_files = self._target.stored_files(table.name, lane.archive_id)
        opened = self._target.open_known(table.name)
        # A commit of no rows: a writer whose files were just listed can no longer commit them.
        no_rows = rows_of(opened).schema.empty_table().to_reader()
        self._target.write(opened, no_rows, repeated_marks(opened, lane.archive_id))
        unused = stored_files - file_names(active_files(opened, lane.archive_id))
        self._target.remove_files(table.name, lane.archive_id, sorted(unused))

    @contextmanager
    def _rows_of_archive(self, chain: Sequence[ChainEntry]) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a new database with the rows of a chain: rows of the published one may be edited.

        It stays in the scratch folder, for the next attempt: only an error of Delta has one.
        """
        restored = self._scratch / f"restored-{chain[-1].sha256}.duckdb"
        if not restored.exists():
            restore(chain, restored)
        with read_published(restored) as connection:
            yield connection


def write_lane(
    target: DeltaTables,
    connection: duckdb.DuckDBPyConnection,
    digests: Mapping[int, str],
    lane: Lane,
) -> None:
    """Bring each table of a lane to its head, then the lane's row.

    Args:
        target: where to write.
        connection: a database with exactly the rows of the lane's archive.
        digests: the SHA-256 of each manifest of the archive, by sequence.
        lane: the lane as it is afterwards.

    Raises:
        TransientPublicationError: another publication wrote the same at the same time.
    """
    _Writer(target, connection, digests, lane).run()


class _Writer:
    """Bring each table of a lane to the head."""

    def __init__(
        self,
        target: DeltaTables,
        connection: duckdb.DuckDBPyConnection,
        digests: Mapping[int, str],
        lane: Lane,
    ) -> None:
        self._target = target
        self._connection = connection
        self._digests = digests
        self._lane = lane
        self._own = f"{LANE} = {quoted_text(lane.archive_id)}"

    def run(self) -> None:
        """Publish, and delete what the publication before the last one left."""
        before = self._claim()
        versions, unused = {}, {}
        for table in OF_LANES:
            versions[table.name], unused[table.name] = self._write(table, before.versions)
        for table in SHARED:
            self._replace_shared(table)
        store_lane(self._target, LaneRow(self._lane, before.projects, versions))
        for name, files in unused.items():
            self._target.remove_files(name, self._lane.archive_id, sorted(files))

    def _claim(self) -> LaneRow:
        """Record the projects, and that files must be cleaned, before any row is written."""
        table = self._target.open_or_create(stored(LANES_OF_DELTA), has_lanes=False)
        rows = rows_in(table)
        before = rows.get(self._lane.archive_id)
        sql = f"select distinct region, project_id from {SCHEMA_NAME}.load_runs order by all"
        projects = tuple(ProjectKey(*each) for each in self._connection.execute(sql).fetchall())
        lane = replace(self._lane, sequence=0) if before is None else before.lane
        due = self._lane.is_cleanup_due
        claimed = LaneRow(
            replace(lane, is_cleanup_due=due), projects, {} if before is None else before.versions
        )
        for archive_id, other in rows.items():
            if archive_id != self._lane.archive_id and set(projects) & set(other.projects):
                message = f"{self._target.name}: another archive began to publish the same projects"
                raise TransientPublicationError(message)  # the next attempt names it
        if claimed != before:
            store_lane(self._target, claimed, table)
        return claimed

    def _write(self, table: ArchiveTable, versions: Mapping[str, int]) -> tuple[int, set[str]]:
        """Bring a table to the head; return its version, and files that no reader needs then."""
        archive_id = self._lane.archive_id
        opened = self._target.open_or_create(table)
        done = recorded_sequence(opened, archive_id, self._digests)
        if done == self._lane.sequence and not self._lane.is_cleanup_due:
            return opened.version(), set()
        # A writer whose files are listed here, but not committed, can no longer commit them.
        unused = self._target.stored_files(table.name, archive_id)
        is_whole = not done or self._lane.is_cleanup_due
        change: _Change = ("true", self._own) if is_whole else self._changes(table, done)
        condition, replaced = change
        with self._rows(table, condition, lane=archive_id) as rows:
            reached = marks(archive_id, self._lane.head_digest, self._lane.sequence)
            self._target.write(opened, rows, reached, replaced)
        unused -= file_names(active_files(opened, archive_id))
        if self._lane.is_cleanup_due:
            return opened.version(), set()  # `clean` deletes them
        if table.name in versions:  # for who reads the last publication
            last = self._target.open_known(table.name, versions[table.name])
            unused -= file_names(active_files(last, archive_id))
        return opened.version(), unused

    def _changes(self, table: ArchiveTable, done: int) -> _Change:
        """Choose the rows that later entries wrote; return a predicate of those they replace.

        Tasks are replaced since the first one that was observed again: files with earlier ones
        stay.
        """
        is_new = (
            f"{LOAD_ID.name} in (select {LOAD_ID.name} from {SCHEMA_NAME}.load_runs "
            f"where archive_sequence > {done})"
        )
        if table.table in _APPENDED:
            return is_new, None
        if table is not TASKS:
            return "true", self._own
        sql = f"select min(created_date) from {table_sql(TASKS)} where {is_new}"
        (first,) = self._connection.execute(sql).fetchone() or (None,)
        if first is None:
            return "false", None
        since = f"created_date >= date '{first}'"
        return since, f"{self._own} and {since}"

    def _replace_shared(self, table: ArchiveTable) -> None:
        """Write a table that all lanes share, unless its rows are there."""
        opened = self._target.open_or_create(table, has_lanes=False)
        columns = ", ".join(name for name in table.column_names if name != LOAD_ID.name)
        with registered(self._connection, "found", rows_of(opened)):
            found, wanted = (
                self._connection.execute(f"select {columns} from {each} order by all").fetchall()
                for each in ("found", table_sql(table))
            )
        if found != wanted:
            with self._rows(table, "true") as rows:
                self._target.write(opened, rows, {table.name: opened.version()}, "true")

    def _rows(
        self, table: ArchiveTable, condition: str, lane: str | None = None
    ) -> "pa.RecordBatchReader":
        column = "" if lane is None else f", {quoted_text(lane)} as {LANE}"
        selected = table.select(f"{table_sql(table)} where {condition}")
        cursor = self._connection.execute(f"select *{column} from ({selected})")
        return cursor.to_arrow_reader(_BATCH_ROWS)
