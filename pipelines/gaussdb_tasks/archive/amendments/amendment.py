"""Acts on the archive: rows of earlier entries removed, changed or written again, on the record.

An act is an entry of its own in the chain. It says what the rows of earlier entries are from then
on, and holds them; files that must go give way to tombstones. Digests stay, so that what is left
can still be proved. The database is made again from what is left: nothing of what went is in its
file.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql
from gaussdb_tasks.archive.canonical import NO_ROWS, digest_by_load
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.manifest import FORMAT, EntryKind, Manifest, RemovedFile, Restatement
from gaussdb_tasks.archive.parquet import write_rows
from gaussdb_tasks.archive.rebuild import (
    read_intact_chain,
    refuse_data_loss,
    restore,
)
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.signing import Signer
from gaussdb_tasks.archive.store import Archive, ChainEntry, Entry
from gaussdb_tasks.archive.tombstones import put_tombstones, removals
from gaussdb_tasks.archive.write import WrittenEntry, row_counts, write_manifest
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import ARCHIVE_ACTS, SCHEMA_NAME
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.version import VERSION

PAYLOAD: Final = (
    archive_tables.TASK_VERSIONS,
    archive_tables.SIGHTINGS,
    archive_tables.REJECTED_RECORDS,
    archive_tables.VANISHED_TASKS,
)
"""The segments that tell of tasks; the others tell of loads, and stay."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What an act does to the rows of a segment, in SQL over its columns.

    Attributes:
        is_kept: a condition: rows that stay.
        replaced: what columns become, of the rows that stay.
    """

    is_kept: str = "true"
    replaced: Mapping[str, str] = field(default_factory=dict)

    def of(self, relation: str) -> str:
        """Return the rows of a relation as they are after the act."""
        replaced = ", ".join(f"{sql} as {name}" for name, sql in self.replaced.items())
        columns = f"* replace ({replaced})" if replaced else "*"
        return f"(select {columns} from ({relation}) as kept where {self.is_kept})"

    @property
    def is_changed(self) -> str:
        """Return a condition: rows that stay, and are not what they were."""
        differing = (f"{name} is distinct from {sql}" for name, sql in self.replaced.items())
        return f"({self.is_kept}) and ({' or '.join(differing) or 'false'})"


@dataclass(frozen=True, slots=True)
class Effect:
    """How many rows of a load an act removes and changes."""

    rows_removed: int = 0
    rows_changed: int = 0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The rows of some loads as an act leaves them.

    Attributes:
        relation: all of them in order of the loads, with the segment's columns.
        effects: what became of them, by entry of the load.
        file_name: the file that the act keeps them in; None for the usual one.
    """

    segment: ArchiveTable
    relation: str
    effects: Mapping[int, Effect]
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to be done, and how it is put on the record."""

    kind: EntryKind
    at: Micros
    reason: str | None
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """What an act does, or would do: by entry and table."""

    rows: tuple[tuple[str, str, Effect], ...] = ()
    entry_name: str | None = None
    head_digest: str | None = None
    lost_views: tuple[str, ...] = field(default=())

    @property
    def rows_removed(self) -> int:
        """Rows that go for good, in all."""
        return sum(effect.rows_removed for _, _, effect in self.rows)

    @property
    def rows_changed(self) -> int:
        """Rows that are not what they were, in all."""
        return sum(effect.rows_changed for _, _, effect in self.rows)


@dataclass(frozen=True, slots=True)
class AmendmentContext:
    """Where an act is prepared: a connection of its own, and the chain as it is."""

    connection: duckdb.DuckDBPyConnection
    chain: Sequence[ChainEntry]
    scratch: Path

    def relation(self, segment: ArchiveTable) -> str:
        """Return all rows of a segment as they are today, with its columns."""
        return union(segment, self.rows(segment))

    def rows(self, segment: ArchiveTable) -> list[Rows]:
        """Return the loads' rows of a segment that there are today."""
        return [rows for rows in current_rows(self.chain, segment) if rows.file is not None]


@contextmanager
def workshop(data_dir: DataDir) -> Iterator[AmendmentContext]:
    """Lock a data directory and read its archive, every byte of it.

    Raises:
        ConfigurationError: there is no archive.
        ArchiveError: it is damaged, or the database knows more than it holds.
        LockedError: a load is at work.
    """
    with (
        data_dir.locked_with_archive(),
        data_dir.scratch("act") as scratch,
        duckdb.connect(scratch / "work.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        archive = Archive(data_dir.archive)
        chain, _ = read_intact_chain(archive, is_skipping_damage=False)
        put_tombstones(archive, chain)  # what an act that was stopped had left to do
        refuse_data_loss(data_dir.database, chain[-1].manifest.sequence)
        yield AmendmentContext(connection, chain, scratch)


def rewrite(shop: AmendmentContext, changes: Mapping[ArchiveTable, RowChange]) -> list[Rewrite]:
    """Find out what changes do, load by load, and in which files: these are written anew whole."""
    rewrites = []
    for segment, change in changes.items():
        effects = _effects(shop, segment, change)
        if not effects:
            continue
        shared = _with_those_in_the_same_files(shop.chain, segment, set(effects))
        rows = [each for each in shop.rows(segment) if each.load.manifest.sequence in shared]
        relation = change.of(union(segment, rows))
        everything = {sequence: effects.get(sequence, Effect()) for sequence in shared}
        rewrites.append(Rewrite(segment, relation, everything))
    return rewrites


def told(shop: AmendmentContext, rewrites: Iterable[Rewrite]) -> Effects:
    """Say what an act would do."""
    names = {link.manifest.sequence: link.entry.name for link in shop.chain}
    rows = (
        (names[sequence], each.segment.name, effect)
        for each in rewrites
        for sequence, effect in each.effects.items()
        if effect != Effect()
    )
    return Effects(tuple(sorted(rows, key=lambda row: row[:2])))


def perform(
    data_dir: DataDir,
    shop: AmendmentContext,
    act: Amendment,
    rewrites: Sequence[Rewrite],
    *,
    is_removing: bool,
) -> Effects:
    """Write the act's entry, put tombstones where files must go, and publish the database anew.

    Killed on the way, the next load finishes it.

    Args:
        data_dir: locked by the workshop.
        shop: the workshop.
        act: how it is put on the record.
        rewrites: what becomes of the rows.
        is_removing: whether files that hold the rows as they were must go.
    """
    folder = shop.scratch / "entry"
    folder.mkdir()
    draft = _draft(shop, act, rewrites, folder)
    if is_removing:
        draft = msgspec.structs.replace(draft, removes=_doomed_files(shop.chain, rewrites))
    fresh = shop.scratch / data_dir.database.name
    place = Entry(folder, draft.sequence, draft.kind)
    lost_views = restore([*shop.chain, ChainEntry(place, draft, "")], fresh, data_dir.database)
    sealed = _sealed(fresh, draft, folder, act)
    archive = Archive(data_dir.archive)
    entry = archive.add(folder, sealed.name)
    put_tombstones(archive, [*shop.chain, entry.read()])
    files.publish(fresh, data_dir.database)
    effects = told(shop, rewrites)
    return Effects(effects.rows, sealed.name, sealed.sha256, lost_views)


def _draft(
    shop: AmendmentContext, act: Amendment, rewrites: Sequence[Rewrite], folder: Path
) -> Manifest:
    last = shop.chain[-1]
    tables, restates = {}, []
    for each in rewrites:
        held = write_rows(
            shop.connection, each.segment, each.relation, folder, file_name=each.file_name
        )
        tables[each.segment.name] = held
        digests = (
            {}
            if held.file is None
            else digest_by_load(
                shop.connection, each.segment, parquet_sql(folder / held.file), held.columns
            ).digests
        )
        load_ids = {
            link.manifest.sequence: link.manifest.load.load_id
            for link in shop.chain
            if link.manifest.load is not None
        }
        for sequence, effect in sorted(each.effects.items()):
            digest = digests.get(load_ids[sequence], NO_ROWS)
            restates.append(
                Restatement(
                    sequence=sequence,
                    table=each.segment.name,
                    row_count=digest.row_count,
                    rows_sha256=digest.rows_sha256,
                    columns=held.columns,
                    rows_removed=effect.rows_removed,
                    rows_changed=effect.rows_changed,
                )
            )
    return Manifest(
        format=FORMAT,
        sequence=last.manifest.sequence + 1,
        kind=act.kind,
        at=iso(act.at),
        tool_version=VERSION,
        previous=last.sha256,
        tables=tables,
        task_types=last.manifest.task_types,
        restates=tuple(restates),
        reason=act.reason,
    )


def _sealed(fresh: Path, draft: Manifest, folder: Path, act: Amendment) -> WrittenEntry:
    """Finish the digest with what the database holds after the act, and tell the database."""
    with connect.writable_clone(None, fresh) as connection:
        digest = msgspec.structs.replace(draft, database=row_counts(connection))
        sealed = write_manifest(folder, digest, act.at, act.signer)
        connection.execute(
            f"update {SCHEMA_NAME}.{ARCHIVE_ACTS.name} set head_digest = ? "
            "where archive_sequence = ?",
            [sealed.sha256, digest.sequence],
        )
    return sealed


def _doomed_files(
    chain: Sequence[ChainEntry], rewrites: Sequence[Rewrite]
) -> tuple[RemovedFile, ...]:
    """Return the files that hold rows as they were, and how many of these go for good."""
    doomed = []
    for each in rewrites:
        for (entry, file), sequences in _holders(chain, each.segment).items():
            touched = sequences & each.effects.keys()
            if touched:
                effects = [each.effects[sequence] for sequence in touched]
                doomed.append(
                    RemovedFile(
                        entry=entry,
                        file=file,
                        file_sha256=_file_sha256(chain, entry, each.segment),
                        rows_removed=sum(effect.rows_removed for effect in effects),
                        rows_changed=sum(effect.rows_changed for effect in effects),
                    )
                )
    return tuple(sorted(doomed, key=lambda file: (file.entry, file.file)))


def _file_sha256(chain: Sequence[ChainEntry], entry_name_: str, segment: ArchiveTable) -> str:
    held = next(link for link in chain if link.entry.name == entry_name_).manifest.tables
    return held[segment.name].file_sha256 or ""


def _holders(chain: Sequence[ChainEntry], segment: ArchiveTable) -> dict[tuple[str, str], set[int]]:
    """Return the files of a segment that are still there, with the loads that have rows in them."""
    gone = {(removal.file.entry, removal.file.file) for removal in removals(chain)}
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for link in chain:
        held = link.manifest.tables.get(segment.name)
        if held is None or held.file is None or (link.entry.name, held.file) in gone:
            continue
        if link.manifest.load is not None:
            found[link.entry.name, held.file].add(link.manifest.sequence)
        for said in link.manifest.restates:
            if said.table == segment.name:
                found[link.entry.name, held.file].add(said.sequence)
    return found


def _with_those_in_the_same_files(
    chain: Sequence[ChainEntry], segment: ArchiveTable, sequences: set[int]
) -> set[int]:
    """Return the loads, and all that share a file with them: a file is written anew whole."""
    groups = list(_holders(chain, segment).values())
    shared, size = set(sequences), 0
    while size != len(shared):
        size = len(shared)
        for group in groups:
            if group & shared:
                shared |= group
    return shared


def _effects(shop: AmendmentContext, segment: ArchiveTable, change: RowChange) -> dict[int, Effect]:
    rows = shop.rows(segment)
    if not rows:
        return {}
    sql = f"""
        select
            _dlt_load_id,
            count(*) filter (where not ({change.is_kept})),
            count(*) filter (where {change.is_changed})
        from ({union(segment, rows)}) as kept
        group by all
    """
    found = {
        load_id: Effect(*counts) for load_id, *counts in shop.connection.execute(sql).fetchall()
    }
    return {
        each.load.manifest.sequence: effect
        for each in rows
        if (effect := found.get(each.load_id, Effect())) != Effect()
    }


def union(segment: ArchiveTable, rows: Sequence[Rows]) -> str:
    """Return SQL that reads the rows of loads one after another, with the segment's columns."""
    nulls = ", ".join(f"null::{column.sql_type} as {column.name}" for column in segment.columns)
    parts = [f"select * from {relation}" for relation in relations(rows)]
    whole = " union all by name ".join([*parts, f"select {nulls} where false"])
    return segment.select(f"({whole})")
