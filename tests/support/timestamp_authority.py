"""A time stamp authority of openssl on this machine, that can also misbehave."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM: Final = serialization.Encoding.PEM
TIME_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING
CODE_SIGNING: Final = ExtendedKeyUsageOID.CODE_SIGNING

_MAX_WAIT_SECONDS: Final = 60
_CONFIG: Final = """
[tsa]
default_tsa = authority
[authority]
serial = serial
default_policy = 1.2.3.4.1
digests = {digests}
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
"""

_SERIALS: Final = {"without_eku": 4711, "impostor": 4711}
_BODIES: Final = {
    "garbage": b"<html>Sign in to the network</html>",
    "empty": b"",
    "huge": bytes(8 * 1024 * 1024),
}

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Certificates:
    """A folder with authorities: for each name a certificate, and its key.

    ``ca.pem`` has issued those of ``good``, ``expired``, ``without_eku`` and ``weak``, and that of
    ``sub_ca``, which has issued ``below_sub_ca``. ``other_ca.pem`` has issued ``foreign``.
    ``impostor`` has the issuer's name and the number of ``without_eku``, but the key of
    ``other_ca`` has signed it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def ca(self) -> Path:
        """The root certificate that a verifier trusts."""
        return self.folder / "ca.pem"

    @classmethod
    def make(cls, folder: Path) -> None:
        """Create all certificates."""
        now = datetime.now(UTC)
        long_ago, later = now - timedelta(days=3000), now + timedelta(days=3000)
        ca, other, sub = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        for name, root in (("ca", ca), ("other_ca", other)):
            _write(folder, name, root, _certificate(name, root, name, root, (long_ago, later)))
        _write(folder, "sub_ca", sub, _certificate("sub_ca", sub, "ca", ca, (long_ago, later)))
        year = (now - timedelta(days=365), now + timedelta(days=365))
        past = (now - timedelta(days=1000), now - timedelta(days=500))
        for name, issuer, validity, usage in (
            ("good", "ca", year, TIME_STAMPING),
            ("expired", "ca", past, TIME_STAMPING),
            ("without_eku", "ca", year, CODE_SIGNING),
            ("weak", "ca", year, TIME_STAMPING),
            ("foreign", "other_ca", year, TIME_STAMPING),
            ("impostor", "ca", year, TIME_STAMPING),
            ("below_sub_ca", "sub_ca", year, TIME_STAMPING),
        ):
            key = _make_key(name)
            issuer_key = sub if issuer == "sub_ca" else ca
            if name in {"foreign", "impostor"}:
                issuer_key = other
            _write(folder, name, key, _certificate(name, key, issuer, issuer_key, validity, usage))
        (folder / "serial").write_text("01")
        for name, digests in (("strict", "sha256"), ("lax", "sha1, sha256")):
            (folder / f"{name}.cnf").write_text(_CONFIG.format(digests=digests))

    def reply(self, query: bytes, signer: str = "good", config: str = "strict") -> bytes:
        """Answer a query with ``openssl ts``; of a hash that it does not accept, refuse it."""
        (self.folder / "query").write_bytes(query)
        return self._openssl(
            *("ts", "-reply", "-config", f"{config}.cnf", "-queryfile", "query"),
            *("-signer", f"{signer}.pem", "-inkey", f"{signer}.key", "-chain", "ca.pem"),
        )

    def stamp(self, content: bytes) -> bytes:
        """Return a valid response for content."""
        return self.reply(self.query(content))

    def query(self, content: bytes, digest: str = "sha256") -> bytes:
        """Return a query for content, with a random nonce."""
        (self.folder / "content").write_bytes(content)
        return self._openssl("ts", "-query", "-data", "content", f"-{digest}", "-cert")

    def forge(
        self, content: bytes, at: datetime, *, signer: str = "good", also: str = "ca"
    ) -> bytes:
        """Return a response with a time and a signer that ``openssl ts`` would not accept.

        Args:
            content: what is stamped.
            at: the time.
            signer: the name of the certificate that signs.
            also: the name of a certificate that the response contains, too.
        """
        imprint = _der(0x30, _der(0x30, _OID_SHA256, b"\x05\0"), _der(4, sha256(content).digest()))
        info = _der(
            0x30,
            *(_integer(1), _OID_POLICY, imprint, _integer(7)),
            _der(0x18, at.strftime("%Y%m%d%H%M%SZ").encode()),
        )
        (self.folder / "info").write_bytes(info)
        token = self._openssl(
            *("cms", "-sign", "-binary", "-nodetach", "-cades", "-md", "sha256"),
            *("-econtent_type", "1.2.840.113549.1.9.16.1.4", "-in", "info", "-outform", "DER"),
            *("-signer", f"{signer}.pem", "-inkey", f"{signer}.key", "-certfile", f"{also}.pem"),
        )
        return _der(0x30, _der(0x30, _integer(0)), token)

    def _openssl(self, *arguments: str) -> bytes:
        command = ("openssl", *arguments, "-out", "answer")
        subprocess.run(command, cwd=self.folder, capture_output=True, check=True)
        return (self.folder / "answer").read_bytes()


class Authority(ThreadingHTTPServer):
    """An authority on loopback.

    Attributes:
        behaviour: how it answers, see ``answer``.
        queries: the number of queries.
        released: set at the end, so that slow answers end.
        redirect_to: target of a redirect.
    """

    daemon_threads = True

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.certificates = certificates
        self.behaviour = "good"
        self.queries = 0
        self.headers: dict[str, str] = {}
        self.released = threading.Event()
        self.redirect_to = ""

    @property
    def url(self) -> str:
        """The URL of the authority."""
        return f"http://127.0.0.1:{self.server_port}/tsr"

    def answer(self, query: bytes) -> bytes:
        """Return the body for a query: as openssl does, or wrong as wanted."""
        if self.behaviour in _BODIES:
            return _BODIES[self.behaviour]
        certificates, config = self.certificates, "strict"
        match self.behaviour:
            case "wrong nonce":
                query = _with_digest(certificates.query(b"something else"), _digest(query))
            case "wrong hash":
                query = _with_digest(query, bytes(32))
            case "refused":
                query = certificates.query(b"any", "sha1")
            case "weak hash":
                query, config = certificates.query(b"any", "sha1"), "lax"
        return certificates.reply(query, config=config)


class _Handler(BaseHTTPRequestHandler):
    server: Authority

    def do_POST(self) -> None:
        self.server.queries += 1
        self.server.headers = dict(self.headers)
        query = self.rfile.read(int(self.headers["Content-Length"]))
        behaviour = self.server.behaviour
        if behaviour == "slow":
            self.server.released.wait(_MAX_WAIT_SECONDS)
        status = {"error": 500, "redirect": 307}.get(behaviour, 200)
        body = self.server.answer(query)
        self.send_response(status)
        if behaviour == "redirect":
            self.send_header("Location", self.server.redirect_to)
        is_reply = behaviour != "wrong content type"
        self.send_header("Content-Type", "application/timestamp-reply" if is_reply else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "stalls":
            self.wfile.write(body[:100])
            self.wfile.flush()
            self.server.released.wait(_MAX_WAIT_SECONDS)
        with suppress(OSError):  # the client may have left
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Write nothing."""


@contextmanager
def serve(certificates: Certificates) -> Iterator[Authority]:
    """Serve an authority until the block ends."""
    with Authority(certificates) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def _make_key(name: str) -> Key:
    if name == "weak":
        return rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    return ec.generate_private_key(ec.SECP256R1())


def _digest(query: bytes) -> bytes:
    """Return the hash in a query with SHA-256."""
    return query[query.index(b"\x04\x20") + 2 :][:32]


def _with_digest(query: bytes, digest: bytes) -> bytes:
    place = query.index(b"\x04\x20") + 2
    return query[:place] + digest + query[place + len(digest) :]


def _certificate(  # noqa: PLR0913, PLR0917 - the parts of a certificate
    name: str,
    key: Key,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime, datetime],
    usage: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(_SERIALS.get(name) or x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )
    extension = (
        x509.BasicConstraints(ca=True, path_length=None)
        if usage is None
        else x509.ExtendedKeyUsage([usage])
    )
    return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write(folder: Path, name: str, key: Key, certificate: x509.Certificate) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(PEM))
    private = key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(private)


def _der(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + value


def _integer(number: int) -> bytes:
    return _der(2, number.to_bytes(number.bit_length() // 8 + 1))


_OID_SHA256: Final = _der(6, bytes.fromhex("608648016503040201"))
_OID_POLICY: Final = _der(6, bytes.fromhex("2a030401"))
