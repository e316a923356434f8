"""Check time stamps against the root certificates that the user trusts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gaussdb_tasks.archive.timestamps import (
    Timestamp,
    TimestampError,
    library_errors_reported,
    refuse_without_package,
)
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import iso
from gaussdb_tasks.os_errors import explain

if TYPE_CHECKING:  # imported only for time stamps
    from cryptography.x509 import Certificate

_OPTION: Final = "--timestamp-ca"
_WEAK_HASHES: Final = frozenset({"md5", "sha1"})
_MIN_RSA_BITS: Final = 2048


class TimestampTrust:
    """Certificates of authorities, which sign the certificates of time stamps."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the certificates; a file may hold several.

        Raises:
            ConfigurationError: a file has no certificate in PEM, or a package is not installed.
        """
        refuse_without_package(_OPTION)
        self._roots = [root for path in paths for root in _read_certificates(path)]

    def check(self, timestamp: Timestamp) -> None:
        """Check the certificate and the signature of a time stamp.

        A certificate that has expired since is valid.

        Raises:
            TimestampError: the time stamp does not prove its time.
        """
        from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415 - optional

        with library_errors_reported("its certificate or its signature cannot be read"):
            _check_certificate(timestamp)
            verifier = VerifierBuilder(roots=self._roots).build()
            imprint = timestamp.response.tst_info.message_imprint.message
            try:
                verifier.verify(timestamp.response, imprint)
            except VerificationError as error:
                raise TimestampError(_explained(str(error), timestamp)) from error


def _read_certificates(path: Path) -> Sequence["Certificate"]:
    from cryptography import x509  # noqa: PLC0415 - only with time stamps

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise explain(error, path=path, setting=_OPTION) from error
    except ValueError as error:
        message = (
            f"{_OPTION}: {path} has no certificate in PEM; take the root certificate that the "
            "authority publishes"
        )
        raise ConfigurationError(message) from error


def _check_certificate(timestamp: Timestamp) -> None:
    from cryptography import x509  # noqa: PLC0415 - only with time stamps
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    certificate = timestamp.certificate
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        is_for_timestamps = usage.critical and (ExtendedKeyUsageOID.TIME_STAMPING in usage.value)
    except (x509.ExtensionNotFound, ValueError):
        is_for_timestamps = False
    if not is_for_timestamps:
        message = f"the certificate of {timestamp.authority} is not for time stamps (EKU)"
        raise TimestampError(message)
    key, algorithm = certificate.public_key(), certificate.signature_hash_algorithm
    is_short = isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS
    if is_short or (algorithm is not None and algorithm.name in _WEAK_HASHES):
        message = f"the algorithm of the certificate of {timestamp.authority} is too weak"
        raise TimestampError(message)


def _explained(problem: str, timestamp: Timestamp) -> str:
    """Return the cause of OpenSSL's error, which is known by its text only."""
    if "certificate verify error" not in problem:
        return "its signature is not valid"
    if "expired" in problem or "not yet valid" in problem:
        return (
            f"a certificate of {timestamp.authority} was not valid at the time of the stamp, "
            f"{iso(timestamp.at)}"
        )
    return f"the certificate of {timestamp.authority} is not from a given authority ({_OPTION})"
