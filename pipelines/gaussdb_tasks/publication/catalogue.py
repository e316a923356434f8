"""A catalogue that DuckDB attaches: entries are replayed there, in one transaction."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.recover import refuse_damage
from gaussdb_tasks.archive.replay import apply_entries, create_tables
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.database.dialects import Dialect
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.database.upgrades import refuse_newer, schema_version
from gaussdb_tasks.database.views import VIEW_SCHEMA, view_script
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import (
    AMENDMENTS,
    LOAD_RUNS,
    LOADED_TABLES,
    SCHEMA_NAME,
    TASK_TYPES,
)
from gaussdb_tasks.model.times import iso
from gaussdb_tasks.publication.comparison import compare_with_archive
from gaussdb_tasks.publication.engine_errors import one_error
from gaussdb_tasks.publication.extensions import roll_back
from gaussdb_tasks.publication.lane import (
    LANES,
    Lane,
    published_comments,
)

CATALOGUE: Final = "published"
"""The name of the attached catalogue."""

LANES_SQL: Final = f"{SCHEMA_NAME}.{LANES.name}"
_LANE_COLUMNS: Final = ", ".join(column.name for column in LANES.columns)
_OF_PROJECTS: Final = tuple(
    table for table in LOADED_TABLES if table not in {LOAD_RUNS, TASK_TYPES}
)


class Catalogue(ABC):
    """An attached catalogue, which is the current database of the connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        dialect: Dialect,
        scratch: Path,
        *,
        null_replacement: str = "\0",
    ) -> None:
        self._connection = connection
        self._name = name
        self._dialect = dialect
        self._scratch = scratch
        self._null_replacement = null_replacement
        self.check_lock: Callable[[], object] = lambda: None
        """Called before a commit; it raises an error if the lock was lost."""

    @abstractmethod
    def _run(self, script: str) -> None:
        """Run statements of the engine's own SQL, in the transaction."""

    @abstractmethod
    def _kept_views(self) -> Sequence[str]:
        """Return the name, a space and the definition of each view, as the engine keeps it."""

    @abstractmethod
    def _clean(self) -> None:
        """Remove what amendments removed from older snapshots and files."""

    def lanes(self) -> Sequence[Lane]:
        """Return the lanes, sorted by archive."""
        with one_error(self._name):
            if schema_version(self._connection) is None:
                return ()
            refuse_newer(self._connection, self._name)
            if LANES.name not in self._names_in(SCHEMA_NAME):
                return ()
            sql = f"""
                select archive_id, archive_sequence, head_digest, epoch_us(published_at),
                    tool_version, is_cleanup_due
                from {LANES_SQL} order by archive_id
            """
            rows = self._connection.execute(sql).fetchall()
        return tuple(
            Lane(archive_id, sequence, digest, iso(at), version, is_cleanup_due=is_due)
            for archive_id, sequence, digest, at, version, is_due in rows
        )

    def owners(self) -> Mapping[ProjectKey, str]:
        """Return the archive that published each project."""
        with one_error(self._name):
            if LOAD_RUNS.name not in self._names_in(SCHEMA_NAME):
                return {}
            sql = f"select distinct region, project_id, archive_id from {SCHEMA_NAME}.load_runs"
            rows = self._connection.execute(sql).fetchall()
        return {ProjectKey(region, project): archive for region, project, archive in rows}

    def are_views_current(self) -> bool:
        """Whether the views are as this version made them."""
        with one_error(self._name):
            return self._is_recorded(self._views_digest())

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring entries and the lane there, in one transaction."""
        with one_error(self._name), self._transaction():
            self._create_tables()
            if first and self._last_entry(lane.archive_id) != chain[first - 1].manifest.sequence:
                # The lane's row, or rows of loads, were edited there: all rows are written again.
                refuse_damage(chain[:first], None)
                first = 0
            if first == 0:
                self._remove_rows(lane.archive_id, chain)
            apply_entries(
                *(self._connection, chain, first),
                is_shared=True,
                null_replacement=self._null_replacement,
            )
            self._write_lane(lane, self._apply_views())

    def clean(self) -> None:
        """Remove what amendments removed from older snapshots and files, too."""
        with one_error(self._name):
            self._clean()
            with self._transaction():
                self._connection.execute(f"update {LANES_SQL} set is_cleanup_due = false")

    def verify(self, chain: Sequence[ChainEntry], lane: Lane, found: Verification) -> None:
        """Compare the rows of a lane with a database that is made from its entries."""
        archives = {each.archive_id for each in self.lanes()}
        with one_error(self._name):
            missing = sorted(view_names() - self._names_in(VIEW_SCHEMA))
            for view in missing:
                found.add(Fault.MISSING, f"{VIEW_SCHEMA}.{view}", "the view is missing")
            if not missing and not self.are_views_current():
                detail = "a view was changed, or is of another version; publish makes it again"
                found.add(Fault.DIFFERS, VIEW_SCHEMA, detail)
            compare_with_archive(
                *(self._connection, CATALOGUE, chain, found, self._scratch),
                other_archives=sorted(archives - {lane.archive_id}),
                null_replacement=self._null_replacement,
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin transaction")
        try:
            yield
            self.check_lock()
        except BaseException:
            roll_back(self._connection)
            raise
        self._connection.execute("commit")

    def _create_tables(self) -> None:
        create_tables(self._connection, is_shared=True)
        columns = ", ".join(column.ddl for column in LANES.columns)
        self._connection.execute(f"create table if not exists {LANES_SQL} ({columns})")

    def _last_entry(self, archive_id: str) -> int | None:
        """Return the last entry of an archive that rows are there of."""
        entries = " union all ".join(
            f"select archive_sequence from {SCHEMA_NAME}.{table.name} where archive_id = $id"
            for table in (LOAD_RUNS, AMENDMENTS)
        )
        sql = f"select max(archive_sequence) from ({entries})"
        (last,) = self._connection.execute(sql, {"id": archive_id}).fetchone() or (None,)
        return None if last is None else int(last)

    def _remove_rows(self, archive_id: str, chain: Sequence[ChainEntry]) -> None:
        """Remove the rows of an archive's projects, also where the rows of its loads are gone.

        The views are made again, too.
        """
        self._connection.execute(f"update {LANES_SQL} set views_digest = null")
        sql = (
            f"select distinct region, project_id from {SCHEMA_NAME}.load_runs where archive_id = ?"
        )
        projects = {
            *self._connection.execute(sql, [archive_id]).fetchall(),
            *(
                (each.region, each.project_id)
                for entry in chain
                for each in entry.manifest.projects
            ),
        }
        keys = [list(each) for each in zip(*sorted(projects), strict=True)]
        for table in _OF_PROJECTS if keys else ():
            sql = f"delete from {SCHEMA_NAME}.{table.name} where (region, project_id) in "
            self._connection.execute(f"{sql} (select unnest(?), unnest(?))", keys)
        for table in (LOAD_RUNS, AMENDMENTS):
            sql = f"delete from {SCHEMA_NAME}.{table.name} where archive_id = ?"
            self._connection.execute(sql, [archive_id])

    def _apply_views(self) -> str:
        """Create the views again unless they are current; return their digest."""
        digest = self._views_digest()
        if not self._is_recorded(digest):
            self._run(self._view_script())
            digest = self._views_digest()
            self._connection.execute(f"update {LANES_SQL} set views_digest = ?", [digest])
        return digest

    def _is_recorded(self, digest: str) -> bool:
        """Check whether the digest of the views is that of all lanes."""
        sql = f"select distinct views_digest from {LANES_SQL}"
        return self._connection.execute(sql).fetchall() == [(digest,)]

    def _views_digest(self) -> str:
        """Return the digest of the views' statements, and of what the engine made of them."""
        names = view_names()
        kept = [each for each in self._kept_views() if each.partition(" ")[0] in names]
        parts = [self._view_script(), *sorted(kept)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _view_script(self) -> str:
        script = view_script(self._dialect).removeprefix("begin;\n").removesuffix("commit;\n")
        return self._comments() + script

    def _names_in(self, schema: str) -> frozenset[str]:
        """Return the names of the tables and views of a schema."""
        sql = """
            select table_name from information_schema.tables
            where table_catalog = current_database() and table_schema = ?
        """
        return frozenset(name for (name,) in self._connection.execute(sql, [schema]).fetchall())

    def _comments(self) -> str:
        """Return the statements that comment on tables and columns."""
        return "".join(
            f"comment on {'table' if target[-1] is None else 'column'} "
            f"{'.'.join(filter(None, target))} is {quoted_text(comment)};\n"
            for target, comment in published_comments().items()
        )

    def _write_lane(self, lane: Lane, views_digest: str) -> None:
        sql = f"delete from {LANES_SQL} where archive_id = ?"
        self._connection.execute(sql, [lane.archive_id])
        self._connection.execute(
            f"insert into {LANES_SQL} ({_LANE_COLUMNS}) "
            "values (?, ?, ?, cast(? as timestamp), ?, ?, ?)",
            [
                *(lane.archive_id, lane.sequence, lane.head_digest, lane.published_at),
                *(lane.tool_version, views_digest, lane.is_cleanup_due),
            ],
        )


def view_names() -> frozenset[str]:
    """Return the names of the views."""
    return frozenset(file.name for file in view_files())
