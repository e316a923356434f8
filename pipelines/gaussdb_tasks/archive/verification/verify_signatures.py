"""Verify the signatures of a chain."""

from collections.abc import Mapping
from typing import Final

from gaussdb_tasks.archive.key_history import KeyHistory
from gaussdb_tasks.archive.store import DIGEST_NAME
from gaussdb_tasks.archive.verification.findings import Fault, Verification

_LIMITS: Final = (
    "a signature shows which key signed an entry; it does not show who held the key, when the "
    "entry was made, or that entries were removed from the end; a head kept elsewhere "
    "(--expect-head) and time stamps (--timestamp-ca) show more"
)


def verify_signatures(keys: Mapping[str, bytes] | None, found: Verification) -> None:
    """Check who signed each entry; with keys, by fingerprint, check the signatures, too.

    Through the chain each signature covers all earlier entries.
    """
    history = KeyHistory(keys)
    for entry in found.chain:
        history.follow(entry)
    found.findings.extend(history.findings)
    found.notes.extend(history.notes)
    if history.signed_since is None:
        if keys is not None and found.chain:
            detail = "neither it nor an earlier entry is signed"
            found.add_file(found.chain[-1], DIGEST_NAME, detail, Fault.SIGNATURE)
    elif keys is None:
        found.notes.append("signatures were not checked; check them with --public-key")
    else:
        found.notes.append(_LIMITS)
