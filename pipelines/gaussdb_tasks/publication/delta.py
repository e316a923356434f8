"""Publish an archive as Delta tables: one for each table of the database, and one of lanes.

A lane is an archive. Its rows are a partition of each table. Delta has no transaction over several
tables, so a lane's row is committed last: it names the version of each table that a reader should
use. A publication that was stopped is completed by the next one: each commit records, as a
transaction of Delta, up to which entry the table has the rows of a lane.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import duckdb
import msgspec
import tenacity

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, quoted_text, table_sql
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.write import recorded_head
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.model import tables
from gaussdb_tasks.model.tables import LOAD_ID, SCHEMA_NAME, Column, Table, stored_columns
from gaussdb_tasks.model.times import now
from gaussdb_tasks.publication.delta_tables import (
    LANE,
    ConflictError,
    DeltaTables,
    PublicationError,
    active_files,
    file_names,
    rows_of,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_ATTEMPTS: Final = 12
_BATCH_ROWS: Final = 10_000
_APPENDED: Final = frozenset(each.table for each in archive_tables.APPENDED)


def _published(table: Table) -> ArchiveTable:
    return ArchiveTable(
        table.name,
        table.name,
        table.grain,
        stored_columns(table),
        table.primary_key,
        is_appended=table.name in _APPENDED,
    )


TASKS: Final = _published(tables.TASKS)
OF_LANES: Final = tuple(
    _published(table)
    for table in (*tables.LOADED_TABLES, tables.AMENDMENTS)
    if table is not tables.TASK_TYPES
)
"""The tables that have rows of each lane."""

SHARED: Final = tuple(_published(table) for table in (tables.TASK_TYPES, tables.SCHEMA_VERSIONS))
"""The tables that are the same for all lanes."""

LANES: Final = ArchiveTable(
    "lanes",
    "lanes",
    "one row per archive",
    (
        Column("sequence", "bigint", "The last entry that is published.", nullable=False),
        Column("head_digest", "text", "SHA-256 of that entry's digest.json."),
        Column("projects", "json", "Region and id of each project of the archive."),
        Column("versions", "json", "For each table, the version of Delta that has these entries."),
        Column(
            "is_clean",
            "bool",
            "Whether all files with rows that an amendment removed are deleted.",
            nullable=False,
        ),
        Column("published_at", "timestamp", "When the row was written, UTC.", nullable=False),
    ),
    (LANE,),
    is_appended=False,
)


_LANE_ROW: Final = Table(
    LANES.name,
    LANES.meaning,
    (*LANES.columns, Column(LANE, "text", "SHA-256 of the archive's first entry.", nullable=False)),
    (LANE,),
)


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of an archive; see the columns of ``LANES``."""

    archive_id: str
    sequence: int = 0
    head_digest: str | None = None
    projects: tuple[tuple[str, str], ...] = ()
    versions: Mapping[str, int] = {}
    is_clean: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """Describe a publication.

    Attributes:
        sequence: the last entry that is published.
        entry_count: number of entries that were not published before.
        deleted_files: number of files that held rows from before an amendment; None if there was
            no amendment.
    """

    sequence: int
    entry_count: int
    deleted_files: int | None


def publish(
    connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry], target: DeltaTables
) -> Published:
    """Publish a database that equals its archive.

    Args:
        connection: the database, read-only.
        chain: all entries of the archive, in order.
        target: where to publish.

    Raises:
        PublicationError: the target refuses the archive, or cannot be written.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ConflictError),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=10),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    return attempts(_Publication(connection, chain, target).run)


def read_lanes(target: DeltaTables) -> dict[str, Lane]:
    """Return what is published, by archive."""
    table = target.open(LANES.name)
    return {} if table is None else _lanes_in(table)


def _lanes_in(table: "DeltaTable") -> dict[str, Lane]:
    rows = rows_of(table).to_table().to_pylist()
    return {
        row[LANE]: Lane(
            archive_id=row[LANE],
            sequence=row["sequence"],
            head_digest=row["head_digest"],
            projects=msgspec.json.decode(row["projects"], type=tuple[tuple[str, str], ...]),
            versions=msgspec.json.decode(row["versions"], type=dict[str, int]),
            is_clean=row["is_clean"],
        )
        for row in rows
    }


class _Publication:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        chain: Sequence[ChainEntry],
        target: DeltaTables,
    ) -> None:
        self._connection = connection
        self._target = target
        self._archive_id = chain[0].sha256
        self._digests = {entry.manifest.sequence: entry.sha256 for entry in chain}
        self._rewriting = [
            entry.manifest.sequence for entry in chain if entry.manifest.restates
        ]
        head = recorded_head(connection)
        if head is None or self._digests.get(head.sequence) != head.sha256:
            message = "the database does not record an entry of this archive; run gaussdb-tasks load"
            raise PublicationError(message)
        self._head = head

    def run(self) -> Published:
        """Publish what is missing; safe to call again after a conflict."""
        lane = self._claimed_lane()
        new_count = self._head.sequence - lane.sequence
        if not new_count and lane.is_clean:
            return Published(lane.sequence, 0, None)
        versions, unused = {}, {}
        for table in OF_LANES:
            versions[table.name], unused[table.name] = self._write(table, lane)
        for table in SHARED:
            self._replace_shared(table)
        published = msgspec.structs.replace(
            lane,
            sequence=self._head.sequence,
            head_digest=self._head.sha256,
            versions=versions,
        )
        self._store(published)
        for name, files in unused.items():
            self._target.remove_files(name, self._archive_id, sorted(files))
        if not lane.is_clean:
            self._store(msgspec.structs.replace(published, is_clean=True))
        deleted = None if lane.is_clean else sum(map(len, unused.values()))
        return Published(published.sequence, new_count, deleted)

    def _claimed_lane(self) -> Lane:
        """Return the lane, after its projects and a pending clean-up are recorded.

        Raises:
            PublicationError: the archive is refused.
        """
        table = self._target.open_or_create(LANES)
        lanes = _lanes_in(table)
        lane = lanes.pop(self._archive_id, Lane(archive_id=self._archive_id))
        if lane.sequence and self._digests.get(lane.sequence) != lane.head_digest:
            message = (
                f"{self._target.name} has entry {lane.sequence} of this archive with another "
                "digest: the archive lost entries, or was continued in two places; publish to "
                "another --to, or restore the archive from a copy"
            )
            raise PublicationError(message)
        projects = self._projects()
        for other in lanes.values():
            for region, project in sorted(set(projects).intersection(other.projects)):
                message = (
                    f"{self._target.name} has project {project} in {region} from another archive "
                    f"({other.archive_id[:16]}); publish each project from one data directory only"
                )
                raise PublicationError(message)
        has_amendment = any(lane.sequence < each <= self._head.sequence for each in self._rewriting)
        claimed = msgspec.structs.replace(
            lane, projects=projects, is_clean=lane.is_clean and not has_amendment
        )
        if claimed != lane:
            self._store(claimed, table)
        return claimed

    def _projects(self) -> tuple[tuple[str, str], ...]:
        sql = f"select distinct region, project_id from {SCHEMA_NAME}.load_runs order by all"
        return tuple(self._connection.execute(sql).fetchall())

    def _store(self, lane: Lane, table: "DeltaTable | None" = None) -> None:
        """Write a lane's row; a row that another lane wrote since the table was read conflicts."""
        row = {
            LANE: lane.archive_id,
            "sequence": lane.sequence,
            "head_digest": lane.head_digest,
            "projects": msgspec.json.encode(lane.projects).decode(),
            "versions": msgspec.json.encode(lane.versions, order="sorted").decode(),
            "is_clean": lane.is_clean,
            "published_at": now(),
        }
        opened = table or self._target.open_or_create(LANES)
        rows = _LANE_ROW.arrow_from_rows([row]).to_reader()
        self._target.write(opened, rows, {LANES.name: lane.sequence}, self._own())

    def _write(self, table: ArchiveTable, lane: Lane) -> tuple[int, set[str]]:
        """Bring a table to the head; return its version, and the files that are not used then."""
        opened = self._target.open_or_create(table)
        done = self._recorded_sequence(opened)
        if done == self._head.sequence and lane.is_clean:
            return opened.version(), set()
        # Files of another writer, which are not committed yet, conflict with this commit.
        stored = self._target.stored_files(table.name, self._archive_id)
        is_whole = not done or not lane.is_clean or not (table.is_appended or table is TASKS)
        condition, replaced = "true", self._own()
        if not is_whole:
            condition = (
                f"{LOAD_ID.name} in (select {LOAD_ID.name} from {SCHEMA_NAME}.load_runs "
                f"where archive_sequence > {done})"
            )
            replaced = None
        if table is TASKS and not is_whole:
            condition, replaced = self._changed_tasks(condition)
        self._target.write(opened, self._rows(table, condition), self._mark(), replaced)
        used = file_names(active_files(opened, self._archive_id))
        if lane.is_clean and table.name in lane.versions:  # for readers of the last publication
            before = self._target.open(table.name, lane.versions[table.name])
            used |= file_names(active_files(before, self._archive_id)) if before else set()
        return opened.version(), stored - used

    def _changed_tasks(self, condition: str) -> tuple[str, str | None]:
        """Choose the tasks since the first one that new loads observed.

        Files with later tasks only are replaced. Older ones stay.
        """
        sql = f"select min(created_date) from {table_sql(TASKS)} where {condition}"
        (first,) = self._connection.execute(sql).fetchone() or (None,)
        if first is None:
            return "false", None
        since = f"created_date >= date '{first}'"
        return since, f"{self._own()} and {since}"

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
            rows = self._rows(table, "true", more="")
            self._target.write(opened, rows, {table.name: opened.version()}, "true")

    def _rows(
        self, table: ArchiveTable, condition: str, more: str | None = None
    ) -> "pa.RecordBatchReader":
        lane = f", {quoted_text(self._archive_id)} as {LANE}" if more is None else more
        selected = table.select(f"{table_sql(table)} where {condition}")
        sql = f"select *{lane} from ({selected})"
        return self._connection.execute(sql).to_arrow_reader(_BATCH_ROWS)

    def _own(self) -> str:
        return f"{LANE} = {quoted_text(self._archive_id)}"

    def _mark(self) -> dict[str, int]:
        """Return the transactions of a commit with the rows up to the head."""
        return {
            self._archive_id: self._head.sequence,
            f"{self._archive_id}/head": _number_of(self._head.sha256),
        }

    def _recorded_sequence(self, table: "DeltaTable") -> int:
        """Return the last entry of this archive that a table has the rows of; 0 for none."""
        sequence = table.transaction_version(self._archive_id) or 0
        digest = self._digests.get(sequence)
        head = table.transaction_version(f"{self._archive_id}/head")
        return sequence if digest is not None and head == _number_of(digest) else 0


def _number_of(digest: str) -> int:
    """Return a digest's first 60 bits: a transaction of Delta has only a number."""
    return int(digest[:15], 16)
