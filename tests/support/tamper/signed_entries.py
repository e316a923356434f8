"""Edits of signatures, and of the keys that entries name."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gaussdb_tasks.archive.signing import KeySigner
from tests.support.audited_archive import FIRST_SIGNED, AuditedArchive
from tests.support.forged_archive import Document
from tests.support.tamper.edits import Evidence, edit
from tests.support.tamper.forgery import Forgery, Sign, write_document

KIND: Final = "signatures"


def _signed(archive: AuditedArchive) -> list[Path]:
    return [each.path for each in archive.entries()[FIRST_SIGNED - 1 :]]


@edit(KIND)
def remove_a_signature(archive: AuditedArchive, rng: random.Random) -> str:
    folder = rng.choice(_signed(archive))
    (folder / "digest.sig").unlink()
    return folder.name


@edit(KIND)
def cut_a_signature(archive: AuditedArchive, rng: random.Random) -> str:
    path = rng.choice(_signed(archive)) / "digest.sig"
    content = path.read_bytes()
    path.write_bytes(rng.choice([content[:-1], content + b"\n", b"", content.hex().encode()]))
    return path.parent.name


@edit(KIND, Evidence.KEY)
def change_a_signature(archive: AuditedArchive, rng: random.Random) -> str:
    """Flip a bit, or take the signature of another entry."""
    one, other = rng.sample(_signed(archive), 2)
    content = bytearray((one / "digest.sig").read_bytes())
    content[rng.randrange(64)] ^= 1 << rng.randrange(8)
    if rng.random() < 0.5:
        content[:] = (other / "digest.sig").read_bytes()
    (one / "digest.sig").write_bytes(content)
    return f"{one.name} like {other.name}"


@edit(KIND, Evidence.KEY)
def sign_with_another_key(archive: AuditedArchive, rng: random.Random) -> str:
    """The manifest stays; a stranger or the key before signs it."""
    folder = rng.choice(_signed(archive))
    content = (folder / "digest.json").read_bytes()
    signer = rng.choice(
        [
            each
            for each in map(archive.signer, ("first", "second", "stranger"))
            if each.fingerprint != json.loads(content)["signed_by"]
        ]
    )
    (folder / "digest.sig").write_bytes(signer.sign(content))
    return f"{folder.name} with {signer.fingerprint[:8]}"


@edit(KIND)
def link_a_signature(archive: AuditedArchive, rng: random.Random) -> str:
    path = rng.choice(_signed(archive)) / "digest.sig"
    path.rename(archive.folder / "linked")
    path.symlink_to(archive.folder / "linked")
    return path.parent.name


@edit(KIND)
def add_a_signature(archive: AuditedArchive, rng: random.Random) -> str:
    """An entry that says that it is not signed has one."""
    folder = archive.entries()[0].path
    content = (folder / "digest.json").read_bytes()
    signer = archive.signer(rng.choice(["first", "second", "stranger"]))
    (folder / "digest.sig").write_bytes(signer.sign(content))
    return f"{folder.name} with {signer.fingerprint[:8]}"


def _unsign(document: Document, folder: Path) -> None:
    if document["kind"] == "rotation":
        return
    document["signed_by"] = None
    write_document(folder, document)
    (folder / "digest.sig").unlink(missing_ok=True)


def _sign_by(signer: KeySigner) -> Sign:
    def sign(document: Document, folder: Path) -> None:
        if document["signed_by"] is None:
            return
        document["signed_by"] = signer.fingerprint
        write_document(folder, document)
        (folder / "digest.sig").write_bytes(signer.sign((folder / "digest.json").read_bytes()))

    return sign


def _rewrite(archive: AuditedArchive, sequence: int, sign: Sign) -> None:
    """Write the entries from one on again, with all that follows."""
    forgery = Forgery(archive, sign)
    forgery.change(sequence, lambda document: document.update(tool_version="0.2.1"))
    forgery.complete()


@edit(KIND)
def sign_no_more(archive: AuditedArchive, rng: random.Random) -> str:
    """From an entry on nothing is signed; the chain and the database follow."""
    sequence = rng.randrange(FIRST_SIGNED + 1, len(archive.entries()) + 1)
    _rewrite(archive, sequence, _unsign)
    return f"from entry {sequence} on"


@edit(KIND)
def a_stranger_signs_on(archive: AuditedArchive, rng: random.Random) -> str:
    """From an entry on another key signs without a handover."""
    sequence = rng.randrange(FIRST_SIGNED + 1, len(archive.entries()) + 1)
    _rewrite(archive, sequence, _sign_by(archive.signer("stranger")))
    return f"from entry {sequence} on"


@edit(KIND, Evidence.KEY, Evidence.HEAD)
def a_stranger_signs_all(archive: AuditedArchive, _rng: random.Random) -> str:
    """The chain without its rotation, signed by one other key."""
    signer = archive.signer("stranger")

    def write(document: Document, folder: Path) -> None:
        if document["kind"] == "rotation":
            document["handover"] |= {
                "old_key": signer.fingerprint,
                "old_public_key": signer.public_key.hex(),
            }
        _sign_by(signer if document["sequence"] <= 8 else archive.signer("second"))(
            document, folder
        )

    _rewrite(archive, FIRST_SIGNED, write)
    return "from the first signed entry on"


@edit(KIND, Evidence.KEY, Evidence.HEAD)
def nobody_signed(archive: AuditedArchive, _rng: random.Random) -> str:
    """The chain before its rotation, without any signature."""
    entries = archive.entries()
    (rotation,) = [each.sequence for each in entries if each.kind == "rotation"]
    for entry in entries[rotation - 1 :]:
        shutil.rmtree(entry.path)
    forgery = Forgery(archive, _unsign)
    for sequence in range(FIRST_SIGNED, rotation):
        forgery.change(sequence, lambda _document: None)
    forgery.complete()
    return f"{rotation - 1} entries"


def _hand_over(archive: AuditedArchive, change: Callable[[Document], object]) -> None:
    """Change the handover; a stranger signs the rotation, and all entries after it."""
    (rotation,) = [each.sequence for each in archive.entries() if each.kind == "rotation"]
    stranger = archive.signer("stranger")

    def sign(document: Document, folder: Path) -> None:
        if document["sequence"] > rotation:
            document["signed_by"] = stranger.fingerprint
            write_document(folder, document)
        (folder / "digest.sig").write_bytes(stranger.sign((folder / "digest.json").read_bytes()))

    forgery = Forgery(archive, sign)
    forgery.change(rotation, change)
    forgery.complete()


@edit(KIND, Evidence.KEY, Evidence.HEAD)
def hand_over_to_a_stranger(archive: AuditedArchive, _rng: random.Random) -> str:
    """The stranger has no old key, so the signature of the rotation is not valid."""
    stranger = archive.signer("stranger")

    def change(document: Document) -> None:
        document["handover"] |= {
            "new_key": stranger.fingerprint,
            "new_public_key": stranger.public_key.hex(),
        }

    _hand_over(archive, change)
    return "the old key did not sign it"


@edit(KIND, Evidence.KEY, Evidence.HEAD)
def lose_the_key(archive: AuditedArchive, _rng: random.Random) -> str:
    """A stranger says that the key is lost."""
    stranger = archive.signer("stranger")

    def change(document: Document) -> None:
        document["signed_by"] = stranger.fingerprint
        document["handover"] |= {
            "old_public_key": None,
            "new_key": stranger.fingerprint,
            "new_public_key": stranger.public_key.hex(),
            "is_old_key_lost": True,
        }

    _hand_over(archive, change)
    return "the new key was not given"


@edit(KIND)
def change_a_handover(archive: AuditedArchive, rng: random.Random) -> str:
    """A fingerprint that is not that of its key, or the same key twice."""
    stranger = archive.signer("stranger")
    name = rng.choice(["new_key", "new_public_key", "old_key", "old_public_key"])
    value = stranger.public_key.hex() if "public" in name else stranger.fingerprint
    _hand_over(archive, lambda document: document["handover"].update({name: value}))
    return name
