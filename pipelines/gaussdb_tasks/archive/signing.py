"""Sign manifests with an Ed25519 key, and check signatures with the public key.

The signature is the 64 bytes of RFC 8032 over the bytes of digest.json, so ``openssl pkeyutl`` can
check it too. Through the chain a signature covers its entry and all earlier ones.
"""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from gaussdb_tasks.errors import ConfigurationError

_PRIVATE_ONLY: Final = stat.S_IRWXG | stat.S_IRWXO
_REMEDY: Final = "create one with: openssl genpkey -algorithm ed25519 -out FILE"


class Signer(Protocol):
    """Sign manifests."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key's 32 bytes."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a manifest's bytes."""


class KeySigner:
    """Sign with a private key from a file."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            ConfigurationError: the file is not an Ed25519 key in PEM, has a passphrase, or other
                users can read it.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only with a key
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PrivateKey,
        )

        content = _read(path, "--signing-key")
        if path.stat().st_mode & _PRIVATE_ONLY:
            message = f"--signing-key: other users can read {path}; run: chmod 600 {path}"
            raise ConfigurationError(message)
        try:
            key = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            message = f"--signing-key: {path} is not a private key in PEM without a passphrase; "
            raise ConfigurationError(message + _REMEDY) from error
        if not isinstance(key, Ed25519PrivateKey):
            message = f"--signing-key: {path} is not an Ed25519 key; {_REMEDY}"
            raise ConfigurationError(message)
        self._key = key
        self.fingerprint = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a manifest's bytes."""
        return self._key.sign(content)


class PublicKeys:
    """Check signatures; an archive may be signed with several keys over the years."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the keys.

        Raises:
            ConfigurationError: a file is not an Ed25519 public key in PEM.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )

        self._keys = {}
        for path in paths:
            try:
                key = serialization.load_pem_public_key(_read(path, "--public-key"))
            except ValueError as error:
                message = (
                    f"--public-key: {path} is not a public key in PEM; create it from the private "
                    "key with: openssl pkey -pubout -in FILE"
                )
                raise ConfigurationError(message) from error
            if not isinstance(key, Ed25519PublicKey):
                message = f"--public-key: {path} is not an Ed25519 key"
                raise ConfigurationError(message)
            self._keys[hashlib.sha256(key.public_bytes_raw()).hexdigest()] = key

    def __bool__(self) -> bool:
        return bool(self._keys)

    def has(self, fingerprint: str) -> bool:
        """Return whether the key with this fingerprint is among the keys."""
        return fingerprint in self._keys

    def is_valid(self, fingerprint: str, content: bytes, signature: bytes) -> bool:
        """Return whether the signature is valid for the key and the content."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        try:
            self._keys[fingerprint].verify(signature, content)
        except InvalidSignature:
            return False
        return True


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{option}: {path} cannot be read ({error.strerror})"
        raise ConfigurationError(message) from error
