"""The current rows of each load: as the load wrote them, or as a later amendment replaced them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.manifest import Restatement, TableDigest
from gaussdb_tasks.archive.store import ChainEntry

Key: TypeAlias = tuple[str, int]
"""A table, and the sequence of a load's entry."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Locate a load's current rows of one table.

    Attributes:
        load: the load's entry.
        holder: the entry whose file contains the rows.
        file: None if there are no rows.
    """

    load: ChainEntry
    holder: ChainEntry
    table: str
    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    kept_sha256: str | None
    file: Path | None

    @property
    def load_id(self) -> str:
        """The value of ``_dlt_load_id`` in the rows."""
        return self.load.load_id

    @property
    def amendment_file(self) -> Path | None:
        """The file, if an amendment wrote it: it contains rows of several loads, in their order."""
        return None if self.holder is self.load else self.file


def current_rows(chain: Sequence[ChainEntry], table: ArchiveTable) -> list[Rows]:
    """Return the current rows of one table, an item per load, in order of the loads."""
    current: dict[Key, Rows] = {}
    for entry in chain:
        follow(entry, current, (table,))
    return [current[key] for key in sorted(current)]


def follow(entry: ChainEntry, current: dict[Key, Rows], tables: Iterable[ArchiveTable]) -> None:
    """Bring the current rows of tables from before an entry to after it."""
    manifest = entry.manifest
    if manifest.load is not None:
        for table in tables:
            written = manifest.tables.get(table.name)
            if written is not None:
                current[table.name, manifest.sequence] = _rows(entry, entry, table.name, written)
    for restated in manifest.restates:
        key = restated.table, restated.sequence
        if key in current:
            current[key] = _rows(current[key].load, entry, restated.table, restated)


def _rows(
    load: ChainEntry, holder: ChainEntry, table: str, described: TableDigest | Restatement
) -> Rows:
    return Rows(
        load,
        holder,
        table,
        described.row_count,
        described.rows_sha256,
        described.columns,
        described.kept_sha256,
        holder.file(table) if described.row_count else None,
    )
