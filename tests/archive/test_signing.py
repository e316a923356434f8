"""Signed chains: which key may sign, handovers, lost keys, and what a load signs."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.rotation import rotate
from gaussdb_tasks.archive.manifest import (
    FORMAT,
    Handover,
    Manifest,
    ManifestError,
    decode,
    encode,
)
from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.archive.signer_check import check_signer
from gaussdb_tasks.archive.signing import KeySigner, read_public_keys
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.write import write_manifest
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.known_secrets import mask
from gaussdb_tasks.load import run_load
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import DAY, iso, parse_time
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load_request
from tests.support.made_once import made_once

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


class Rotation(NamedTuple):
    """An entry that changes the key; the old one signs it, unless it is lost."""

    old: str
    new: str
    is_lost: bool = False


HANDOVER = Rotation("first", "second")
LOST = Rotation("first", "second", is_lost=True)


class Sign(Protocol):
    """Writes a chain: for each entry the key that signs it, none, or a rotation."""

    def __call__(self, *signers: str | Rotation | None) -> Path:
        """Return the archive's folder."""


def _make_signed_loads(folder: Path) -> None:
    """Create three keys, and two loads that the first key signs."""
    for name in ("first", "second", "third"):
        key = Ed25519PrivateKey.generate()
        private = folder / f"{name}.pem"
        private.write_bytes(key.private_bytes(PEM, PKCS8, OPEN))
        private.chmod(0o600)
        public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    for night in (0, 1):
        _load(folder, "first", night)


def _load(folder: Path, key: str | None, night: int) -> LoadReport:
    """Load, signed with a key; a task center that is read without permission fails."""
    at = NOW + night * DAY
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(at)) as emulator:
        request = load_request(emulator, folder / "data", at)
        return run_load(replace(request, signer=_signer(folder, key)))


def _signer(folder: Path, key: str | None) -> KeySigner | None:
    return None if key is None else KeySigner(folder / f"{key}.pem")


@pytest.fixture(scope="session")
def signed_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with keys, and with the data directory of two signed loads."""
    return made_once(tmp_path_factory, "signed_loads", _make_signed_loads)


@pytest.fixture
def keys(signed_loads: Path, tmp_path: Path) -> Path:
    """Copy the keys and the data directory to where a test may change them."""
    shutil.copytree(signed_loads, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def sign(original: Path, keys: Path) -> Sign:
    """Write the manifests of loads again, each signed as wanted."""

    def write(*signers: str | Rotation | None) -> Path:
        archive, previous, database = keys / "archive", None, dict[str, int]()
        loads = iter(Archive(original / "archive").entries())
        for sequence, wanted in enumerate(signers, start=1):
            at = NOW + sequence * DAY
            folder = keys / "entry"
            if isinstance(wanted, Rotation):
                folder.mkdir()
                manifest = _rotation(keys, wanted)
                signer = _signer(keys, wanted.new if wanted.is_lost else wanted.old)
            else:
                entry = next(loads)
                shutil.copytree(entry.path, folder)
                manifest, signer = entry.read().manifest, _signer(keys, wanted)
            database = manifest.database or database  # a rotation changes no row
            changed = msgspec.structs.replace(
                manifest,
                sequence=sequence,
                at=iso(at),
                previous=previous,
                task_types=1,
                database=database,
            )
            written = write_manifest(folder, changed, at, signer)
            Archive(archive).add(folder, written.name)
            previous = written.sha256
        return archive

    return write


def _rotation(keys: Path, rotation: Rotation) -> Manifest:
    old, new = (KeySigner(keys / f"{name}.pem") for name in (rotation.old, rotation.new))
    handover = Handover(
        old_key=old.fingerprint,
        old_public_key=None if rotation.is_lost else old.public_key.hex(),
        new_key=new.fingerprint,
        new_public_key=new.public_key.hex(),
        is_old_key_lost=rotation.is_lost,
    )
    return Manifest(
        format=FORMAT,
        sequence=1,
        kind="rotation",
        at="",
        tool_version="1",
        previous=None,
        signed_by=handover.signer,
        handover=handover,
    )


def _verify(archive: Path, keys: Path, *names: str) -> Verification:
    public = read_public_keys([keys / f"{name}.pub" for name in names]) if names else None
    return verify_archive(Archive(archive), VerifyOptions(is_fast=True, keys=public))


def _faults(archive: Path, keys: Path, *names: str) -> list[tuple[str, int]]:
    return [
        (finding.fault.value, int(str(finding.entry)[:6]))
        for finding in _verify(archive, keys, *names).findings
    ]


def test_a_signed_chain(sign: Sign, keys: Path) -> None:
    """The public key is enough; another key is a fault; without a key that is said."""
    archive = sign("first", "first")
    assert _faults(archive, keys, "first") == []
    assert _faults(archive, keys, "second") == [("signature", 1), ("signature", 2)]
    assert _faults(archive, keys) == []
    assert any("were not checked" in note for note in _verify(archive, keys).notes)


def test_the_limits_of_signatures_are_said(sign: Sign, keys: Path) -> None:
    """A signature shows neither a removed end nor a time."""
    notes = _verify(sign("first"), keys, "first").notes
    assert any("removed from the end" in note and "--expect-head" in note for note in notes)


@pytest.mark.parametrize(
    ("signers", "unsigned"),
    [
        ((None, "first", None), [3]),
        (("first", None, "first"), [2]),
        (("first", None, None), [2, 3]),
        ((None, HANDOVER, None, "second"), [3]),
        ((LOST, None), [2]),
    ],
)
def test_after_the_first_signed_entry_all_are_signed(
    sign: Sign, keys: Path, signers: tuple[str | Rotation | None, ...], unsigned: list[int]
) -> None:
    """Another entry is a finding with and without the key, also if a later one is signed."""
    archive = sign(*signers)
    for given in ((), ("first", "second")):
        details = [
            int(str(finding.entry)[:6])
            for finding in _verify(archive, keys, *given).findings
            if "it is not signed" in finding.detail
        ]
        assert details == unsigned


def test_a_chain_without_any_signature_is_a_finding_if_a_key_is_given(
    sign: Sign, keys: Path
) -> None:
    """Whoever gives a key expects signatures."""
    assert _faults(sign(None, None), keys, "first") == [("signature", 2)]


def test_a_change_of_key_without_a_handover(sign: Sign, keys: Path) -> None:
    """It is accepted only if both keys are given, and then it is said."""
    archive = sign("first", "second", "second")
    assert _faults(archive, keys) == [("signature", 2)]
    assert _faults(archive, keys, "first") == [("signature", 2), ("signature", 3)]
    assert _faults(archive, keys, "second") == [("signature", 1), ("signature", 2)]
    found = _verify(archive, keys, "first", "second")
    assert found.is_intact
    (note,) = [note for note in found.notes if "without a handover" in note]
    assert "000002-" in note


def test_a_handover_is_followed(sign: Sign, keys: Path) -> None:
    """The first public key is enough, over two handovers; a later one alone is not."""
    archive = sign("first", HANDOVER, "second", Rotation("second", "third"), "third")
    assert _faults(archive, keys) == []
    assert _faults(archive, keys, "first") == []
    assert _faults(archive, keys, "first", "third") == []
    assert _faults(archive, keys, "third") == [("signature", number) for number in (1, 2, 3, 4)]
    assert sum("hands over" in note for note in _verify(archive, keys, "first").notes) == 2


@pytest.mark.parametrize(
    ("signers", "faulty"),
    [
        (("first", HANDOVER, "first"), [3]),
        (("first", HANDOVER, "second", "first"), [4]),
        (("first", HANDOVER, "third"), [3]),
        (("first", Rotation("third", "second"), "second"), [2]),
        (("first", LOST, "first"), [3]),
        (("first", Rotation("third", "second", is_lost=True), "second"), [2]),
    ],
)
def test_only_the_current_key_signs(
    sign: Sign, keys: Path, signers: tuple[str | Rotation, ...], faulty: list[int]
) -> None:
    """A replaced key signs no more, and only the current one can be replaced."""
    archive = sign(*signers)
    assert [number for _, number in _faults(archive, keys)] == faulty
    with_keys = [number for _, number in _faults(archive, keys, "first", "second")]
    assert set(faulty) <= set(with_keys)


def test_a_handover_counts_only_if_its_signature_does(sign: Sign, keys: Path) -> None:
    """An invalid signature of a handover gives no trust to the new key."""
    archive = sign("first", HANDOVER, "second")
    signature = sorted(archive.glob("*/digest.sig"))[1]
    signature.write_bytes(bytes(64))
    assert _faults(archive, keys, "first") == [("signature", 2), ("signature", 3)]


def test_a_lost_key_is_replaced_only_for_who_knows_the_new_one(sign: Sign, keys: Path) -> None:
    """Nobody else can confirm the new key; the replacement is always said."""
    archive = sign("first", LOST, "second")
    assert _faults(archive, keys, "first", "second") == []
    assert _faults(archive, keys, "first") == [("signature", 2), ("signature", 3)]
    for given in ((), ("first",), ("first", "second")):
        notes = _verify(archive, keys, *given).notes
        assert any("replaces the lost key" in note for note in notes)


@pytest.mark.parametrize(
    "damage", ["removed", "edited", "copied", "short", "long", "a folder", "a link"]
)
def test_an_invalid_signature(sign: Sign, keys: Path, damage: str) -> None:
    """It is a fault of the signature; whatever needs no key is one without a key, too."""
    archive = sign("first", "first")
    first, second = sorted(archive.glob("*/digest.sig"))
    content = second.read_bytes()
    second.unlink()
    if damage == "edited":
        second.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "copied":
        shutil.copy(first, second)
    elif damage in {"short", "long"}:
        second.write_bytes(content[:-1] if damage == "short" else content * 10_000)
    elif damage == "a folder":
        second.mkdir()
    elif damage == "a link":
        second.symlink_to(first)
    assert _faults(archive, keys, "first") == [("signature", 2)]
    needs_key = damage in {"edited", "copied"}
    assert _faults(archive, keys) == ([] if needs_key else [("signature", 2)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "load"),
        ("handover", None),
        ("signed_by", "0" * 64),
        ("signed_by", None),
        ("old_public_key", "0" * 64),
        ("old_public_key", None),
        ("new_public_key", "0" * 64),
        ("new_public_key", "x" * 64),
        ("new_public_key", "0" * 62),
        ("new_key", "the old key"),
        ("is_old_key_lost", True),
    ],
)
def test_a_handover_is_read_strictly(keys: Path, field: str, value: Any) -> None:
    """A rotation that contradicts itself is not a manifest."""
    manifest = msgspec.structs.replace(_rotation(keys, HANDOVER), at=iso(NOW))
    assert decode(encode(manifest)) == manifest
    content = msgspec.json.decode(encode(manifest))
    part = content if field in content else content["handover"]
    part[field] = part["old_key"] if value == "the old key" else value
    with pytest.raises(ManifestError):
        decode(msgspec.json.encode(content))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_checks_a_signature(sign: Sign, keys: Path) -> None:
    """The command in the archive's README accepts the right key only."""
    (entry,) = sign("first").iterdir()
    line = "openssl pkeyutl -verify -pubin -inkey {} -rawin -in digest.json -sigfile digest.sig"
    for name, code in (("first", 0), ("second", 1)):
        command = line.format(keys / f"{name}.pub").split()
        assert subprocess.run(command, cwd=entry, capture_output=True, check=False).returncode == (
            code
        )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("mode", "chmod 600"),
        ("passphrase", "without a passphrase"),
        ("kind", "not an Ed25519 key"),
        ("garbage", "openssl genpkey -algorithm ed25519"),
        ("missing", "first.pem: it does not exist.*--signing-key"),
    ],
)
def test_unusable_keys(keys: Path, fault: str, message: str) -> None:
    """The message names the problem, and contains nothing of the key."""
    path = keys / "first.pem"
    if fault == "mode":
        path.chmod(0o640)
    elif fault == "passphrase":
        key = Ed25519PrivateKey.generate()
        secret = serialization.BestAvailableEncryption(b"secret")
        path.write_bytes(key.private_bytes(PEM, PKCS8, secret))
    elif fault == "kind":
        path.write_bytes(generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, OPEN))
    elif fault == "garbage":
        path.write_bytes(b"garbage")
    else:
        path.unlink()
    with pytest.raises(ConfigurationError, match=message):
        KeySigner(path)


def test_a_private_key_is_masked(keys: Path) -> None:
    """A library's message may show a line of its file; what is no key is shown."""
    body = (keys / "first.pem").read_text().splitlines()[1]
    KeySigner(keys / "first.pem")
    assert mask(f"-----BEGIN PRIVATE KEY-----\n{body}") == "-----BEGIN PRIVATE KEY-----\n***"


def _forge_unsigned(keys: Path) -> None:
    """Append a well-formed entry without a signature, as a person without the key can."""
    _append(keys, None)


def _append(keys: Path, key: str | None) -> None:
    archive = Archive(keys / "data" / "archive")
    last = archive.entries()[-1].read()
    folder = keys / "forged"
    shutil.copytree(last.path, folder)
    (folder / "digest.sig").unlink(missing_ok=True)
    at = parse_time(last.manifest.at, option="at") + DAY
    manifest = msgspec.structs.replace(
        last.manifest, sequence=last.manifest.sequence + 1, previous=last.sha256, at=iso(at)
    )
    unsigned = msgspec.structs.replace(manifest, signed_by=None)
    written = write_manifest(folder, unsigned, at, _signer(keys, key))
    archive.add(folder, written.name)


def _remove_last(keys: Path) -> None:
    shutil.rmtree(Archive(keys / "data" / "archive").entries()[-1].path)


def _damage(keys: Path, sequence: int, name: str) -> None:
    path = Archive(keys / "data" / "archive").entries()[sequence - 1].path / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1)[::-1])


def _remove_signature(keys: Path) -> None:
    (Archive(keys / "data" / "archive").entries()[0].path / "digest.sig").unlink()


def _rewrite_first(keys: Path) -> None:
    path = Archive(keys / "data" / "archive").entries()[0].digest_path
    path.write_bytes(path.read_bytes() + b"\n")


BREAKS: dict[str, Callable[[Path], None]] = {
    "an unsigned entry was appended": _forge_unsigned,
    "the last entry was removed": _remove_last,
    "a signature is invalid": lambda keys: _damage(keys, 1, "digest.sig"),
    "a signature is missing": _remove_signature,
    "an earlier manifest was changed": _rewrite_first,
    "a manifest cannot be read": lambda keys: _damage(keys, 1, "digest.json"),
}


@pytest.mark.parametrize("break_", BREAKS)
def test_a_load_signs_only_on_a_chain_that_holds(keys: Path, break_: str) -> None:
    """Otherwise the signature would cover what was added by hand; the API is not read."""
    BREAKS[break_](keys)
    before = _content(keys)
    request = load_request(_Unreachable(), keys / "data", NOW + 9 * DAY)
    with pytest.raises(ArchiveError, match="gaussdb-tasks verify"):
        run_load(replace(request, signer=_signer(keys, "first")))
    assert _content(keys) == before


def test_a_key_signs_only_on_an_unsigned_start_that_holds(sign: Sign, keys: Path) -> None:
    """The first signature covers the unsigned entries before it."""
    archive = Archive(sign(None, None, "first"))
    check_signer(archive, None, _signer(keys, "first"))
    path = archive.entries()[0].digest_path
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ArchiveError, match="does not follow"):
        check_signer(archive, None, _signer(keys, "first"))


class _Unreachable:
    """A task center that answers no call."""

    endpoint = "http://127.0.0.1:1"
    token = "token"
    project_ids = (PROJECT,)


def _content(keys: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for path in sorted((keys / "data").rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize(
    ("key", "message"),
    [(None, "--signing-key"), ("second", "keys rotate")],
)
def test_a_load_continues_a_signed_chain_with_its_key_only(
    keys: Path, key: str | None, message: str
) -> None:
    """No key, or another one, is a wrong option; nothing is published."""
    before = _content(keys)
    request = load_request(_Unreachable(), keys / "data", NOW + 9 * DAY)
    with pytest.raises(ConfigurationError, match=message):
        run_load(replace(request, signer=_signer(keys, key)))
    assert _content(keys) == before


@pytest.mark.parametrize("key", [None, "second"])
def test_an_amendment_needs_the_key_of_the_chain(keys: Path, key: str | None) -> None:
    """It is refused before anything is written; a dry run needs no key."""
    before = _content(keys)
    amendment = Amendment("redaction", NOW + 9 * DAY, "test", _signer(keys, key))
    data_dir = DataDir(keys / "data")
    with pytest.raises(ConfigurationError, match="--signing-key"):
        redact(data_dir, ["instance_name"], [], amendment, is_dry_run=False)
    assert redact(data_dir, ["instance_name"], [], amendment, is_dry_run=True).rows_changed == 1
    assert _content(keys) == before


def test_an_amendment_signs_only_on_a_chain_that_holds(keys: Path) -> None:
    """As a load."""
    _remove_signature(keys)
    amendment = Amendment("redaction", NOW + 9 * DAY, "test", _signer(keys, "first"))
    with pytest.raises(ArchiveError, match="gaussdb-tasks verify"):
        redact(DataDir(keys / "data"), ["instance_name"], [], amendment, is_dry_run=False)


def test_a_load_after_rotations_follows_the_keys(keys: Path) -> None:
    """Each key signs on the chain of the ones before it; the old key is refused."""
    data_dir = DataDir(keys / "data")
    for old, new in (("first", "second"), ("second", "third")):
        signer = KeySigner(keys / f"{old}.pem")
        rotate(data_dir, _amendment(), signer, KeySigner(keys / f"{new}.pem").public_key)
    with pytest.raises(ConfigurationError, match="keys rotate"):
        _load(keys, "second", 3)
    _load(keys, "third", 3)
    found = verify(data_dir, VerifyOptions(keys=read_public_keys([keys / "first.pub"])))
    assert (found.findings, len(found.chain)) == ([], 5)


def test_a_lost_key_lets_a_broken_chain_go_on(keys: Path) -> None:
    """Loads are signed again from there on; verify still reports what was before."""
    _remove_signature(keys)
    rotate(DataDir(keys / "data"), _amendment(), KeySigner(keys / "second.pem"), None)
    _load(keys, "second", 3)
    assert _faults(keys / "data" / "archive", keys, "first", "second") == [("signature", 1)]


def _amendment() -> Amendment:
    return Amendment("rotation", NOW + 2 * DAY, "test")


@pytest.mark.parametrize(
    ("signer", "new_key"), [("second", "third"), ("first", "first"), ("first", None)]
)
def test_a_rotation_that_verify_would_refuse(keys: Path, signer: str, new_key: str | None) -> None:
    """Only the current key hands over, and only to a key that has not signed."""
    before = _content(keys)
    public_key = None if new_key is None else KeySigner(keys / f"{new_key}.pem").public_key
    with pytest.raises(GaussdbTasksError):
        rotate(DataDir(keys / "data"), _amendment(), KeySigner(keys / f"{signer}.pem"), public_key)
    assert _content(keys) == before


def test_an_unsigned_archive_has_no_key_to_rotate(signed_loads: Path, data_dir: DataDir) -> None:
    old, new = (KeySigner(signed_loads / f"{name}.pem") for name in ("first", "second"))
    with pytest.raises(ConfigurationError, match="not signed"):
        rotate(data_dir, _amendment(), old, new.public_key)


def test_rotation_on_the_command_line(keys: Path, command: Command) -> None:
    """keys rotate, then verify with the first public key; the entry is in the database, too."""
    options = ("--data-dir", str(keys / "data"), "--now", iso(NOW + 2 * DAY))
    run = command(
        *("keys", "rotate", *options),
        *("--signing-key", keys / "first.pem", "--new-key", keys / "second.pub"),
    )
    assert run.exit_code == 0, run.stderr
    check = command("verify", "--data-dir", keys / "data", "--public-key", keys / "first.pub")
    assert check.exit_code == 0, check.stderr
    assert "hands over" in check.stderr
    run = command(
        *("keys", "rotate", *options),
        *("--signing-key", keys / "third.pem", "--lost-key", "--reason", "disk lost"),
    )
    assert run.exit_code == 0, run.stderr
    check = command("verify", "--data-dir", keys / "data", "--public-key", keys / "first.pub")
    assert check.exit_code == 1
    sql = "select kind, reason from task_center.archive_acts order by archive_sequence"
    shown = command("query", sql, "--data-dir", keys / "data", "--format", "csv").stdout
    assert shown.splitlines()[1:] == ["rotation,", "rotation,disk lost"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--new-key"),
        (("--lost-key",), "--reason"),
        (("--lost-key", "--new-key", "second.pem", "--reason", "x"), "either"),
        (("--new-key", "missing.pem"), "it does not exist"),
        (("--new-key", "second.pub.copy"), "not a public key in PEM"),
    ],
)
def test_wrong_options_of_a_rotation(
    keys: Path, command: Command, options: tuple[str, ...], message: str
) -> None:
    (keys / "second.pub.copy").write_text("garbage")
    run = command(
        *("keys", "rotate", "--data-dir", keys / "data"),
        *("--signing-key", str(keys / "first.pem"), *options),
    )
    assert run.exit_code == 2
    assert message in run.stderr


def test_settings_of_the_program_apply_to_a_rotation(keys: Path, command: Command) -> None:
    """The settings file, a variable, and an option before the name of the command."""
    (keys / "gaussdb_tasks.toml").write_text('data-dir = "from-file"\n[load]\nfull = true\n')
    rotation = ("keys", "rotate", "--signing-key", keys / "first.pem", "--new-key")
    run = command(*rotation, keys / "second.pem")
    assert "from-file" in run.stderr
    run = command("--data-dir", "from-option", *rotation, keys / "second.pem")
    assert "from-option" in run.stderr


def test_signing_on_the_command_line(keys: Path, command: Command) -> None:
    """load --signing-key, verify --public-key; no output and no file contains the key."""
    world = FixedWorld({PROJECT: [record(1)]})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        env = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
        run = command(
            "load",
            *("--endpoint", emulator.endpoint, "--region", "eu-de", "--now", iso(NOW)),
            *("--data-dir", keys / "new", "--signing-key", keys / "first.pem"),
            env=env,
        )
    assert run.exit_code == 0, run.stderr
    check = ("verify", "--data-dir", keys / "new")
    assert command(*check, "--public-key", keys / "first.pub").exit_code == 0
    assert command(*check, "--public-key", keys / "second.pub").exit_code == 1
    assert "signatures were not checked" in command(*check).stderr
    body = (keys / "first.pem").read_text().splitlines()[1]
    files = [path for path in (keys / "new").rglob("*") if path.is_file()]
    assert not any(body.encode() in path.read_bytes() for path in files)
    assert body not in run.stderr + run.stdout
