"""Verifying the archive: the chain of digests, and every byte of every file."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gaussdb_tasks.archive.current_rows import Removal, removals
from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.archive.manifest import Manifest, ManifestError
from gaussdb_tasks.archive.signing import PublicKeys
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    SIGNATURE_NAME,
    Archive,
    Entry,
    Link,
    checksum_line,
    entry_name_of,
    file_sha256,
)
from gaussdb_tasks.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Demands:
    """What the archive is held against.

    Attributes:
        is_fast: whether sizes are to do in place of bytes.
        expected_head: the digest of an entry that was noted elsewhere, to be found in the chain.
        keys: public keys that the signatures are to be of; none: signatures are not looked at.
    """

    is_fast: bool = False
    expected_head: str | None = None
    keys: PublicKeys | None = None


def verify_archive(archive: Archive, demands: Demands) -> Verification:
    """Look at every entry; the first fault is not the last."""
    found = Verification()
    for stray in archive.strays():
        found.add(Fault.EXTRA, stray.name, "it is no entry of the archive")
    entries = archive.entries()
    if not entries:
        found.add(Fault.MISSING, str(archive.path), "there is no entry")
    _verify_chain(entries, found)
    removed = {}
    for removal in removals(found.chain):
        found.removals.append(removal)
        removed[removal.file.entry, removal.file.file] = removal
    links = {link.entry.path: link for link in found.chain}
    for entry in entries:
        if entry.path in links:
            _verify_files(links[entry.path], removed, demands, found)
    if demands.keys:
        _verify_signatures(demands.keys, found)
    _verify_expected_head(demands.expected_head, found)
    return found


def _verify_chain(entries: tuple[Entry, ...], found: Verification) -> None:
    expected, previous, is_known = 1, None, True
    for entry in entries:
        if entry.sequence > expected:
            last = entry.sequence - 1
            told = f"entry {expected}" if last == expected else f"entries {expected} to {last}"
            found.add(Fault.GAP, entry.name, f"{told} before it: not there", entry=entry.name)
            is_known = False
        elif entry.sequence < expected:
            detail = f"there is another entry {entry.sequence}"
            found.add(Fault.EXTRA, entry.name, detail, entry=entry.name)
            continue
        expected = entry.sequence + 1
        link = _read(entry, found)
        if link is None:
            is_known = False
            continue
        found.chain.append(link)
        if is_known and link.digest.previous != previous:
            detail = "it does not follow the entry before it: that one's digest is another"
            found.add(Fault.GAP, f"{entry.name}/{DIGEST_NAME}", detail, entry=entry.name)
        previous, is_known = link.sha256, True


def _read(entry: Entry, found: Verification) -> Link | None:
    where = f"{entry.name}/{DIGEST_NAME}"
    try:
        link = entry.read()
    except FileNotFoundError:
        found.add(Fault.MISSING, where, "it is not there", entry=entry.name)
        return None
    except (ManifestError, OSError) as error:
        found.add(Fault.INVALID, where, str(error), entry=entry.name)
        return None
    if _name(link.digest) != entry.name:
        detail = f"it is the digest of {_name(link.digest)}"
        found.add(Fault.INVALID, where, detail, entry=entry.name)
    checksum = entry.path / CHECKSUM_NAME
    try:
        is_right = checksum.read_bytes() == checksum_line(link.sha256).encode()
    except FileNotFoundError:
        found.add(
            Fault.MISSING, f"{entry.name}/{CHECKSUM_NAME}", "it is not there", entry=entry.name
        )
    except OSError as error:
        found.add(Fault.INVALID, f"{entry.name}/{CHECKSUM_NAME}", str(error), entry=entry.name)
    else:
        if not is_right:
            found.add(Fault.INVALID, where, f"{CHECKSUM_NAME} says otherwise", entry=entry.name)
    return link


def _name(digest: Manifest) -> str | None:
    try:
        return entry_name_of(digest)
    except (ConfigurationError, ValueError, OverflowError):
        return None


def _verify_files(
    link: Link,
    removed: Mapping[tuple[str, str], Removal],
    demands: Demands,
    found: Verification,
) -> None:
    entry = link.entry
    expected = {DIGEST_NAME, CHECKSUM_NAME}
    if link.digest.signed_by is not None:
        expected.add(SIGNATURE_NAME)
        if not (entry.path / SIGNATURE_NAME).is_file():
            where = f"{entry.name}/{SIGNATURE_NAME}"
            found.add(Fault.SIGNATURE, where, "it is not there", entry=entry.name)
    for held in link.digest.tables.values():
        if held.file is None:
            continue
        removal = removed.get((entry.name, held.file))
        if removal is not None:
            expected.add(removal.tombstone_name)
            _verify_removal(entry, removal, found)
            continue
        expected.add(held.file)
        detail = _trouble(link, held.file, held.file_bytes, held.file_sha256, demands)
        if detail is not None:
            fault = Fault.INVALID if (entry.path / held.file).exists() else Fault.MISSING
            found.add(fault, f"{entry.name}/{held.file}", detail, entry=entry.name)
            found.damaged.add(str(entry.path / held.file))
    for path in sorted(entry.path.iterdir()):
        if path.name not in expected and (entry.name, path.name) not in removed:
            detail = "the digest does not know it"
            found.add(Fault.EXTRA, f"{entry.name}/{path.name}", detail, entry=entry.name)


def _trouble(
    link: Link, file_name: str, size: int | None, sha256: str | None, demands: Demands
) -> str | None:
    path = link.entry.path / file_name
    try:
        if not path.exists():
            return "it is not there"
        actual = path.stat().st_size
        if actual != size:
            return f"it has {actual:,} bytes and had {size or 0:,}"
        if not demands.is_fast and file_sha256(path) != sha256:
            return "its bytes are not those that were kept"
    except OSError as error:
        return str(error)
    return None


def _verify_removal(entry: Entry, removal: Removal, found: Verification) -> None:
    path, tombstone = entry.path / removal.file.file, entry.path / removal.tombstone_name
    if path.exists():
        detail = f"{removal.act.entry.name} says that it was removed; run that again"
        found.add(Fault.EXTRA, f"{entry.name}/{path.name}", detail, entry=entry.name)
    where = f"{entry.name}/{tombstone.name}"
    try:
        if tombstone.read_bytes() != removal.tombstone:
            detail = f"it does not say what {removal.act.entry.name} does"
            found.add(Fault.INVALID, where, detail, entry=entry.name)
    except FileNotFoundError:
        found.add(Fault.MISSING, where, "it is not there", entry=entry.name)
    except OSError as error:
        found.add(Fault.INVALID, where, str(error), entry=entry.name)


def _verify_signatures(keys: PublicKeys, found: Verification) -> None:
    """Check what is signed; a signature speaks for all entries before it, too."""
    last_signed = 0
    for link in found.chain:
        fingerprint, name = link.digest.signed_by, link.entry.name
        if fingerprint is None:
            continue
        if not keys.knows(fingerprint):
            detail = f"it is by a key that was not given ({fingerprint[:16]}...)"
        elif not (link.entry.path / SIGNATURE_NAME).is_file():
            continue  # said already
        elif keys.is_right(
            fingerprint,
            link.entry.digest_path.read_bytes(),
            (link.entry.path / SIGNATURE_NAME).read_bytes(),
        ):
            last_signed = link.digest.sequence
            continue
        else:
            detail = "it is not the signature of this digest"
        found.add(Fault.SIGNATURE, f"{name}/{SIGNATURE_NAME}", detail, entry=name)
    for link in found.chain:
        if link.digest.sequence > last_signed and link.digest.signed_by is None:
            name = link.entry.name
            detail = "neither it nor an entry after it is signed"
            found.add(Fault.SIGNATURE, f"{name}/{DIGEST_NAME}", detail, entry=name)


def _verify_expected_head(expected: str | None, found: Verification) -> None:
    if expected is None:
        return
    places = MappingProxyType({link.sha256: index for index, link in enumerate(found.chain)})
    if expected not in places:
        found.add(
            Fault.GAP,
            "head",
            f"no entry has the digest {expected}: the chain was rewritten, or cut off before it",
        )
        return
    later = len(found.chain) - 1 - places[expected]
    name = found.chain[places[expected]].entry.name
    found.notes.append(f"the expected head is {name}; {later:,} entries came after it")
