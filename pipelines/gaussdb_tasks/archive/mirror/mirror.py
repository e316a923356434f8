"""Mirror the archive: copy each entry to a remote once, and fetch entries back.

Progress is stored beside the archive. So a load costs one call for each new file, at any number of
entries.
"""

from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.archive.manifest import ENTRY_NAME, ManifestError, decode, sha256
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    KNOWN_NAMES,
    Archive,
    ChainEntry,
    Entry,
    checksum_line,
    manifest_name,
    tombstone_name,
)
from gaussdb_tasks.archive.tombstones import removals
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.model.times import iso, now

_NOTE_NAME: Final = "archive-copies.json"


class NoArchiveError(MirrorError):
    """A remote can be read, and has no complete entry."""


class MirrorState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the mirror.

    Attributes:
        remote: the URL of the remote, without secrets.
        sequence: the last entry that is complete there, with all before it; 0 for none.
        sha256: SHA-256 of that entry's digest.
        waiting: the number of entries that are not there yet.
        at: when this state was stored, UTC.
        error: why entries wait.
    """

    remote: str = msgspec.field(name="place")
    sequence: int = 0
    sha256: str | None = None
    waiting: int = 0
    at: str = ""
    error: str | None = None


def read_mirror_state(data_dir: DataDir) -> MirrorState | None:
    """Read the progress after the last load; None if there is no mirror."""
    try:
        return msgspec.json.decode((data_dir.path / _NOTE_NAME).read_bytes(), type=MirrorState)
    except (OSError, msgspec.DecodeError):
        return None


def mirror_entries(data_dir: DataDir, remote: Remote) -> MirrorState:
    """Copy the entries that the remote lacks, in order, and store the progress.

    The digest of an entry is copied last: an entry with a digest is complete. An error is stored,
    not raised.
    """
    entries = Archive(data_dir.archive).entries()
    state = _start_state(read_mirror_state(data_dir), remote, entries)
    error = None
    for entry in entries:
        if entry.sequence <= state.sequence:
            continue
        try:
            chain_entry = entry.read()
            _copy(remote, chain_entry)
        except (GaussdbTasksError, OSError) as caught:
            error = str(caught)
            break
        state = msgspec.structs.replace(state, sequence=entry.sequence, sha256=chain_entry.sha256)
    waiting = sum(entry.sequence > state.sequence for entry in entries)
    state = msgspec.structs.replace(state, waiting=waiting, error=error, at=iso(now()))
    with files.replacing(data_dir.path / _NOTE_NAME) as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    return state


def fetch_entries(data_dir: DataDir, remote: Remote) -> int:
    """Fetch the entries that the archive lacks; return their number.

    Each entry is checked against its digest before it is added.

    Raises:
        NoArchiveError: the remote is empty.
        MirrorError: the remote cannot be read, is damaged, or holds another archive.
        LockedError: a load is running.
    """
    data_dir.prepare()
    with data_dir.locked(), data_dir.scratch("fetch") as scratch:
        archive = Archive(data_dir.archive)
        listed = [name for name in remote.names() if ENTRY_NAME.fullmatch(name)]
        names = [name for name in listed if DIGEST_NAME in remote.names(name)]
        if not names:
            message = f"{remote.name} does not hold an archive; check the URL"
            raise NoArchiveError(message)
        local = {entry.name: entry for entry in archive.entries()}
        _refuse_another_archive(remote, [local[name] for name in names if name in local])
        missing = [name for name in names if name not in local]
        last: Entry | None = None
        for name in sorted({*local, *missing}):
            if name in local:
                last = local[name]
                continue
            fetched = _fetch(remote, name, scratch / name)
            _refuse_break(remote, last, fetched)
            last = archive.add(fetched.path, name)
    return len(missing)


def _refuse_break(remote: Remote, last: Entry | None, fetched: ChainEntry) -> None:
    """Refuse an entry that does not continue the chain after the last entry before it."""
    expected = 1 if last is None else last.sequence + 1
    previous = None if last is None else last.read().sha256
    if (
        manifest_name(fetched.manifest) != fetched.name
        or fetched.manifest.sequence != expected
        or fetched.manifest.previous != previous
    ):
        message = (
            f"{remote.name}/{fetched.name} does not continue the chain of the archive; nothing of "
            "it was added; fetch from another copy"
        )
        raise MirrorError(message)


def _start_state(
    stored: MirrorState | None, remote: Remote, entries: tuple[Entry, ...]
) -> MirrorState:
    """Return the stored state if it is of this remote and this archive, else an empty one."""
    fresh = MirrorState(remote=remote.name)
    if stored is None or stored.remote != remote.name:
        return fresh
    for entry in entries:
        if entry.sequence == stored.sequence:
            try:
                return stored if entry.read().sha256 == stored.sha256 else fresh
            except (ManifestError, OSError):
                return fresh
    return fresh


def _copy(remote: Remote, chain_entry: ChainEntry) -> None:
    paths = sorted(chain_entry.entry.path.iterdir(), key=lambda path: path.name == DIGEST_NAME)
    for path in paths:
        remote.put(f"{chain_entry.entry.name}/{path.name}", path.read_bytes())
    for removal in removals([chain_entry]):
        tombstone = tombstone_name(removal.file.file)
        remote.put(f"{removal.file.entry}/{tombstone}", removal.tombstone)
        remote.remove(f"{removal.file.entry}/{removal.file.file}")


def _fetch(remote: Remote, name: str, folder: Path) -> ChainEntry:
    folder.mkdir()
    for file_name in remote.names(name):
        if file_name not in KNOWN_NAMES:
            message = (
                f"{remote.name}/{name} holds a file that no entry has: {file_name[:80]!r}; fetch "
                "from another copy"
            )
            raise MirrorError(message)
        (folder / file_name).write_bytes(remote.read(f"{name}/{file_name}"))
    content = (folder / DIGEST_NAME).read_bytes()
    try:
        manifest = decode(content)
    except ManifestError as error:
        message = f"{remote.name}/{name}/{DIGEST_NAME}: {error}"
        raise MirrorError(message) from error
    damaged = [
        table.file
        for table in manifest.tables.values()
        if table.file is not None
        and not (folder / tombstone_name(table.file)).exists()
        and (
            not (folder / table.file).exists()
            or sha256((folder / table.file).read_bytes()) != table.file_sha256
        )
    ]
    digest, checksum = sha256(content), folder / CHECKSUM_NAME
    if not checksum.exists() or checksum.read_bytes() != checksum_line(digest).encode():
        damaged.append(DIGEST_NAME)
    if damaged:
        message = (
            f"{remote.name}/{name}/{damaged[0]} is missing or damaged; fetch from another copy"
        )
        raise MirrorError(message)
    return ChainEntry(Entry(folder, manifest.sequence, manifest.kind), manifest, digest)


def _refuse_another_archive(remote: Remote, shared: list[Entry]) -> None:
    """Compare the newest entry that both have; the chain covers the entries before it."""
    if shared and remote.read(f"{shared[-1].name}/{DIGEST_NAME}") != (
        shared[-1].digest_path.read_bytes()
    ):
        message = (
            f"{remote.name}/{shared[-1].name} differs from the local entry: the remote holds"
            " another archive; check the URL and the data directory"
        )
        raise MirrorError(message)
