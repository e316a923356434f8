"""A small archive with everything in it, and what an auditor holds of it.

Loads with rejected, vanished and reappeared tasks, several states of one task in one load, each
kind of amendment, a rotation of the signing key, time stamps, and a copy. It is made once; each
tampering works on a copy.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.renormalisation import renormalise
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.archive.amendments.rotation import rotate
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import Archive, Entry
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.extract import observations
from gaussdb_tasks.load import run_load
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record as KeptRecord
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, Record, record
from tests.support.loads import load_request
from tests.support.made_once import made_once
from tests.support.timestamp_authority import Certificates

FIRST_SIGNED: Final = 2
"""Sequence number of the first signed entry; the one before it is not signed."""
AMENDED_AT: Final[Micros] = NOW + 150 * DAY
STAMPED: Final = (3, 6, 10)
"""Sequence numbers of the entries with a time stamp; the last entry is one of them."""


@dataclass(frozen=True)
class AuditedArchive:
    """A data directory, the keys and certificates of its archive, and its copy."""

    folder: Path

    @property
    def data_dir(self) -> DataDir:
        """The data directory."""
        return DataDir(self.folder / "data")

    @property
    def copy(self) -> Path:
        """The copy of its archive in another directory."""
        return self.folder / "copy"

    @property
    def public_key(self) -> Path:
        """The public half of the key that signed first."""
        return self.folder / "keys" / "first.pub"

    @property
    def certificates(self) -> Certificates:
        """The time stamp authorities."""
        return Certificates(self.folder / "authority")

    def signer(self, name: str) -> KeySigner:
        """Return a key: `first`, `second` took its place, `stranger` signed nothing."""
        return KeySigner(self.folder / "keys" / f"{name}.pem")

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries in order of the chain."""
        return Archive(self.data_dir.archive).entries()

    def copied(self, folder: Path) -> "AuditedArchive":
        """Copy everything but keys and certificates, which are never changed."""
        for name in ("data", "copy"):
            shutil.copytree(self.folder / name, folder / name)
        for name in ("keys", "authority"):
            (folder / name).symlink_to(self.folder / name)
        return AuditedArchive(folder)


def make(folder: Path) -> None:
    """Run the loads and amendments."""
    _make_keys(folder / "keys")
    made = AuditedArchive(folder)
    certificates = made.certificates.folder
    certificates.mkdir()
    Certificates.make(certificates)
    first, second = made.signer("first"), made.signer("second")
    gone, old = (record(number, NOW - 20 * DAY, NOW - 19 * DAY, process="100") for number in (1, 2))
    broken: list[Record] = [{**record(3), "created_at": text} for text in ("19 May", "20 May")]
    done = record(4, NOW - HOUR, NOW, fail_reason="disk full", status="Failed")
    states = [record(5, NOW - HOUR, None, process=text) for text in ("10", "70")]
    more = [record(number, NOW - 3 * DAY, NOW - 3 * DAY + HOUR) for number in (6, 7, 8)]
    next_ = [
        record(
            number, NOW + DAY, NOW + DAY + number * MINUTE, process="99.5", colour="überraschend"
        )
        for number in (9, 10)
    ]
    late = [
        record(number, AMENDED_AT - DAY, AMENDED_AT - DAY + number * MINUTE, status="Failed")
        for number in (11, 12)
    ]
    _load(made, NOW, [gone, old, broken[0], record(4, NOW - HOUR, None), *states], None)
    _load(made, NOW + DAY, [broken[1], done, *states, *more], first)
    _load(made, NOW + 2 * DAY, [old, broken[1], done, *more], first)
    act = _amendment("retention", 0, first)
    retain(made.data_dir, NOW + DAY // 2, Holds(), act, is_dry_run=False)
    act = _amendment("redaction", 1, first)
    redact(made.data_dir, ["fail_reason"], [], act, is_dry_run=False)
    with _earlier_parser():
        _load(made, NOW + 3 * DAY, [old, broken[1], done, *more[1:], *next_], first)
    renormalise(made.data_dir, _amendment("renormalisation", 2, first), is_dry_run=False)
    rotate(made.data_dir, _amendment("rotation", 3, first), first, second.public_key)
    _load(made, AMENDED_AT + 4 * DAY, late[:1], second)
    _load(made, AMENDED_AT + 5 * DAY, late, second)
    entries = made.entries()
    for sequence in STAMPED:
        entry = entries[sequence - 1]
        stamp = made.certificates.stamp(entry.digest_path.read_bytes())
        (entry.path / "digest.tsr").write_bytes(stamp)
    shutil.copytree(made.data_dir.archive, made.copy)


def _make_keys(folder: Path) -> None:
    folder.mkdir()
    for name in ("first", "second", "stranger"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with os.fdopen(os.open(folder / f"{name}.pem", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(private)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / f"{name}.pub").write_bytes(public)


@contextmanager
def _earlier_parser() -> Iterator[None]:
    """Read tasks as an earlier version might have, so that there is something to read again."""

    def read(kept: KeptRecord) -> Task | Rejection:
        task = normalise(kept)
        return task._replace(progress_percent=None) if isinstance(task, Task) else task

    with patch.object(observations, "normalise", read):
        yield


def _load(made: AuditedArchive, at: Micros, listed: list[Record], signer: KeySigner | None) -> None:
    other = [record(9, at - DAY, at - DAY + MINUTE)]
    world = FixedWorld({PROJECT: listed, OTHER_PROJECT: other})
    with Emulator(world, clock=SettableClock(at)) as emulator:
        request = load_request(emulator, made.data_dir.path, at)
        run_load(replace(request, signer=signer))


def _amendment(kind: EntryKind, days: int, signer: KeySigner) -> Amendment:
    return Amendment(kind, AMENDED_AT + days * DAY, f"ticket {4711 + days}", signer)


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> AuditedArchive:
    """Return the archive, to read only."""
    return AuditedArchive(made_once(tmp_path_factory, "audited", make))
