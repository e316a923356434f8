"""Verify the archive: the chain of manifests, and every byte of every file."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gaussdb_tasks.archive.archive_tables import BY_NAME, ArchiveTable
from gaussdb_tasks.archive.manifest import TableDigest
from gaussdb_tasks.archive.parquet_bounds import footer_problem
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    SIGNATURE_NAME,
    TIMESTAMP_NAME,
    Archive,
    ChainEntry,
    Entry,
    checksum_line,
    entry_name_of,
    file_sha256,
    loads_of,
    read_bounded,
)
from gaussdb_tasks.archive.timestamp_trust import TimestampTrust
from gaussdb_tasks.archive.tombstones import Place, Removal, files_of, removals
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_amendments import verify_amendments
from gaussdb_tasks.archive.verification.verify_loads import (
    verify_completeness,
    verify_load_identities,
    verify_project_results,
    verify_row_counts,
)
from gaussdb_tasks.archive.verification.verify_signatures import verify_signatures
from gaussdb_tasks.archive.verification.verify_timestamps import verify_timestamps


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """Describe how an archive is verified.

    Attributes:
        is_fast: whether to compare file sizes instead of reading the files.
        is_rereading: whether to read the records of amendments again, unless it is fast. What
            follows from a record depends on the version of the parser.
        expected_head: SHA-256 of a manifest that must be in the chain.
        keys: trusted public keys by fingerprint; None: the signatures are not checked.
        timestamp_trust: trusted authorities; None: who gave a time stamp is not checked.
    """

    is_fast: bool = False
    is_rereading: bool = True
    expected_head: str | None = None
    keys: Mapping[str, bytes] | None = None
    timestamp_trust: TimestampTrust | None = None


def verify_archive(
    archive: Archive, options: VerifyOptions, database: Path | None = None
) -> Verification:
    """Verify every entry, and report all faults.

    Unless it is fast, a database is compared with files while they are read; see
    ``Verification.matched``.
    """
    found = Verification()
    for path in archive.unexpected_paths():
        found.add(Fault.EXTRA, path.name, "it is not an entry of the archive")
    entries = archive.entries()
    if not entries:
        found.add(Fault.MISSING, str(archive.path), "there is no entry")
    _verify_chain(entries, found)
    found.removals.extend(removals(found.chain))
    _verify_references(found)
    removed = {each.place: each for each in found.removals}
    for entry in found.chain:
        _verify_files(entry, removed, options, found)
    verify_load_identities(found)
    verify_completeness(found)
    verify_row_counts(found)
    if not options.is_fast:
        from gaussdb_tasks.archive.verification.verify_file_rows import (  # noqa: PLC0415 - Arrow
            verify_file_rows,
        )

        verify_project_results(verify_file_rows(found, database), found)
    is_rereading = options.is_rereading and not options.is_fast
    verify_amendments(found, options.expected_head, is_rereading=is_rereading)
    verify_signatures(options.keys, found)
    verify_timestamps(options.timestamp_trust, found)
    _verify_expected_head(options.expected_head, found)
    return found


def _verify_chain(entries: tuple[Entry, ...], found: Verification) -> None:
    expected, previous, is_known = 1, None, True
    for entry in entries:
        if entry.sequence > expected:
            last = entry.sequence - 1
            missing = f"entry {expected}" if last == expected else f"entries {expected} to {last}"
            found.add(Fault.GAP, entry.name, f"{missing} before it: missing", entry=entry.name)
            is_known = False
        elif entry.sequence < expected:
            detail = f"there is another entry {entry.sequence}"
            found.add(Fault.EXTRA, entry.name, detail, entry=entry.name)
            continue
        expected = entry.sequence + 1
        chained = _read(entry, found)
        if chained is None:
            is_known = False
            continue
        found.chain.append(chained)
        if is_known and chained.manifest.previous != previous:
            detail = "it does not follow the previous entry, whose digest.json has another hash"
            found.add_file(entry, DIGEST_NAME, detail, Fault.GAP)
        previous, is_known = chained.sha256, True


def _verify_references(found: Verification) -> None:
    """Check that amendments name files and rows of earlier entries; a missing entry is a gap."""
    by_sequence = {entry.manifest.sequence: entry for entry in found.chain}
    known = files_of(found.chain)
    for removal in found.removals:
        sequence = int(removal.file.entry.partition("-")[0])
        if sequence in by_sequence and not removal.is_of(known):
            file = "/".join(removal.place)
            detail = f"it removes {file}, which the archive never had with this hash"
            found.add_file(removal.amendment, DIGEST_NAME, detail)
    for amendment in found.chain:
        for restated in amendment.manifest.restates:
            load = by_sequence.get(restated.sequence)
            if load is not None and restated.table not in load.manifest.tables:
                detail = f"it restates rows of {restated.table} that {load.name} does not have"
                found.add_file(amendment, DIGEST_NAME, detail)


def _read(entry: Entry, found: Verification) -> ChainEntry | None:
    chained: ChainEntry | None = None
    with found.reading(entry, DIGEST_NAME):
        chained = entry.read()
    if chained is None:
        return None
    name = entry_name_of(chained.manifest)
    if name != entry.name:
        found.add_file(entry, DIGEST_NAME, f"it is the manifest of {name}")
    with found.reading(entry, CHECKSUM_NAME):
        checksum = read_bounded(entry.path / CHECKSUM_NAME)
        if checksum != checksum_line(chained.sha256).encode():
            detail = f"its hash differs from the one in {CHECKSUM_NAME}"
            found.add_file(entry, DIGEST_NAME, detail)
    return chained


def _verify_files(
    entry: ChainEntry,
    removed: Mapping[Place, Removal],
    options: VerifyOptions,
    found: Verification,
) -> None:
    expected = {DIGEST_NAME, CHECKSUM_NAME, TIMESTAMP_NAME}
    if entry.manifest.signed_by is not None:
        expected.add(SIGNATURE_NAME)
    for name, table in entry.manifest.tables.items():
        if table.file is None:
            continue
        removal = removed.get((entry.name, table.file))
        if removal is not None:
            expected.add(removal.tombstone_name)
            found.removed.add(str(entry.path / table.file))
            _verify_removal(entry, removal, found)
            continue
        expected.add(table.file)
        _verify_file(entry, BY_NAME[name], table, options, found)
    try:
        paths = sorted(entry.path.iterdir())
    except OSError as error:
        found.add_unreadable(entry.name, error, entry=entry.name)
        return
    for path in paths:
        if path.name not in expected and (entry.name, path.name) not in removed:
            found.add_file(entry, path.name, "it is not in the manifest", Fault.EXTRA)


def _verify_file(
    entry: ChainEntry,
    table: ArchiveTable,
    digest: TableDigest,
    options: VerifyOptions,
    found: Verification,
) -> None:
    path = entry.path / str(digest.file)
    with found.reading(entry, path.name):
        detail = _describe_damage(path, digest, options) or (
            None if options.is_fast else footer_problem(path, table, digest)
        )
        if detail is None:
            return
        found.add_file(entry, path.name, detail)
    found.damaged.add(str(path))


def _describe_damage(path: Path, table: TableDigest, options: VerifyOptions) -> str | None:
    """Return what is wrong with a file; None if it is as its manifest says.

    Raises:
        OSError: it is missing, or cannot be read.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return "it is a link, or not a file; an archive has files only"
    if status.st_size != table.file_bytes:
        return f"it has {status.st_size:,} bytes; expected: {table.file_bytes or 0:,}"
    if not options.is_fast and file_sha256(path) != table.file_sha256:
        return "its bytes differ from those that were written"
    return None


def _verify_removal(entry: ChainEntry, removal: Removal, found: Verification) -> None:
    path, tombstone = entry.path / removal.file.file, entry.path / removal.tombstone_name
    if path.exists():
        detail = f"{removal.amendment.name} removed it, but it exists; run that command again"
        found.add_file(entry, path.name, detail, Fault.EXTRA)
    with found.reading(entry, tombstone.name):
        if read_bounded(tombstone) != removal.tombstone:
            detail = f"it differs from what {removal.amendment.name} recorded"
            found.add_file(entry, tombstone.name, detail)


def _verify_expected_head(expected: str | None, found: Verification) -> None:
    if expected is None:
        return
    positions = {entry.sha256: position for position, entry in enumerate(found.chain)}
    if expected not in positions:
        detail = (
            f"no entry has the digest {expected}: the chain was rewritten, or entries are missing "
            "from its end"
        )
        found.add(Fault.GAP, "head", detail)
        return
    position = positions[expected]
    later = found.chain[position + 1 :]
    loads = len(loads_of(later))
    counted = f"{loads:,} later loads, {len(later) - loads:,} later amendments"
    found.notes.append(f"the expected head is {found.chain[position].name}; it has {counted}")
