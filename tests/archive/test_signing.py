"""Signed chains: checked with the public key alone, by this program and by openssl."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.archive.signing import KeySigner, PublicKeys
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.load import run_load
from gaussdb_tasks.model.times import DAY, iso
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load_request

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Make two pairs of keys."""
    for name in ("first", "second"):
        key = Ed25519PrivateKey.generate()
        private = tmp_path / f"{name}.pem"
        private.write_bytes(key.private_bytes(PEM, PKCS8, OPEN))
        private.chmod(0o600)
        public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
    return tmp_path


def _nights(keys: Path, signers: Sequence[str | None]) -> DataDir:
    data_dir = DataDir(keys / "data")
    for number, signer in enumerate(signers):
        at = NOW + number * DAY
        world = FixedWorld({PROJECT: [record(1)]})
        with Emulator(world, clock=SettableClock(at)) as emulator:
            job = load_request(emulator, data_dir.path, at)
            key = None if signer is None else KeySigner(keys / f"{signer}.pem")
            run_load(replace(job, signer=key))
    return data_dir


def _faults(data_dir: DataDir, keys: Path, *names: str) -> list[tuple[str, str]]:
    public = PublicKeys([keys / f"{name}.pub" for name in names])
    found = verify(data_dir, Demands(keys=public)).findings
    return [(finding.fault.value, str(finding.entry)[:6]) for finding in found]


def test_a_signed_chain(keys: Path) -> None:
    """The public key is enough; another one does not fit; none: signatures are not looked at."""
    data_dir = _nights(keys, ["first", "first"])
    assert _faults(data_dir, keys, "first") == []
    assert _faults(data_dir, keys, "second") == [
        ("signature", "000001"),
        ("signature", "000002"),
    ]
    assert verify(data_dir, Demands()).is_whole


def test_a_signature_speaks_for_what_came_before(keys: Path) -> None:
    """Unsigned nights before a signed one are covered by it; those after the last are not."""
    data_dir = _nights(keys, [None, "first", None])
    assert _faults(data_dir, keys, "first") == [("signature", "000003")]


def test_a_key_that_changed(keys: Path) -> None:
    """With both public keys the chain is whole."""
    data_dir = _nights(keys, ["first", "second"])
    assert _faults(data_dir, keys, "first", "second") == []
    assert _faults(data_dir, keys, "second") == [("signature", "000001")]


@pytest.mark.parametrize("harm", ["stripped", "edited", "another's"])
def test_a_signature_that_is_not_right(keys: Path, harm: str) -> None:
    """It is called a signature's fault, also without a public key if it is gone."""
    data_dir = _nights(keys, ["first", "first"])
    first, second = sorted(data_dir.archive.glob("*/digest.sig"))
    if harm == "stripped":
        second.unlink()
        assert not verify(data_dir, Demands()).is_whole
    elif harm == "edited":
        second.write_bytes(bytes([second.read_bytes()[0] ^ 1]) + second.read_bytes()[1:])
    else:
        shutil.copy(first, second)
    assert ("signature", "000002") in _faults(data_dir, keys, "first")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_says_the_same(keys: Path) -> None:
    """The line of the archive's page checks a signature."""
    data_dir = _nights(keys, ["first"])
    (entry,) = data_dir.archive.iterdir()
    line = "openssl pkeyutl -verify -pubin -inkey {} -rawin -in digest.json -sigfile digest.sig"
    for name, code in (("first", 0), ("second", 1)):
        command = line.format(keys / f"{name}.pub").split()
        assert subprocess.run(command, cwd=entry, capture_output=True, check=False).returncode == (
            code
        )


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("mode", "chmod 600"),
        ("passphrase", "without a passphrase"),
        ("kind", "no Ed25519 key"),
        ("garbage", "openssl genpkey -algorithm ed25519"),
        ("missing", "cannot be read"),
    ],
)
def test_keys_that_cannot_be_used(keys: Path, trouble: str, told: str) -> None:
    """What is wrong with a key is said, and nothing of what is in it."""
    path = keys / "first.pem"
    if trouble == "mode":
        path.chmod(0o640)
    elif trouble == "passphrase":
        key = Ed25519PrivateKey.generate()
        secret = serialization.BestAvailableEncryption(b"secret")
        path.write_bytes(key.private_bytes(PEM, PKCS8, secret))
    elif trouble == "kind":
        path.write_bytes(generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, OPEN))
    elif trouble == "garbage":
        path.write_bytes(b"garbage")
    else:
        path.unlink()
    with pytest.raises(ConfigurationError, match=told):
        KeySigner(path)


def test_the_commands_sign_and_check(keys: Path, command: Command) -> None:
    """load --signing-key, verify --public-key; the key itself is in no output and no file."""
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
