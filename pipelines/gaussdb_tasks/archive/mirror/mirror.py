"""Mirror the archive: copy each entry to a remote once.

Progress is stored beside the archive. So a load copies only new entries, at any number of entries.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.archive.manifest import ENTRY_NAME, ManifestError
from gaussdb_tasks.archive.mirror.mirror_state import MirrorState, read_mirror_state
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote, UnreadableFileError
from gaussdb_tasks.archive.store import (
    DIGEST_NAME,
    KNOWN_NAMES,
    Archive,
    ChainEntry,
    Entry,
    file_sha256,
    tombstone_name,
)
from gaussdb_tasks.archive.tombstones import files_of, removals
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError
from gaussdb_tasks.model.times import iso, now
from gaussdb_tasks.os_errors import explain, refuse_fault_of_machine

# More folders than these that are no complete entry of this archive are another archive.
_MAX_INCOMPLETE: Final = 100
_MAX_NAMED: Final = 3


class UnknownEntriesError(MirrorError):
    """A remote has entries that this archive lacks."""

    exit_code = ExitCode.USAGE


def mirror_entries(data_dir: DataDir, remote: Remote) -> MirrorState:
    """Copy the entries that the remote lacks, in order, and store the progress.

    The digest of an entry is copied last: an entry with a digest is complete. An error is stored,
    not raised. A remote with entries that this archive lacks gets nothing: two data directories
    that copy to one place would make two chains.
    """
    entries = Archive(data_dir.archive).entries()
    state = _start_state(read_mirror_state(data_dir), remote, entries)
    error = None
    try:
        present = set(remote.folders())
        _refuse_another_archive(remote, entries, present)
        if not all(each.name in present for each in entries if each.sequence <= state.sequence):
            state = MirrorState(remote=remote.name)  # somebody removed entries there
        for entry in entries:
            if entry.sequence <= state.sequence:
                continue
            chain_entry = entry.read()
            _copy(remote, chain_entry, entries)
            _copy_removals(remote, chain_entry, entries)
            state = msgspec.structs.replace(
                state, sequence=entry.sequence, sha256=chain_entry.sha256
            )
    except (GaussdbTasksError, OSError) as caught:
        error = str(explain(caught) if isinstance(caught, OSError) else caught)
    waiting = sum(entry.sequence > state.sequence for entry in entries)
    state = msgspec.structs.replace(state, waiting=waiting, error=error, at=iso(now()))
    with files.replacing(data_dir.copies_state) as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    return state


def refuse_remote(data_dir: DataDir, remote: Remote) -> None:
    """Refuse, before a load, a remote to which the settings let no entry be copied.

    A remote that cannot be reached now is no reason: copying reports it after the load. That also
    holds for a directory that has copies, such as an unmounted disk.

    Raises:
        UnknownEntriesError: this data directory has no archive, but the remote has entries.
        MirrorError: no file can be made in the directory.
    """
    state = read_mirror_state(data_dir)
    try:
        if state is None or state.remote != remote.name or not state.sequence:
            remote.check_directory()
        if not Archive(data_dir.archive).entries():
            _refuse_unknown_entries(remote, ())
    except MirrorError as error:
        if error.exit_code is ExitCode.USAGE:
            raise


def _start_state(
    stored: MirrorState | None, remote: Remote, entries: tuple[Entry, ...]
) -> MirrorState:
    """Return the stored state if it is of this remote and this archive, else an empty one."""
    if stored is not None and stored.remote == remote.name:
        with suppress(ManifestError, OSError):
            for entry in entries:
                if entry.sequence == stored.sequence and entry.read().sha256 == stored.sha256:
                    return stored
    return MirrorState(remote=remote.name)


def _refuse_another_archive(
    remote: Remote, entries: tuple[Entry, ...], present: Collection[str]
) -> None:
    """Refuse a remote that has entries which this archive lacks, or other ones of their names."""
    _refuse_unknown_entries(remote, entries, present)
    for entry in reversed(entries):
        if entry.name in present and DIGEST_NAME in remote.files(entry.name):
            refuse_another_digest(remote, entry)
            return  # the chain covers the entries before it


def refuse_another_digest(remote: Remote, entry: Entry) -> None:
    """Refuse a remote whose manifest of an entry differs from the local one.

    Raises:
        MirrorError: it differs, or cannot be read.
    """
    content = entry.digest_path.read_bytes()
    try:
        is_equal = remote.read(f"{entry.name}/{DIGEST_NAME}", len(content)) == content
    except UnreadableFileError as error:
        refuse_fault_of_machine(error, f"{remote.name}/{entry.name}/{DIGEST_NAME}")
        is_equal = False
    if not is_equal:
        message = (
            f"{remote.name}/{entry.name} differs from the local entry: the remote holds"
            " another archive; check the URL and the data directory"
        )
        raise MirrorError(message)


def _refuse_unknown_entries(
    remote: Remote, entries: tuple[Entry, ...], present: Collection[str] | None = None
) -> None:
    """Refuse a remote that has complete entries which this archive lacks.

    An entry without a digest was cut off while it was copied. Nobody can restore it, and it stops
    nobody.
    """
    local = {entry.name for entry in entries}
    found = remote.folders() if present is None else sorted(present)
    unknown = [name for name in found if ENTRY_NAME.fullmatch(name) and name not in local]
    if len(unknown) <= _MAX_INCOMPLETE:
        unknown = [name for name in unknown if DIGEST_NAME in remote.files(name)]
    if unknown:
        more = f" and {len(unknown) - _MAX_NAMED:,} more" if len(unknown) > _MAX_NAMED else ""
        message = (
            f"{remote.name} holds entries that this archive lacks "
            f"({', '.join(unknown[:_MAX_NAMED])}{more}): another data directory copies there, or "
            f"this one lost entries; nothing was copied; run gaussdb-tasks rebuild --from "
            f"{remote.name} in an empty --data-dir and load there, or choose another --archive-url"
        )
        raise UnknownEntriesError(message)


def _copy(remote: Remote, chain_entry: ChainEntry, entries: tuple[Entry, ...]) -> None:
    listed = remote.files(chain_entry.name)
    for path in _files(chain_entry):
        if path.name == DIGEST_NAME:
            _refuse_unknown_entries(remote, entries)
        name = f"{chain_entry.name}/{path.name}"
        remote.put(name, path.read_bytes(), exists=path.name in listed)


def _copy_removals(remote: Remote, amendment: ChainEntry, entries: tuple[Entry, ...]) -> None:
    """Replace the files that an amendment removed by tombstones, there too.

    A removal that names no file of the chain removes nothing: `verify` reports it.
    """
    named = {removal.file.entry for removal in removals([amendment])}
    known = files_of(entry.read() for entry in entries if entry.name in named)
    for removal in removals([amendment]):
        if not removal.is_of(known):
            continue
        folder, tombstone = removal.file.entry, tombstone_name(removal.file.file)
        exists = tombstone in remote.files(folder)
        remote.put(f"{folder}/{tombstone}", removal.tombstone, exists=exists)
        remote.remove(f"{folder}/{removal.file.file}")


def _files(chain_entry: ChainEntry) -> Iterator[Path]:
    """Yield the files of an entry, the manifest last; links and unknown files are not copied.

    Raises:
        MirrorError: a file differs from the manifest.
    """
    paths = {
        path.name: path
        for path in sorted(chain_entry.path.iterdir())
        if path.name in KNOWN_NAMES and path.is_file() and not path.is_symlink()
    }
    for table in chain_entry.manifest.tables.values():
        if table.file is None or (table.file not in paths and tombstone_name(table.file) in paths):
            continue
        if table.file not in paths or file_sha256(paths[table.file]) != table.file_sha256:
            message = (
                f"{chain_entry.name}/{table.file} is missing or damaged in the local archive; run "
                "gaussdb-tasks verify, and restore the file from a copy"
            )
            raise MirrorError(message)
    digest = paths.pop(DIGEST_NAME)
    yield from paths.values()
    yield digest
