"""RFC 3161 time stamps: read a response, and check that it is of a manifest.

A time stamp is the complete response of the authority, in DER, so ``openssl ts`` can check it too.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.known_secrets import in_one_line
from gaussdb_tasks.model.times import MINUTE, Micros, from_datetime, iso
from gaussdb_tasks.os_errors import refuse_fault_of_machine

if TYPE_CHECKING:  # imported only for time stamps
    from cryptography.x509 import Certificate

MAX_BYTES: Final = 256 * 1024
"""A response has some 6 kB, most of it certificates."""

_MAX_SHOWN: Final = 200
_MAX_AHEAD: Final[Micros] = 5 * MINUTE
_GRANTED: Final = 0
_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_CERTIFICATES: Final = 0xA0
_LONG_LENGTH: Final = 0x80
_MAX_LENGTH_BYTES: Final = 4


class TimestampError(GaussdbTasksError):
    """A time stamp was not given, or does not prove anything."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A time stamp of a manifest.

    Attributes:
        at: time that the authority confirms.
        authority: subject of the authority's certificate.
        nonce: number of the request, which the response repeats; None if it has none.
        certificate: certificate of the authority.
        response: the library's response.
    """

    at: Micros
    authority: str
    nonce: int | None
    certificate: "Certificate"
    response: Any


def is_available() -> bool:
    """Return whether the package that reads time stamps is installed."""
    try:
        import rfc3161_client  # noqa: F401, PLC0415 - optional
    except ImportError:
        return False
    return True


def refuse_without_package(option: str) -> None:
    """Refuse an option if the package that reads time stamps is not installed."""
    if not is_available():
        message = (
            f"{option}: the package for time stamps is not installed; run: "
            "pip install 'gaussdb-tasks[timestamps]'"
        )
        raise ConfigurationError(message)


def read_timestamp(content: bytes, stamped: bytes, now: Micros) -> Timestamp:
    """Read a response, and check all that needs no certificate of an authority.

    Raises:
        TimestampError: it is not a response in DER, was refused, is not of the stamped bytes, is of
            the future, or uses an algorithm that is too weak.
    """
    with library_errors_reported("it is not a time stamp response of RFC 3161"):
        response = _decode(content)
        if response.status != _GRANTED:
            text = "; ".join(response.status_string) or f"status {response.status}"
            message = f"the authority refused it: {printable(text)}"
            raise TimestampError(message)
        _check_imprint(response, stamped)
        certificate = _signing_certificate(response)
        at = from_datetime(response.tst_info.gen_time)
        nonce: int | None = response.tst_info.nonce
        authority = printable(certificate.subject.rfc4514_string())
    if at > now + _MAX_AHEAD:
        message = f"its time, {iso(at)}, is in the future: this machine's clock says {iso(now)}"
        raise TimestampError(message)
    return Timestamp(at, authority, nonce, certificate, response)


@contextmanager
def library_errors_reported(message: str) -> Iterator[None]:
    """Turn any error that a library raises for bytes of others into a TimestampError.

    The libraries raise errors of many types, such as KeyError, and warn about strange names.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except TimestampError:
        raise
    except Exception as error:
        refuse_fault_of_machine(error)
        raise TimestampError(message) from error


def printable(text: str) -> str:
    """Return the start of a text of others on one line, without secrets."""
    return in_one_line(text, _MAX_SHOWN)


def _decode(content: bytes) -> Any:
    """Decode a response.

    Raises:
        ValueError: it is not one.
    """
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - optional

    if len(content) > MAX_BYTES:
        message = f"it has more than {MAX_BYTES:,} bytes"
        raise ValueError(message)
    return decode_timestamp_response(_with_sorted_certificates(content))


def _check_imprint(response: Any, stamped: bytes) -> None:
    imprint = response.tst_info.message_imprint
    weak = {
        oid.dotted_string
        for oid in (imprint.hash_algorithm, *response.signed_data.digest_algorithms)
        if oid.dotted_string not in _HASHES
    }
    if weak:
        message = f"its hash algorithm {min(weak)} is too weak: it must be SHA-256 or longer"
        raise TimestampError(message)
    name = _HASHES[imprint.hash_algorithm.dotted_string]
    if imprint.message != hashlib.new(name, stamped).digest():
        message = "it is of something else: its hash is not that of digest.json"
        raise TimestampError(message)


def _signing_certificate(response: Any) -> "Certificate":
    from cryptography import x509  # noqa: PLC0415 - only with time stamps

    signers = {(each.issuer, each.serial_number) for each in response.signed_data.signer_infos}
    certificates = map(x509.load_der_x509_certificate, response.signed_data.certificates)
    found = [each for each in certificates if (each.issuer, each.serial_number) in signers]
    # With two of one name and number, OpenSSL could use another one than the checks here.
    if len(signers) != 1 or len(found) != 1:
        message = "it must have one signature, and the certificate of the authority once"
        raise TimestampError(message)
    return found[0]


def _with_sorted_certificates(content: bytes) -> bytes:
    """Sort the certificates of a response, as DER demands for a set.

    OpenSSL's authority does not sort them, and the library refuses that. No signature covers their
    order.

    Raises:
        ValueError: it is not DER, or has not the structure of a response.
    """
    (response,) = _elements(content, 0, len(content))
    parts = _elements(content, *response.inner)
    if len(parts) == 1:
        return content  # refused: there is no token
    content_info = _elements(content, *parts[1].inner)
    (signed_data,) = _elements(content, *content_info[-1].inner)
    for field in _elements(content, *signed_data.inner):
        if field.tag == _CERTIFICATES:
            start, end = field.inner
            certificates = [
                content[each.start : each.inner[1]] for each in _elements(content, start, end)
            ]
            return content[:start] + b"".join(sorted(certificates)) + content[end:]
    return content


@dataclass(frozen=True, slots=True)
class _Element:
    """The place of an element of DER: its tag, its start, and the range of its value."""

    tag: int
    start: int
    inner: tuple[int, int]


def _elements(content: bytes, start: int, end: int) -> Sequence[_Element]:
    elements = []
    while start < end:
        header = content[start : start + 2 + _MAX_LENGTH_BYTES]
        if len(header) < 2:  # noqa: PLR2004 - tag and length
            break
        length, value = header[1], start + 2
        if length & _LONG_LENGTH:
            size = length & ~_LONG_LENGTH
            if not 1 <= size <= _MAX_LENGTH_BYTES:
                break
            length, value = int.from_bytes(header[2 : 2 + size]), value + size
        if value + length > end:
            break
        elements.append(_Element(header[0], start, (value, value + length)))
        start = value + length
    if start != end:
        message = "it is not DER"
        raise ValueError(message)
    return elements
