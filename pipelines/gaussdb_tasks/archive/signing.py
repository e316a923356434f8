"""Signing digests with an Ed25519 key, and checking signatures with the public key alone.

The signature is the 64 bytes of RFC 8032 over the digest file's bytes, so ``openssl pkeyutl`` can
check it too. A signature speaks for its entry and, through the chain, for all before it.
"""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from gaussdb_tasks.errors import ConfigurationError

_PRIVATE_ONLY: Final = stat.S_IRWXG | stat.S_IRWXO
_HOW_TO_MAKE_ONE: Final = "make one with: openssl genpkey -algorithm ed25519 -out FILE"


class Signer(Protocol):
    """Signs digests."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key's 32 bytes."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a digest's bytes."""


class KeySigner:
    """Signs with a private key from a file."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            ConfigurationError: it is no Ed25519 key in PEM, has a passphrase, or others can read
                it.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only with a key
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PrivateKey,
        )

        content = _read(path, "--signing-key")
        if path.stat().st_mode & _PRIVATE_ONLY:
            message = f"--signing-key: others than its owner can read {path}; chmod 600 it"
            raise ConfigurationError(message)
        try:
            key = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            message = f"--signing-key: {path} is no private key in PEM without a passphrase; "
            raise ConfigurationError(message + _HOW_TO_MAKE_ONE) from error
        if not isinstance(key, Ed25519PrivateKey):
            message = f"--signing-key: {path} is no Ed25519 key; {_HOW_TO_MAKE_ONE}"
            raise ConfigurationError(message)
        self._key = key
        self.fingerprint = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a digest's bytes."""
        return self._key.sign(content)


class PublicKeys:
    """Checks signatures; an archive may have changed its key over the years."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the keys.

        Raises:
            ConfigurationError: one of them is no Ed25519 public key in PEM.
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
                    f"--public-key: {path} is no public key in PEM; make it of the private one "
                    "with: openssl pkey -pubout -in FILE"
                )
                raise ConfigurationError(message) from error
            if not isinstance(key, Ed25519PublicKey):
                message = f"--public-key: {path} is no Ed25519 key"
                raise ConfigurationError(message)
            self._keys[hashlib.sha256(key.public_bytes_raw()).hexdigest()] = key

    def __bool__(self) -> bool:
        return bool(self._keys)

    def knows(self, fingerprint: str | None) -> bool:
        """Tell whether one of the keys is the one that a digest names."""
        return fingerprint in self._keys

    def is_right(self, fingerprint: str, content: bytes, signature: bytes) -> bool:
        """Tell whether a signature is that of the named key over the content."""
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
