"""Sign manifests with an Ed25519 key, and check signatures with the public key.

The signature is the 64 bytes of RFC 8032 over the bytes of digest.json, so ``openssl pkeyutl`` can
check it too. Through the chain a signature covers its entry and all earlier ones.
"""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gaussdb_tasks.archive.manifest import sha256
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import remember
from gaussdb_tasks.os_errors import explain

if TYPE_CHECKING:  # imported only with a key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_BYTES: Final = 64

_PRIVATE_ONLY: Final = stat.S_IRWXG | stat.S_IRWXO
_PRIVATE_MARK: Final = b"PRIVATE KEY"
_REMEDY: Final = "create one with: openssl genpkey -algorithm ed25519 -out FILE"


class KeySigner:
    """Sign manifests with a private key from a file.

    Attributes:
        public_key: the public key's 32 bytes.
        fingerprint: SHA-256 of these.
    """

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            ConfigurationError: the file is not an Ed25519 key in PEM, has a passphrase, or other
                users can read it.
        """
        self._key = _read_private_key(path, "--signing-key")
        self.public_key = self._key.public_key().public_bytes_raw()
        self.fingerprint = sha256(self.public_key)

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a manifest's bytes."""
        return self._key.sign(content)


def read_public_keys(paths: Iterable[Path]) -> Mapping[str, bytes]:
    """Read the public keys that a verifier trusts; return the 32 bytes of each by fingerprint.

    Raises:
        ConfigurationError: a file is not an Ed25519 public key in PEM.
    """
    keys = [_read_public_key(path, "--public-key") for path in paths]
    return {sha256(key): key for key in keys}


def read_new_key(path: Path) -> bytes:
    """Read the 32 bytes of the public half of a key, from its private or its public file.

    Raises:
        ConfigurationError: the file is not an Ed25519 key in PEM.
    """
    option = "--new-key"
    if _PRIVATE_MARK in _read(path, option):
        return _read_private_key(path, option).public_key().public_bytes_raw()
    return _read_public_key(path, option)


def is_valid_signature(public_key: bytes, content: bytes, signature: bytes) -> bool:
    """Return whether a signature of content is valid for the 32 bytes of a public key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only with a key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read_private_key(path: Path, option: str) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only with a key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    content = _read(path, option)
    if path.stat().st_mode & _PRIVATE_ONLY:
        message = f"{option}: other users can read {path}; run: chmod 600 {path}"
        raise ConfigurationError(message)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        message = f"{option}: {path} is not a private key in PEM without a passphrase; {_REMEDY}"
        raise ConfigurationError(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{option}: {path} is not an Ed25519 key; {_REMEDY}"
        raise ConfigurationError(message)
    return key


def _read_public_key(path: Path, option: str) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only with a key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        key = serialization.load_pem_public_key(_read(path, option))
    except ValueError as error:
        message = (
            f"{option}: {path} is not a public key in PEM; create it from the private "
            "key with: openssl pkey -pubout -in FILE"
        )
        raise ConfigurationError(message) from error
    if not isinstance(key, Ed25519PublicKey):
        message = f"{option}: {path} is not an Ed25519 key"
        raise ConfigurationError(message)
    return key.public_bytes_raw()


def _read(path: Path, option: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise explain(error, path=path, setting=option) from error
    if _PRIVATE_MARK in content:
        for line in content.decode(errors="replace").splitlines():
            if not line.startswith("-----"):
                remember(line)
    return content
