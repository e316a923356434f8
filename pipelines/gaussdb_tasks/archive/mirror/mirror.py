"""Copies of the archive elsewhere: every entry is put there once, and brought back when need be.

What was copied so far is noted beside the archive, so that a night costs a call a file, however
many nights lie there already.
"""

from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.archive.manifest import ManifestError, decode, sha256
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    Archive,
    ChainEntry,
    Entry,
    tombstone_name,
)
from gaussdb_tasks.archive.tombstones import removals
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.model.times import iso, now

_NOTE_NAME: Final = "archive-copies.json"


class MirrorState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the copy has come.

    Attributes:
        place: where it is.
        sequence: the last entry that is there whole, with all before it; 0 for none.
        sha256: of that entry's digest.
        waiting: how many entries of the archive are not there yet.
        at: when this was noted, UTC.
        error: why entries wait.
    """

    place: str
    sequence: int = 0
    sha256: str | None = None
    waiting: int = 0
    at: str = ""
    error: str | None = None


def copy_state(data_dir: DataDir) -> MirrorState | None:
    """Return how far the copy had come after the last load; None if none was ever made."""
    try:
        return msgspec.json.decode((data_dir.path / _NOTE_NAME).read_bytes(), type=MirrorState)
    except (OSError, msgspec.DecodeError):
        return None


def copy_entries(data_dir: DataDir, place: Remote) -> MirrorState:
    """Copy the entries that are not there yet, in order; note how far it came.

    The digest of an entry comes last: an entry with a digest is whole. What stands in the way is
    noted, not raised.
    """
    entries = Archive(data_dir.archive).entries()
    state = _where_it_stands(copy_state(data_dir), place, entries)
    error = None
    for entry in entries:
        if entry.sequence <= state.sequence:
            continue
        try:
            link = entry.read()
            _copy(place, link)
        except (GaussdbTasksError, OSError) as caught:
            error = str(caught)
            break
        state = msgspec.structs.replace(state, sequence=entry.sequence, sha256=link.sha256)
    waiting = sum(entry.sequence > state.sequence for entry in entries)
    state = msgspec.structs.replace(state, waiting=waiting, error=error, at=iso(now()))
    with files.replacing(data_dir.path / _NOTE_NAME) as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    return state


def fetch_entries(data_dir: DataDir, place: Remote) -> int:
    """Bring back the entries that the archive lacks; return how many.

    Each is checked against its digest before it enters.

    Raises:
        CopyError: the place cannot be read, or what lies there is damaged or another archive.
        LockedError: a load is at work.
    """
    data_dir.prepare()
    with data_dir.locked(), data_dir.scratch("fetch") as scratch:
        archive = Archive(data_dir.archive)
        names = [name for name in place.names() if DIGEST_NAME in place.names(name)]
        if not names:
            message = f"{place.name} holds no archive"
            raise MirrorError(message)
        here = {entry.name: entry for entry in archive.entries()}
        _refuse_another_archive(place, [here[name] for name in names if name in here])
        missing = [name for name in names if name not in here]
        for name in missing:
            archive.add(_fetch(place, name, scratch / name), name)
    return len(missing)


def _where_it_stands(
    noted: MirrorState | None, place: Remote, entries: tuple[Entry, ...]
) -> MirrorState:
    """Go on from what was noted if it is of this place and this archive, else from the first."""
    fresh = MirrorState(place=place.name)
    if noted is None or noted.place != place.name:
        return fresh
    for entry in entries:
        if entry.sequence == noted.sequence:
            try:
                return noted if entry.read().sha256 == noted.sha256 else fresh
            except (ManifestError, OSError):
                return fresh
    return fresh


def _copy(place: Remote, link: ChainEntry) -> None:
    paths = sorted(link.entry.path.iterdir(), key=lambda path: path.name == DIGEST_NAME)
    for path in paths:
        place.put(f"{link.entry.name}/{path.name}", path.read_bytes())
    for removal in removals([link]):
        tombstone = tombstone_name(removal.file.file)
        place.put(f"{removal.file.entry}/{tombstone}", removal.tombstone)
        place.remove(f"{removal.file.entry}/{removal.file.file}")


def _fetch(place: Remote, name: str, folder: Path) -> Path:
    folder.mkdir()
    for file_name in place.names(name):
        (folder / file_name).write_bytes(place.read(f"{name}/{file_name}"))
    content = (folder / DIGEST_NAME).read_bytes()
    try:
        digest = decode(content)
    except ManifestError as error:
        message = f"{place.name}/{name}/{DIGEST_NAME}: {error}"
        raise MirrorError(message) from error
    damaged = [
        held.file
        for held in digest.tables.values()
        if held.file is not None
        and not (folder / tombstone_name(held.file)).exists()
        and (
            not (folder / held.file).exists()
            or sha256((folder / held.file).read_bytes()) != held.file_sha256
        )
    ]
    if (folder / CHECKSUM_NAME).read_text().partition(" ")[0] != sha256(content):
        damaged.append(DIGEST_NAME)
    if damaged:
        message = f"{place.name}/{name}/{damaged[0]} is missing or damaged"
        raise MirrorError(message)
    return folder


def _refuse_another_archive(place: Remote, shared: list[Entry]) -> None:
    """Compare the newest entry that both have: through the chain it speaks for those before."""
    if shared and place.read(f"{shared[-1].name}/{DIGEST_NAME}") != (
        shared[-1].digest_path.read_bytes()
    ):
        message = (
            f"{place.name}/{shared[-1].name} is not the entry that is here: it is another archive's"
        )
        raise MirrorError(message)
