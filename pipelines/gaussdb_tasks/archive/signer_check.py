"""Check, before an entry is written, that its signer may continue the chain.

A signature covers all earlier entries. So a key signs only on a chain that holds.
"""

from collections.abc import Mapping, Sequence

from gaussdb_tasks.archive.key_history import KeyHistory, shown
from gaussdb_tasks.archive.recover import ArchiveError, read_chain
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import Archive, ChainEntry, entry_name_of
from gaussdb_tasks.archive.write import Head
from gaussdb_tasks.errors import ConfigurationError


def check_signer(archive: Archive, recorded: Head | None, signer: KeySigner | None) -> None:
    """Read the manifests of an archive, and check that the signer may continue the chain.

    The newest entry that the database records must be in the chain. Without a signer, no entry may
    be signed.

    Raises:
        ConfigurationError: the chain is signed, and this is not its key.
        ArchiveError: the chain does not hold.
    """
    entries = archive.entries()
    if signer is None:
        # Any signature will do; the manifests of a long unsigned chain would take time to read.
        signed = [entry for entry in entries if entry.signature_path.exists()]
        if signed:
            raise ConfigurationError(_unsigned(signed[0].name))
        return
    check_signer_of_chain(read_chain(entries), recorded, signer)


def check_signer_of_chain(
    chain: Sequence[ChainEntry],
    recorded: Head | None,
    signer: KeySigner | None,
    *,
    is_old_key_lost: bool = False,
) -> None:
    """Check that the signer may continue a chain, as ``check_signer``.

    A signer that replaces a lost key continues a chain whose signatures do not hold, too.
    """
    signed_since = next((each.name for each in chain if each.manifest.signed_by), None)
    if signer is None:
        if signed_since is not None:
            raise ConfigurationError(_unsigned(signed_since))
        return
    _refuse_broken_chain(chain, recorded)
    if is_old_key_lost:
        return
    key = current_key(chain)
    if key not in {None, signer.fingerprint}:
        message = (
            f"--signing-key: the key {shown(signer.fingerprint)} is not the one that signs this "
            f"archive, {shown(str(key))}; use that key, or change the key with: "
            "gaussdb-tasks keys rotate"
        )
        raise ConfigurationError(message)
    _refuse_broken_signatures(chain, signer)


def current_key(chain: Sequence[ChainEntry]) -> str | None:
    """Return the fingerprint of the key that signs the next entry; None if none is signed."""
    for entry in reversed(chain):
        if entry.manifest.handover is not None:
            return entry.manifest.handover.new_key
        if entry.manifest.signed_by is not None:
            return entry.manifest.signed_by
    return None


def _refuse_broken_chain(chain: Sequence[ChainEntry], recorded: Head | None) -> None:
    previous = None
    for sequence, entry in enumerate(chain, start=1):
        manifest = entry.manifest
        if (manifest.sequence, manifest.previous) != (sequence, previous):
            raise ArchiveError(_broken(f"{entry.name} does not follow the entry before it"))
        if entry_name_of(manifest) != entry.name:
            raise ArchiveError(_broken(f"{entry.name} has the manifest of another entry"))
        previous = entry.sha256
    if recorded is None:
        return
    if len(chain) < recorded.sequence:
        raise ArchiveError(_broken(f"entry {recorded.sequence} of the database is missing"))
    entry = chain[recorded.sequence - 1]
    if entry.sha256 != recorded.sha256:
        raise ArchiveError(_broken(f"{entry.name} is not the entry that the database records"))


def _refuse_broken_signatures(chain: Sequence[ChainEntry], signer: KeySigner) -> None:
    """Check the signatures from the first one, or from where a lost key was replaced."""
    start, lost_key = 0, None
    for position, entry in enumerate(chain):
        handover = entry.manifest.handover
        if handover is not None and handover.is_old_key_lost:
            start, lost_key = position, handover.old_key
    history = KeyHistory(_reachable_keys(chain[start:], signer), current=lost_key)
    for entry in chain[start:]:
        history.follow(entry)
    if history.findings:
        remedy = "; to go on in spite of it, see: gaussdb-tasks keys rotate -h"
        raise ArchiveError(_broken(str(history.findings[0])) + remedy)


def _reachable_keys(chain: Sequence[ChainEntry], signer: KeySigner) -> Mapping[str, bytes]:
    """Return the signer's key, and the keys before it: each handed over to the next."""
    keys = {signer.fingerprint: signer.public_key}
    for entry in reversed(chain):
        handover = entry.manifest.handover
        if handover is not None and handover.new_key in keys and handover.old_public_key:
            keys[handover.old_key] = bytes.fromhex(handover.old_public_key)
    return keys


def _unsigned(signed_since: str) -> str:
    return (
        f"the archive is signed since {signed_since}, and every later entry must be; give the key "
        "with --signing-key; for a lost key see: gaussdb-tasks keys rotate -h"
    )


def _broken(problem: str) -> str:
    return (
        f"the chain of the archive is broken: {problem}; no entry is signed on such a chain; run "
        "gaussdb-tasks verify --public-key FILE"
    )
