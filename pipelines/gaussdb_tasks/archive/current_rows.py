"""What the rows of each entry are today: as they were kept, or as later acts restated them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, quoted_text
from gaussdb_tasks.archive.manifest import RemovedFile, TableDigest
from gaussdb_tasks.archive.store import Link, entry_name_of, tombstone_name


@dataclass(frozen=True, slots=True)
class Rows:
    """A load's rows of one table, as they are today.

    Attributes:
        load: the load's entry.
        keeper: the entry whose file holds them.
        file: None where there are no rows.
    """

    load: Link
    keeper: Link
    table: str
    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    file: Path | None

    @property
    def load_id(self) -> str:
        """What marks the rows in the database and in files."""
        identity = self.load.digest.load
        return "" if identity is None else identity.load_id

    @property
    def act_file(self) -> Path | None:
        """The file, if an act wrote it: it holds rows of other loads too, in their order."""
        return None if self.keeper is self.load else self.file

    @property
    def relation(self) -> str:
        """The rows as a relation of SQL; only where there is a file."""
        if self.file is None:
            raise ValueError(self.table)
        whole = parquet_sql(self.file)
        if self.act_file is None:
            return whole
        return f"{whole} where _dlt_load_id = {quoted_text(self.load_id)}"


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that an act removed, and what is to be in its place."""

    act: Link
    file: RemovedFile

    @property
    def tombstone_name(self) -> str:
        """The file that stands in its place."""
        return tombstone_name(self.file.file)

    @property
    def tombstone(self) -> bytes:
        """What that file says: what was removed, when, why, and which entry tells of it."""
        digest = self.act.digest
        said = {
            "removed": self.file.file,
            "file_sha256": self.file.file_sha256,
            "rows_removed": self.file.rows_removed,
            "rows_changed": self.file.rows_changed,
            "kind": digest.kind,
            "at": digest.at,
            "reason": digest.reason,
            "told_by": entry_name_of(digest),
        }
        return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def effective_rows(chain: Sequence[Link], segment: ArchiveTable) -> list[Rows]:
    """Return the rows of every load of one table, in order of the loads."""
    current = {
        link.digest.sequence: _kept(link, segment.name, held)
        for link in chain
        if link.digest.load is not None
        and (held := link.digest.tables.get(segment.name)) is not None
    }
    for act in chain:
        for said in act.digest.restates:
            before = current.get(said.sequence)
            if said.table != segment.name or before is None:
                continue
            current[said.sequence] = Rows(
                load=before.load,
                keeper=act,
                table=said.table,
                row_count=said.row_count,
                rows_sha256=said.rows_sha256,
                columns=said.columns,
                file=act.file(said.table) if said.row_count else None,
            )
    return [current[sequence] for sequence in sorted(current)]


def removals(chain: Iterable[Link]) -> Iterator[Removal]:
    """Return the files that acts removed, in order of the acts."""
    for act in chain:
        for file in act.digest.removes:
            yield Removal(act, file)


def _kept(link: Link, table: str, held: TableDigest) -> Rows:
    return Rows(
        load=link,
        keeper=link,
        table=table,
        row_count=held.row_count,
        rows_sha256=held.rows_sha256,
        columns=held.columns,
        file=link.file(table),
    )
