"""Download an entry of a remote: only files that an entry can have, and only of the listed size."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gaussdb_tasks.archive.manifest import ENTRY_NAME, FILE_NAMES, Manifest, ManifestError
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote, UnreadableFileError
from gaussdb_tasks.archive.store import DIGEST_NAME, KNOWN_NAMES, Entry, size_limit
from gaussdb_tasks.os_errors import refuse_fault_of_machine

# Placeholders of archive tables are sparse, but file systems have limits, too.
_MAX_TABLE_BYTES: Final = 1024**4


def entries_of(listing: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the sizes of the files of each entry in a remote's listing, sorted by entry."""
    found: dict[str, dict[str, int]] = {}
    for name, size in sorted(listing.items()):
        entry, _, file_name = name.partition("/")
        if ENTRY_NAME.fullmatch(entry) and file_name:
            found.setdefault(entry, {})[file_name] = size
    return found


def download_entry(
    remote: Remote,
    sizes: Mapping[str, int],
    folder: Path,
    *,
    is_whole: bool,
) -> dict[str, UnreadableFileError]:
    """Copy an entry to a new folder; return the errors of files that cannot be read, by name.

    A file that is not read has its listed size, and no content: archive tables if only the small
    files are wanted, and files of a size that they cannot have. Unknown files are omitted.

    The folder has the name of the entry. ``sizes`` has the bytes of each of its files.

    Raises:
        MirrorError: the remote cannot be read, or the disk is full.
    """
    folder.mkdir()
    unreadable = {}

    def read(file_name: str, max_bytes: int, *, is_wanted: bool = True) -> None:
        size, target = sizes[file_name], folder / file_name
        if is_wanted and size <= max_bytes:
            _refuse_full_disk(folder, size)
            try:
                remote.fetch(f"{folder.name}/{file_name}", target, size)
            except UnreadableFileError as error:
                unreadable[file_name] = error
            else:
                return
        with target.open("wb") as file:
            file.truncate(min(max(size, 0), max_bytes + 1))

    if DIGEST_NAME in sizes:
        read(DIGEST_NAME, size_limit(DIGEST_NAME))
    manifest = _manifest(folder)
    for file_name in KNOWN_NAMES & sizes.keys() - {DIGEST_NAME}:
        if file_name in FILE_NAMES:
            is_wanted = is_whole and size_limit(file_name, manifest) == sizes[file_name]
            read(file_name, _MAX_TABLE_BYTES, is_wanted=is_wanted)
        else:
            read(file_name, size_limit(file_name))
    return unreadable


def _refuse_full_disk(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        message = (
            f"a file of {size:,} bytes does not fit on the disk of {folder.parent}, which has "
            f"{free:,} bytes free; free some space there; for verify, set TMPDIR or use --fast"
        )
        raise MirrorError(message)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return Entry(folder, 0, "").read().manifest
    except (ManifestError, OSError) as error:
        refuse_fault_of_machine(error)
        return None
