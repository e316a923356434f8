"""Tombstones: small files that replace the files which an amendment removed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from gaussdb_tasks.archive.manifest import RemovedFile
from gaussdb_tasks.archive.store import Archive, ChainEntry, entry_name_of, tombstone_name
from gaussdb_tasks.database import files

Place: TypeAlias = tuple[str, str]
"""A file of the archive: the name of its entry, and its own."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Describe a file that an amendment removed, and its tombstone."""

    amendment: ChainEntry
    file: RemovedFile

    @property
    def place(self) -> Place:
        """Where the file was."""
        return self.file.entry, self.file.file

    def is_of(self, known: Mapping[Place, str | None]) -> bool:
        """Whether the removed file is one of ``files_of`` a chain, with the same hash."""
        return known.get(self.place) == self.file.file_sha256

    @property
    def tombstone_name(self) -> str:
        """The name of the tombstone."""
        return tombstone_name(self.file.file)

    @property
    def tombstone(self) -> bytes:
        """The content of the tombstone: what was removed, when, why, and by which entry."""
        manifest = self.amendment.manifest
        content = {
            "removed": self.file.file,
            "file_sha256": self.file.file_sha256,
            "rows_removed": self.file.rows_removed,
            "rows_changed": self.file.rows_changed,
            "kind": manifest.kind,
            "at": manifest.at,
            "reason": manifest.reason,
            "told_by": entry_name_of(manifest),
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def files_of(chain: Iterable[ChainEntry]) -> Mapping[Place, str | None]:
    """Return the SHA-256 of each file of a chain."""
    return {
        (entry.name, rows.file): rows.file_sha256
        for entry in chain
        for rows in entry.manifest.tables.values()
        if rows.file is not None
    }


def removals(chain: Iterable[ChainEntry]) -> Iterator[Removal]:
    """Yield the files that amendments removed, in order of the amendments."""
    for amendment in chain:
        for file in amendment.manifest.removes:
            yield Removal(amendment, file)


def put_tombstones(archive: Archive, chain: Sequence[ChainEntry]) -> None:
    """Replace removed files by their tombstones; files that are replaced already are skipped.

    A removal that names no file of the chain removes nothing: `verify` reports it. The tombstone is
    written first, so that a stop in between leaves both files, not none.
    """
    known = files_of(chain)
    for removal in removals(chain):
        if not removal.is_of(known):
            continue
        folder: Path = archive.path / removal.file.entry
        tombstone, removed = folder / removal.tombstone_name, folder / removal.file.file
        if (
            folder.is_symlink()
            or not folder.is_dir()
            or tombstone.is_symlink()  # `verify` reports it; its target is not ours
            or (tombstone.exists() and not removed.exists())
        ):
            continue
        with files.replacing(tombstone) as file:
            file.write(removal.tombstone)
        removed.unlink(missing_ok=True)
        files.sync(folder)
