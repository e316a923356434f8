"""Signed chains: checked with the public key, by this program and by openssl."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.archive.signing import KeySigner, PublicKeys
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.write import write_manifest
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import iso, parse_time
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create two key pairs."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("first", "second"):
        key = Ed25519PrivateKey.generate()
        private = folder / f"{name}.pem"
        private.write_bytes(key.private_bytes(PEM, PKCS8, OPEN))
        private.chmod(0o600)
        public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    return folder


@pytest.fixture
def keys(key_pairs: Path, tmp_path: Path) -> Path:
    """Copy the key pairs to where a test may change them."""
    shutil.copytree(key_pairs, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def sign(original: Path, keys: Path) -> Callable[..., Path]:
    """Write the manifests of loads again, each signed with the named key, or not signed."""

    def write(*signers: str | None) -> Path:
        archive, previous = keys / "archive", None
        for entry, name in zip(Archive(original / "archive").entries(), signers, strict=False):
            shutil.copytree(entry.path, archive / entry.name)
            signer = None if name is None else KeySigner(keys / f"{name}.pem")
            manifest = msgspec.structs.replace(entry.read().manifest, previous=previous)
            at = parse_time(manifest.at, option="at")
            previous = write_manifest(archive / entry.name, manifest, at, signer).sha256
        return archive

    return write


def _faults(archive: Path, keys: Path, *names: str) -> list[tuple[str, str]]:
    public = PublicKeys([keys / f"{name}.pub" for name in names]) if names else None
    found = verify_archive(Archive(archive), VerifyOptions(keys=public)).findings
    return [(finding.fault.value, str(finding.entry)[:6]) for finding in found]


def test_a_signed_chain(sign: Callable[..., Path], keys: Path) -> None:
    """The public key is enough; another key is a fault; without a key nothing is checked."""
    archive = sign("first", "first")
    assert _faults(archive, keys, "first") == []
    assert _faults(archive, keys, "second") == [("signature", "000001"), ("signature", "000002")]
    assert _faults(archive, keys) == []


def test_a_signature_covers_earlier_entries(sign: Callable[..., Path], keys: Path) -> None:
    """Unsigned entries before a signed one are covered; later ones are not."""
    archive = sign(None, "first", None)
    assert _faults(archive, keys, "first") == [("signature", "000003")]


def test_a_chain_with_two_keys(sign: Callable[..., Path], keys: Path) -> None:
    """With both public keys the chain is intact."""
    archive = sign("first", "second")
    assert _faults(archive, keys, "first", "second") == []
    assert _faults(archive, keys, "second") == [("signature", "000001")]


@pytest.mark.parametrize("damage", ["removed", "edited", "copied from another entry"])
def test_an_invalid_signature(sign: Callable[..., Path], keys: Path, damage: str) -> None:
    """It is a fault of the signature; a missing one is a fault without a public key, too."""
    archive = sign("first", "first")
    first, second = sorted(archive.glob("*/digest.sig"))
    if damage == "removed":
        second.unlink()
        assert ("signature", "000002") in _faults(archive, keys)
    elif damage == "edited":
        second.write_bytes(bytes([second.read_bytes()[0] ^ 1]) + second.read_bytes()[1:])
    else:
        shutil.copy(first, second)
    assert ("signature", "000002") in _faults(archive, keys, "first")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_checks_a_signature(sign: Callable[..., Path], keys: Path) -> None:
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
        ("missing", "cannot be read"),
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


def test_signing_on_the_command_line(keys: Path, command: Command) -> None:
    """load --signing-key, verify --public-key; no output and no file contains the key."""
    world = FixedWorld({PROJECT: [record(1)]})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        env = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
        run = command(
            "load",
            *("--endpoint", emulator.endpoint, "--region", "eu-de", "--now", iso(NOW)),
            *("--data-dir", keys / "data", "--signing-key", keys / "first.pem"),
            env=env,
        )
    assert run.exit_code == 0, run.stderr
    check = ("verify", "--data-dir", keys / "data")
    assert command(*check, "--public-key", keys / "first.pub").exit_code == 0
    assert command(*check, "--public-key", keys / "second.pub").exit_code == 1
    assert "signatures were not checked" in command(*check).stderr
    body = (keys / "first.pem").read_text().splitlines()[1]
    files = [path for path in (keys / "data").rglob("*") if path.is_file()]
    assert not any(body.encode() in path.read_bytes() for path in files)
    assert body not in run.stderr + run.stdout
