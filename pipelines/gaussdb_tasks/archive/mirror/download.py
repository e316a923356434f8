"""Download an entry of a remote: only files that an entry can have, and only of the listed size."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gaussdb_tasks.archive import manifest
from gaussdb_tasks.archive.manifest import ENTRY_NAME, ManifestError
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote, UnreadableFileError
from gaussdb_tasks.archive.store import DIGEST_NAME, KNOWN_NAMES

# Checksums, signatures, time stamps and tombstones have some 10 KB at most.
_MAX_SMALL_BYTES: Final = 1024 * 1024
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
    on_unreadable: Callable[[str, UnreadableFileError], None],
) -> None:
    """Copy an entry to a new folder.

    A file that is not read has its listed size, and no content: archive tables if only the small
    files are wanted, and files of a size that they cannot have. Unknown files are omitted.

    Args:
        remote: has the entry.
        sizes: size in bytes of each file of the entry.
        folder: the new folder; its name is the entry's.
        is_whole: whether to read the archive tables.
        on_unreadable: called with the name and the error of a file that cannot be read.

    Raises:
        MirrorError: the remote cannot be read, or the disk is full.
    """
    folder.mkdir()

    def read(file_name: str, max_bytes: int, *, is_wanted: bool = True) -> None:
        size, target = sizes[file_name], folder / file_name
        if is_wanted and size <= max_bytes:
            _refuse_full_disk(folder, size)
            try:
                remote.fetch(f"{folder.name}/{file_name}", target, size)
            except UnreadableFileError as error:
                on_unreadable(file_name, error)
            else:
                return
        with target.open("wb") as file:
            file.truncate(min(max(size, 0), max_bytes + 1))

    if DIGEST_NAME in sizes:
        read(DIGEST_NAME, manifest.MAX_BYTES)
    tables = _table_sizes(folder / DIGEST_NAME)
    for file_name in KNOWN_NAMES & sizes.keys() - {DIGEST_NAME}:
        if file_name in manifest.FILE_NAMES:
            is_wanted = is_whole and tables.get(file_name) == sizes[file_name]
            read(file_name, _MAX_TABLE_BYTES, is_wanted=is_wanted)
        else:
            read(file_name, _MAX_SMALL_BYTES)


def _refuse_full_disk(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        message = (
            f"a file of {size:,} bytes does not fit on the disk of {folder.parent}, which has "
            f"{free:,} bytes free; free some space there; for verify, set TMPDIR or use --fast"
        )
        raise MirrorError(message)


def _table_sizes(digest: Path) -> dict[str, int | None]:
    """Return the size of each archive table of an entry; nothing if there is no valid manifest."""
    try:
        decoded = manifest.decode(digest.read_bytes())
    except (ManifestError, OSError):
        return {}
    return {
        table.file: table.file_bytes for table in decoded.tables.values() if table.file is not None
    }
