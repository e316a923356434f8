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
from typing import TYPE_CHECKING

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable, quoted_text, table_sql
from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.recover import refuse_damage
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.write import Head
from gaussdb_tasks.database.connect import open_empty, read_published, registered
from gaussdb_tasks.database.untrusted import BELIEVING_NO_STATISTICS
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import SCHEMA_NAME
from gaussdb_tasks.publication.catalogue import CATALOGUE
from gaussdb_tasks.publication.comparison import compare_with_archive, unread_as_finding
from gaussdb_tasks.publication.delta_lanes import (
    LaneRow,
    marks,
    read_lane_rows,
    repeated_marks,
    store_lane,
)
from gaussdb_tasks.publication.delta_tables import (
    DeltaTables,
    active_files,
    file_names,
    lanes_of,
    rows_of,
)
from gaussdb_tasks.publication.delta_writer import OF_LANES, SHARED, LaneWriter
from gaussdb_tasks.publication.engine_errors import one_error
from gaussdb_tasks.publication.lane import Lane
from gaussdb_tasks.publication.target import DeltaTarget

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


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

    def are_views_current(self) -> bool:
        """Whether the views are as this version makes them: there are none."""
        return True

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring the rows of entries to each table, then the lane."""
        digests = {entry.manifest.sequence: entry.sha256 for entry in chain}
        keys = {
            (each.region, each.project_id) for entry in chain for each in entry.manifest.projects
        }
        writer = LaneWriter(self._target, lane, digests, [ProjectKey(*key) for key in sorted(keys)])
        start = [0, *digests].index(writer.done)
        # A table may need more: it was changed, or an amendment was not completed.
        before = Head(writer.done, digests[writer.done]) if start else None
        refuse_damage(chain[start:first], before)
        rows = self._rows_of_entries(chain, start)
        with rows as connection, one_error(self._target.name):
            writer.write(connection, chain[start:])

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
        with open_empty(self._scratch) as connection, one_error(self._target.name):
            connection.execute(f"attach {quoted_text(str(copy))} as {CATALOGUE}")
            connection.execute(f"create schema {CATALOGUE}.{SCHEMA_NAME}")
            for table, rows in self._published_rows(lanes[lane.archive_id], lanes, found):
                columns = ", ".join(table.column_names)
                copied = f"create table {CATALOGUE}.{table_sql(table)} as select {columns}"
                with (
                    registered(connection, "found", rows),
                    unread_as_finding(found, table),
                ):
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
    def _rows_of_entries(
        self, chain: Sequence[ChainEntry], start: int
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a new database with the rows of entries: rows of the local one may be edited.

        It stays in the scratch folder, for the next attempt: only an error of Delta has one.
        """
        restored = self._scratch / f"restored-{start}-{chain[-1].sha256}.duckdb"
        if not restored.exists():
            restore(chain, restored, start)
        with read_published(restored, **BELIEVING_NO_STATISTICS) as connection:
            yield connection
