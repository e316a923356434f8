"""Write an amendment: an entry that removes or changes rows of earlier entries.

The entry holds the new rows of earlier loads, and says which rows they replace. Files that must go
are replaced by tombstones. Digests stay, so that the rest can still be proved. The database is
rebuilt from the archive, so that its file holds nothing that was removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gaussdb_tasks.archive.amendments.context import AmendmentContext
from gaussdb_tasks.archive.amendments.rewrites import Effect, Rewrite, removed_files
from gaussdb_tasks.archive.archive_tables import parquet_sql
from gaussdb_tasks.archive.canonical import NO_ROWS, RowsDigest, digest_by_load
from gaussdb_tasks.archive.manifest import (
    FORMAT,
    EntryKind,
    Handover,
    Manifest,
    Restatement,
    TableDigest,
)
from gaussdb_tasks.archive.parquet import write_rows
from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.signer_check import check_signer_of_chain
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import Archive, ChainEntry, Entry
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.write import (
    WrittenEntry,
    read_recorded_head,
    row_counts,
    write_manifest,
)
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import AMENDMENTS, SCHEMA_NAME
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.version import VERSION


@dataclass(frozen=True, slots=True)
class Amendment:
    """The kind, time, reason and signer that the entry records; of a rotation, the handover."""

    kind: EntryKind
    at: Micros
    reason: str | None
    signer: KeySigner | None = None
    handover: Handover | None = None


@dataclass(frozen=True, slots=True)
class AmendmentReport:
    """The effects of an amendment, written or only planned.

    Attributes:
        rows: entry name, table name and effect, for each load and table with an effect.
        entry_name: of the amendment's entry; None if nothing was written.
        head_digest: SHA-256 of that entry's digest.
    """

    rows: tuple[tuple[str, str, Effect], ...] = ()
    entry_name: str | None = None
    head_digest: str | None = None

    @property
    def rows_removed(self) -> int:
        """The number of rows removed for good, over all loads."""
        return sum(effect.rows_removed for _, _, effect in self.rows)

    @property
    def rows_changed(self) -> int:
        """The number of rows changed, over all loads."""
        return sum(effect.rows_changed for _, _, effect in self.rows)


def report(context: AmendmentContext, rewrites: Iterable[Rewrite]) -> AmendmentReport:
    """Report the effects of rewrites."""
    names = {entry.manifest.sequence: entry.entry.name for entry in context.chain}
    rows = (
        (names[sequence], each.table.name, effect)
        for each in rewrites
        for sequence, effect in each.effects.items()
        if effect != Effect()
    )
    return AmendmentReport(tuple(sorted(rows, key=lambda row: row[:2])))


def write_amendment(
    data_dir: DataDir,
    context: AmendmentContext,
    amendment: Amendment,
    rewrites: Sequence[Rewrite],
    *,
    is_removing: bool,
) -> AmendmentReport:
    """Add the amendment's entry, put tombstones, and publish the rebuilt database.

    If this is interrupted after the entry was added, the next load finishes it.

    The context is from ``open_context``, which locks the data directory. The files that hold the
    earlier rows are removed if ``is_removing``.

    Raises:
        ConfigurationError: the chain is signed, and the signer is not its key.
        ArchiveError: signatures of the chain do not hold.
    """
    check_signer_of_chain(
        context.chain,
        read_recorded_head(data_dir.database),
        amendment.signer,
        is_old_key_lost=amendment.handover is not None and amendment.handover.is_old_key_lost,
    )
    folder = context.scratch / "entry"
    folder.mkdir()
    draft = _draft(context, amendment, rewrites, folder)
    if is_removing:
        draft = msgspec.structs.replace(draft, removes=removed_files(context.chain, rewrites))
    fresh = context.scratch / data_dir.database.name
    draft_entry = ChainEntry(Entry(folder, draft.sequence, draft.kind), draft, "")
    restore([*context.chain, draft_entry], fresh)
    written = _finish(fresh, draft, folder, amendment)
    archive = Archive(data_dir.archive)
    entry = archive.add(folder, written.name)
    put_tombstones(archive, [*context.chain, entry.read()])
    files.publish(fresh, data_dir.database)
    rows = report(context, rewrites).rows
    return AmendmentReport(rows, written.name, written.sha256)


def _draft(
    context: AmendmentContext, amendment: Amendment, rewrites: Sequence[Rewrite], folder: Path
) -> Manifest:
    """Write the new rows; return the manifest without the fields that need the database."""
    last = context.chain[-1]
    tables = {each.table.name: _write(context, each, folder) for each in rewrites}
    restates = tuple(
        restatement
        for each in rewrites
        for restatement in _restatements(context, each, tables[each.table.name], folder)
    )
    return Manifest(
        format=FORMAT,
        sequence=last.manifest.sequence + 1,
        kind=amendment.kind,
        at=iso(amendment.at),
        tool_version=VERSION,
        previous=last.sha256,
        tables=tables,
        task_types=last.manifest.task_types,
        restates=restates,
        reason=amendment.reason,
        handover=amendment.handover,
    )


def _write(context: AmendmentContext, rewrite: Rewrite, folder: Path) -> TableDigest:
    """Write the rows of a rewrite.

    They are selected once, into a table, so that the digest covers exactly the written rows.
    """
    context.connection.execute(f"create table rewritten_rows as {rewrite.relation}")
    file = folder / (rewrite.file_name or rewrite.table.file_name)
    written = write_rows(context.connection, rewrite.table, "rewritten_rows", file)
    context.connection.execute("drop table rewritten_rows")
    return written


def _restatements(
    context: AmendmentContext, rewrite: Rewrite, written: TableDigest, folder: Path
) -> list[Restatement]:
    table, kept_columns = rewrite.table, rewrite.table.kept_columns
    digests: Mapping[str, RowsDigest] = {}
    kept: Mapping[str, RowsDigest] = {}
    if written.file is not None:
        rows = parquet_sql(folder / written.file)
        digests = digest_by_load(context.connection, table, rows, written.columns).digests
        if kept_columns:
            kept = digest_by_load(context.connection, table, rows, kept_columns).digests
    load_ids = {entry.manifest.sequence: entry.load_id for entry in context.chain}
    restatements = []
    for sequence, effect in sorted(rewrite.effects.items()):
        load_id = load_ids[sequence]
        digest = digests.get(load_id, NO_ROWS)
        restatements.append(
            Restatement(
                sequence=sequence,
                table=rewrite.table.name,
                row_count=digest.row_count,
                rows_sha256=digest.rows_sha256,
                columns=written.columns,
                rows_removed=effect.rows_removed,
                rows_changed=effect.rows_changed,
                kept_sha256=kept[load_id].rows_sha256 if load_id in kept else None,
            )
        )
    return restatements


def _finish(fresh: Path, draft: Manifest, folder: Path, amendment: Amendment) -> WrittenEntry:
    """Add the row counts of the rebuilt database to the manifest; record its digest there."""
    with connect.writable_clone(None, fresh) as connection:
        manifest = msgspec.structs.replace(draft, database=row_counts(connection))
        written = write_manifest(folder, manifest, amendment.at, amendment.signer)
        connection.execute(
            f"update {SCHEMA_NAME}.{AMENDMENTS.name} set head_digest = ? "
            "where archive_sequence = ?",
            [written.sha256, manifest.sequence],
        )
    return written
