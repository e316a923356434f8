"""Fetch entries of a remote into the archive: only entries that continue its chain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gaussdb_tasks.archive.manifest import ManifestError, TableDigest
from gaussdb_tasks.archive.mirror.download import download_entry, entries_of
from gaussdb_tasks.archive.mirror.mirror import refuse_another_digest
from gaussdb_tasks.archive.mirror.remote import MAX_NAME_LENGTH, MirrorError, Remote
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    KNOWN_NAMES,
    Archive,
    ChainEntry,
    Entry,
    checksum_line,
    entry_name_of,
    file_sha256,
    tombstone_name,
)
from gaussdb_tasks.database.data_dir import DataDir

_REMEDY: Final = "fetch from another copy"


class NoArchiveError(MirrorError):
    """A remote can be read, and has no complete entry."""


def fetch_entries(data_dir: DataDir, remote: Remote) -> int:
    """Fetch the entries that the archive lacks; return their number.

    Each entry is checked against its digest before it is added. The remote may lack entries of the
    archive.

    Raises:
        NoArchiveError: the remote is empty.
        MirrorError: the remote cannot be read, is damaged, or holds another archive.
        LockedError: a load is running.
    """
    data_dir.prepare()
    with data_dir.locked(), data_dir.scratch("fetch") as scratch:
        archive = Archive(data_dir.archive)
        listed = {
            name: sizes
            for name, sizes in entries_of(remote.files()).items()
            if DIGEST_NAME in sizes
        }
        if not listed:
            message = f"{remote.name} does not hold an archive; check the URL"
            raise NoArchiveError(message)
        local = {entry.name: entry for entry in archive.entries()}
        shared = [entry for name, entry in local.items() if name in listed]
        if shared:
            refuse_another_digest(remote, shared[-1])
        missing = listed.keys() - local.keys()
        last: Entry | None = None
        for name in sorted({*local, *missing}):
            if name in local:
                last = local[name]
                continue
            fetched = _fetch(remote, listed[name], scratch / name)
            _refuse_break(remote, last, fetched)
            last = archive.add(fetched.path, name)
    return len(missing)


def _refuse_break(remote: Remote, last: Entry | None, fetched: ChainEntry) -> None:
    """Refuse an entry that does not continue the chain after the last entry before it."""
    expected = 1 if last is None else last.sequence + 1
    previous = None if last is None else last.read().sha256
    if (
        entry_name_of(fetched.manifest) != fetched.name
        or fetched.manifest.sequence != expected
        or fetched.manifest.previous != previous
    ):
        message = (
            f"{remote.name}/{fetched.name} does not continue the chain of the archive; nothing of "
            f"it was added; use an empty --data-dir, or {_REMEDY}"
        )
        raise MirrorError(message)


def _fetch(remote: Remote, sizes: Mapping[str, int], folder: Path) -> ChainEntry:
    where = f"{remote.name}/{folder.name}"
    unknown = sorted(sizes.keys() - KNOWN_NAMES)
    if unknown:
        message = (
            f"{where} holds a file that no entry has: {unknown[0][:MAX_NAME_LENGTH]!r}; {_REMEDY}"
        )
        raise MirrorError(message)
    for error in download_entry(remote, sizes, folder, is_whole=True).values():
        raise error
    try:
        fetched = Entry(folder, 0, "").read()
    except ManifestError as error:
        message = f"{where}/{DIGEST_NAME}: {error}"
        raise MirrorError(message) from error
    damaged = [
        str(table.file) for table in fetched.manifest.tables.values() if _is_damaged(folder, table)
    ]
    checksum = folder / CHECKSUM_NAME
    if not checksum.exists() or checksum.read_bytes() != checksum_line(fetched.sha256).encode():
        damaged.append(DIGEST_NAME)
    if damaged:
        message = f"{where}/{damaged[0]} is missing or damaged; {_REMEDY}"
        raise MirrorError(message)
    return fetched


def _is_damaged(folder: Path, table: TableDigest) -> bool:
    if table.file is None:
        return False
    path = folder / table.file
    if not path.exists():
        return not (folder / tombstone_name(table.file)).exists()
    return path.stat().st_size != table.file_bytes or file_sha256(path) != table.file_sha256
