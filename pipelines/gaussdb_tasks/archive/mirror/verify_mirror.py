"""Verify a copy of the archive where it lies, and compare it with the local archive."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gaussdb_tasks.archive.manifest import ENTRY_NAME, ManifestError
from gaussdb_tasks.archive.mirror.download import download_entry, entries_of
from gaussdb_tasks.archive.mirror.remote import MAX_NAME_LENGTH, Remote
from gaussdb_tasks.archive.store import DIGEST_NAME, KNOWN_NAMES, Archive, Entry
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify import verify_copy
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError

# A folder of other files is one fault, not a million.
_MAX_UNEXPECTED: Final = 100


def verify_remote(remote: Remote, options: VerifyOptions, data_dir: DataDir) -> Verification:
    """Verify a copy, and compare it with the archive of a data directory, if there is one.

    The copy in an object store is read into a temporary folder: whole, or only its small files if
    the check is fast.

    Raises:
        MirrorError: the remote cannot be read, or the disk is full.
        ConfigurationError: the directory does not exist, or it is the archive itself.
    """
    if remote.path is not None:
        if os.path.realpath(remote.path) == os.path.realpath(data_dir.archive):
            message = f"--archive: {remote.name} is the archive itself, not a copy; omit the option"
            raise ConfigurationError(message)
        found = verify_copy(remote.path, options)
        names = [entry.name for entry in Archive(remote.path).entries()]
    else:
        found, names = _verify_downloaded(remote, options)
    if data_dir.archive.is_dir():
        found.notes.append(f"{remote.name} was compared with {data_dir.archive}")
        _compare(found, names, remote, data_dir)
    else:
        detail = f"there is no archive in {data_dir.path} (--data-dir)"
        found.notes.append(f"{remote.name} was compared with no other archive: {detail}")
    return found


def _verify_downloaded(remote: Remote, options: VerifyOptions) -> tuple[Verification, list[str]]:
    listing = remote.files()
    entries = entries_of(listing)
    with TemporaryDirectory(prefix="gaussdb-tasks-") as temporary:
        folder = Path(temporary)
        unreadable = Verification()
        for name, sizes in entries.items():
            errors = download_entry(remote, sizes, folder / name, is_whole=not options.is_fast)
            for file_name, error in errors.items():
                unreadable.add_unreadable(f"{name}/{file_name}", error, entry=name)
        found = verify_copy(folder, options)
        found.findings[:0] = unreadable.findings
        _rename(found, temporary, remote.name)
    _add_unexpected(found, listing)
    return found, list(entries)


def _rename(found: Verification, folder: str, name: str) -> None:
    """Replace the temporary folder in the findings by the name of the remote."""
    found.findings[:] = [
        dataclasses.replace(
            each, where=each.where.replace(folder, name), detail=each.detail.replace(folder, name)
        )
        for each in found.findings
    ]


def _add_unexpected(found: Verification, listing: Mapping[str, int]) -> None:
    """Add findings for files that no entry has."""
    unexpected: dict[str, str] = {}
    for name in sorted(listing):
        entry, _, file_name = name.partition("/")
        if not ENTRY_NAME.fullmatch(entry):
            unexpected.setdefault(entry, "it is not an entry of the archive")
        elif file_name and file_name not in KNOWN_NAMES:  # a folder itself may be listed, too
            unexpected[name] = "it is not in the manifest"
    for name in list(unexpected)[:_MAX_UNEXPECTED]:
        if name:
            found.add(Fault.EXTRA, name[:MAX_NAME_LENGTH], unexpected[name])
    if len(unexpected) > _MAX_UNEXPECTED:
        detail = f"{len(unexpected) - _MAX_UNEXPECTED:,} more files and folders are unexpected"
        found.add(Fault.EXTRA, "", detail)


def _compare(found: Verification, names: list[str], remote: Remote, data_dir: DataDir) -> None:
    """Add findings for entries that only one of the two has, or that differ."""
    local = {entry.name: entry for entry in Archive(data_dir.archive).entries()}
    if not local.keys() & names:
        detail = f"it shares no entry with {data_dir.archive}; check the URL and --data-dir"
        found.add(Fault.DIFFERS, remote.name, detail)
        return
    for name in sorted(set(names) - local.keys()):
        detail = (
            "the local archive lacks it: another data directory copies here, or the local one lost "
            f"entries; run rebuild --from {remote.name} in an empty --data-dir"
        )
        found.add(Fault.EXTRA, name, detail, entry=name)
    digests = {entry.name: entry.sha256 for entry in found.chain}
    for name in sorted(local.keys() & digests.keys()):
        _compare_digest(found, local[name], digests[name])
    _add_missing(found, [entry for name, entry in local.items() if name not in names], data_dir)


def _compare_digest(found: Verification, entry: Entry, digest: str) -> None:
    try:
        is_equal = entry.read().sha256 == digest
    except (ManifestError, OSError):
        found.notes.append(f"the local {entry.name} cannot be read; run verify without --archive")
        return
    if not is_equal:
        detail = "it differs from the local manifest of the same name"
        found.add(Fault.DIFFERS, f"{entry.name}/{DIGEST_NAME}", detail, entry=entry.name)


def _add_missing(found: Verification, missing: list[Entry], data_dir: DataDir) -> None:
    if missing and data_dir.is_locked():
        found.notes.append(
            f"{missing[-1].name} may not be copied yet: a load is running; verify again later"
        )
        missing = missing[:-1]
    for entry in missing:
        detail = "the copy lacks it; the next load with --archive-url copies it"
        if entry.kind in {"retention", "redaction"}:
            detail += "; until then, the data that it removed is still there"
        found.add(Fault.MISSING, entry.name, detail, entry=entry.name)
