"""Follow the signing keys through a chain: who signs, since when, and who handed over."""

from collections.abc import Mapping

from gaussdb_tasks.archive.manifest import Handover, sha256
from gaussdb_tasks.archive.signing import SIGNATURE_BYTES, is_valid_signature
from gaussdb_tasks.archive.store import (
    DIGEST_NAME,
    SIGNATURE_NAME,
    ChainEntry,
    read_small_file,
)
from gaussdb_tasks.archive.verification.findings import Fault, Finding
from gaussdb_tasks.os_errors import refuse_fault_of_machine


class KeyHistory:
    """The keys that sign a chain, entry by entry.

    A key signs from its first entry on, until it hands over. After the first signed entry all are
    signed.

    Attributes:
        signed_since: name of the first signed entry; None if none is signed yet.
        findings: faults of the signatures so far.
        notes: changes of the key so far, and what speaks for them.
    """

    def __init__(self, keys: Mapping[str, bytes] | None, current: str | None = None) -> None:
        """Start before the first entry.

        Args:
            keys: trusted public keys by fingerprint; None to check no signature.
            current: fingerprint of the key that signed before; None for none.
        """
        self.signed_since: str | None = None
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self._given = keys
        self._trusted = dict(keys or {})
        self._current = current
        self._replaced: dict[str, str] = {}

    def follow(self, entry: ChainEntry) -> None:
        """Check the signature of the next entry."""
        key = entry.manifest.signed_by
        if key is None:
            if self._current is not None:
                detail = "it is not signed, but an earlier entry is"
                self._add(entry, DIGEST_NAME, detail)
            return
        self.signed_since = self.signed_since or entry.name
        problem = self._problem_of_key(entry, key) or self._problem_of_signature(entry, key)
        if problem is not None:
            self._add(entry, SIGNATURE_NAME, problem)
        self._current = key
        handover = entry.manifest.handover
        if handover is not None:
            self._hand_over(entry, handover, is_trusted=problem is None)

    def _problem_of_key(self, entry: ChainEntry, key: str) -> str | None:
        """Return why this key must not sign the entry; None if it may."""
        handover = entry.manifest.handover
        if key in self._replaced:
            return f"the key {shown(key)} was replaced by {self._replaced[key]} and signs no more"
        if handover is not None and handover.is_old_key_lost:
            if handover.old_key == self._current:
                return None
            return f"the lost key {shown(handover.old_key)} did not sign the entries before it"
        if self._current in {None, key}:
            return None
        change = f"{shown(key)} signs, without a handover by the key {shown(str(self._current))}"
        if not {self._current, key} <= (self._given or {}).keys():
            return f"another key {change}"
        self.notes.append(f"from {entry.name} on another key {change}; both were given")
        return None

    def _problem_of_signature(self, entry: ChainEntry, key: str) -> str | None:
        try:
            signature = read_small_file(entry.entry.signature_path, SIGNATURE_BYTES)
            content = b"" if self._given is None else entry.entry.digest_path.read_bytes()
        except OSError as error:
            refuse_fault_of_machine(error, entry.entry.signature_path)
            return "the file is missing" if isinstance(error, FileNotFoundError) else str(error)
        if len(signature) != SIGNATURE_BYTES:
            return f"it is not a signature, which has {SIGNATURE_BYTES} bytes"
        if self._given is None:
            return None
        public_key = self._trusted.get(key)
        if public_key is None:
            return f"it was made with a key that was not given ({shown(key)})"
        is_unchanged = sha256(content) == entry.sha256
        if not is_unchanged or not is_valid_signature(public_key, content, signature):
            return f"it is not a valid signature of {DIGEST_NAME}"
        return None

    def _hand_over(self, entry: ChainEntry, handover: Handover, *, is_trusted: bool) -> None:
        old, new = shown(handover.old_key), shown(handover.new_key)
        if handover.is_old_key_lost:
            reason = entry.manifest.reason or "no reason given"
            self.notes.append(
                f"{entry.name} replaces the lost key {old} by the key {new} ({reason}); "
                "the old key does not confirm it"
            )
        else:
            self.notes.append(f"{entry.name} hands over from the key {old} to the key {new}")
        if is_trusted:
            self._trusted[handover.new_key] = bytes.fromhex(handover.new_public_key)
        self._replaced[handover.old_key] = entry.name
        self._current = handover.new_key

    def _add(self, entry: ChainEntry, file: str, detail: str) -> None:
        where = f"{entry.name}/{file}"
        self.findings.append(Finding(Fault.SIGNATURE, where, detail, entry.name))


def shown(fingerprint: str) -> str:
    """Return the first digits of a key's fingerprint."""
    return f"{fingerprint[:16]}..."
