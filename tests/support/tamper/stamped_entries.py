"""Edits of time stamps."""

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.support.audited_archive import STAMPED, AuditedArchive
from tests.support.tamper.archive_files import exchange
from tests.support.tamper.edits import Evidence, edit
from tests.support.timestamp_authority import Certificates

KIND: Final = "time stamps"


def _stamps(archive: AuditedArchive) -> list[Path]:
    return sorted(archive.data_dir.archive.glob("*/digest.tsr"))


def _with_authority(archive: AuditedArchive, make: Callable[[Certificates], bytes]) -> bytes:
    """Make a response with a copy of the certificates, since openssl writes beside them."""
    folder = archive.folder / "openssl"
    shutil.copytree(archive.certificates.folder, folder)
    try:
        return make(Certificates(folder))
    finally:
        shutil.rmtree(folder)


@edit(KIND)
def take_the_stamp_of_another_entry(archive: AuditedArchive, rng: random.Random) -> str:
    stamp = rng.choice(_stamps(archive))
    others = [each.path for each in archive.entries() if each.path != stamp.parent]
    target = rng.choice(others)
    shutil.copy(stamp, target / "digest.tsr")
    return f"{target.name} from {stamp.parent.name}"


@edit(KIND)
def exchange_two_stamps(archive: AuditedArchive, rng: random.Random) -> str:
    one, other = rng.sample(_stamps(archive), 2)
    exchange(one, other)
    return f"{one.parent.name} and {other.parent.name}"


@edit(KIND)
def cut_a_stamp(archive: AuditedArchive, rng: random.Random) -> str:
    stamp = rng.choice(_stamps(archive))
    content = stamp.read_bytes()
    stamp.write_bytes(content[: rng.randrange(len(content))])
    return f"{stamp.parent.name}: {stamp.stat().st_size} bytes"


@edit(KIND)
def write_something_else(archive: AuditedArchive, rng: random.Random) -> str:
    stamp = rng.choice(_stamps(archive))
    content = stamp.read_bytes()
    stamp.write_bytes(
        rng.choice([b"", b"<html>", b"\x30" * 100, content + b"\0", bytes(300_000), content[1:]])
    )
    return f"{stamp.parent.name}: {stamp.stat().st_size} bytes"


@edit(KIND)
def link_a_stamp(archive: AuditedArchive, rng: random.Random) -> str:
    stamp = rng.choice(_stamps(archive))
    stamp.rename(archive.folder / "linked")
    stamp.symlink_to(archive.folder / "linked")
    return stamp.parent.name


@edit(KIND, Evidence.AUTHORITY)
def remove_all_stamps(archive: AuditedArchive, _rng: random.Random) -> str:
    for stamp in _stamps(archive):
        stamp.unlink()
    return f"{len(STAMPED)} stamps"


@edit(KIND, Evidence.AUTHORITY)
def ask_a_foreign_authority(archive: AuditedArchive, rng: random.Random) -> str:
    """Expired, foreign, weak, or not for time stamps: openssl would not answer so."""
    stamp = rng.choice(_stamps(archive))
    signer = rng.choice(["foreign", "expired", "without_eku", "impostor", "weak"])
    content = stamp.with_name("digest.json").read_bytes()
    at = datetime.now(UTC) - timedelta(minutes=1)
    also = "other_ca" if signer in {"foreign", "impostor"} else "ca"
    stamp.write_bytes(
        _with_authority(
            archive, lambda authority: authority.forge(content, at, signer=signer, also=also)
        )
    )
    return f"{stamp.parent.name} by {signer}"


@edit(KIND)
def stamp_the_future(archive: AuditedArchive, rng: random.Random) -> str:
    stamp = rng.choice(_stamps(archive))
    content = stamp.with_name("digest.json").read_bytes()
    at = datetime.now(UTC) + timedelta(days=rng.randrange(1, 300))
    stamp.write_bytes(_with_authority(archive, lambda authority: authority.forge(content, at)))
    return f"{stamp.parent.name} at {at:%Y-%m-%d}"


@edit(KIND, Evidence.AUTHORITY)
def change_the_time_of_a_stamp(archive: AuditedArchive, rng: random.Random) -> str:
    """Write an earlier year into the signed time."""
    stamp = rng.choice(_stamps(archive))
    content = stamp.read_bytes()
    year = f"{datetime.now(UTC):%Y}".encode()
    place = content.index(b"\x18\x0f" + year)
    earlier = str(int(year) - rng.randrange(1, 10)).encode()
    stamp.write_bytes(content[: place + 2] + earlier + content[place + 6 :])
    return f"{stamp.parent.name} in {earlier.decode()}"


@edit(KIND, Evidence.AUTHORITY)
def change_the_signature_of_a_stamp(archive: AuditedArchive, rng: random.Random) -> str:
    """The signature is the last value of a response."""
    stamp = rng.choice(_stamps(archive))
    content = bytearray(stamp.read_bytes())
    content[-rng.randrange(1, 20)] ^= 1 << rng.randrange(8)
    stamp.write_bytes(content)
    return stamp.parent.name
