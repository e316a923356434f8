"""Putting tombstones where an act has removed files; what is done already is left alone."""

from collections.abc import Sequence
from pathlib import Path

from gaussdb_tasks.archive.current_rows import removals
from gaussdb_tasks.archive.store import Archive, Link
from gaussdb_tasks.database import files


def put_tombstones(archive: Archive, chain: Sequence[Link]) -> None:
    """Finish what the acts of a chain say: a tombstone first, then the file goes."""
    for removal in removals(chain):
        folder: Path = archive.path / removal.file.entry
        tombstone, doomed = folder / removal.tombstone_name, folder / removal.file.file
        if not folder.is_dir() or (tombstone.exists() and not doomed.exists()):
            continue
        with files.replacing(tombstone) as file:
            file.write(removal.tombstone)
        doomed.unlink(missing_ok=True)
        files.sync(folder)
