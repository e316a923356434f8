"""A small S3-like server whose buckets misbehave like stores that were met in practice.

It keeps objects in memory and checks no signature. It knows what a mirror uses: ListObjectsV2, and
GET, PUT, HEAD and DELETE of an object. An upload in parts is refused: a mirror makes none.
"""

import hashlib
import ipaddress
import re
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.session
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAGE_LENGTH = 1000


@dataclass
class Bucket:
    """The objects of a bucket, and how it misbehaves.

    Attributes:
        on_condition: the answer to If-None-Match. "create": 412 if the object exists, without
            naming the condition, as some stores do; "named": as S3 does; "501" and "400": the
            store does not know it; "ignore": it overwrites silently.
        keeps_framing: whether the framing of `aws-chunked` uploads becomes content.
        refuses_checksums: whether headers about checksums are answered with 400.
        requires_md5: whether an upload needs Content-MD5, as with object lock.
        conflicts: the number of uploads that are answered with 409.
        truncates: whether the last byte of an upload is lost.
        returns_other_bytes: whether objects are read with other bytes.
        closed: keys that are answered with 403.
        listed: names and sizes that are listed beside the objects.
        listing: "whole"; "endless": names without an end; "empty": empty pages without an end;
            "cut": the first page only, without a token for the next.
        broken_message: message of a 400 to each request; None to work.
        opened: an event that requests wait for; None to answer at once.
        requests: method and path of each request.
        headers: headers of each upload.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    on_condition: str = "create"
    keeps_framing: bool = False
    refuses_checksums: bool = False
    requires_md5: bool = False
    conflicts: int = 0
    truncates: bool = False
    returns_other_bytes: bool = False
    closed: set[str] = field(default_factory=set)
    listed: dict[str, int] = field(default_factory=dict)
    listing: str = "whole"
    broken_message: str | None = None
    opened: threading.Event | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


class ObjectStore:
    """A running server; a test makes a bucket of its own."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.buckets: dict[str, Bucket] = {}
        self._numbers = count(1)

    def make_bucket(self) -> tuple[str, Bucket]:
        """Make an empty bucket; return its name and itself."""
        name = f"bucket-{next(self._numbers)}"
        self.buckets[name] = Bucket()
        return name, self.buckets[name]


@contextmanager
def running(certificate: Path | None = None) -> Iterator[ObjectStore]:
    """Run a server; with a certificate and its key in one file, over TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    server.store = ObjectStore(  # type: ignore[attr-defined]
        f"{scheme}://127.0.0.1:{server.server_port}"
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.store  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SECRET = "wJalrXUtnFEMI-not-a-real-key"


@dataclass(frozen=True)
class Place:
    """An empty prefix in a bucket, for a copy."""

    url: str
    bucket: Bucket

    def contents(self) -> dict[str, bytes]:
        """Return the objects, by name relative to the prefix."""
        return {key.partition("/")[2]: content for key, content in self.bucket.objects.items()}


def write_certificate(path: Path) -> None:
    """Write a certificate of this machine that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(encoding) + private)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """Run a server."""
    with running() as store:
        yield store


@pytest.fixture
def store(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """Make an empty bucket, and sign in to its store."""
    return make_place(object_store, monkeypatch, tmp_path)


@pytest.fixture
def place_over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """Make an empty bucket of a store over TLS, and sign in to it."""
    certificate = tmp_path / "store.pem"
    write_certificate(certificate)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with running(certificate) as store:
        yield make_place(store, monkeypatch, tmp_path)


def make_place(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Place:
    """Make an empty bucket, and sign in to its store."""
    for name, value in {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(botocore.session, "create_loader", _shared_loader)
    name, bucket = store.make_bucket()
    return Place(f"s3://{name}/tasks", bucket)


@cache
def _shared_loader(search_paths: str | None = None) -> Any:
    """Return one reader of botocore's own files: each client would read them again."""
    return botocore.loaders.create_loader(search_paths)


class _Refused(Exception):  # noqa: N818 - an answer, not an error of the server
    def __init__(self, status: int, code: str, message: str = "no", more: str = "") -> None:
        super().__init__(status, code)
        self.status = status
        self.body = (
            f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}</Error>"
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms

    def log_message(self, *_arguments: Any) -> None:
        """Write nothing."""

    def do_GET(self) -> None:
        self._answer(self._list if "list-type" in self._query else self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_POST(self) -> None:
        self._answer(self._refuse_parts)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _answer(self, work: Any) -> None:
        body = self._body()
        bucket_name, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        bucket = self.server.store.buckets.get(bucket_name)  # type: ignore[attr-defined]
        status, content = 200, b""
        try:
            content = work(self._working(bucket, key), key, body)
        except _Refused as refused:
            status, content = refused.status, refused.body
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        """Read the body, also one that is sent in chunks: a rest would be taken for a request."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return bytes(body)

    def _working(self, bucket: Bucket | None, key: str) -> Bucket:
        if bucket is None:
            raise _Refused(404, "NoSuchBucket")
        bucket.requests.append((self.command, key))
        if bucket.opened is not None:
            bucket.opened.wait()
        if bucket.refuses_checksums and any(
            name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum", "x-amz-trailer"))
            for name in self.headers
        ):
            raise _Refused(400, "InvalidArgument")
        if bucket.broken_message is not None:
            raise _Refused(400, "InvalidRequest", bucket.broken_message)
        return bucket

    def _get(self, bucket: Bucket, key: str, _body: bytes) -> bytes:
        if key in bucket.closed:
            raise _Refused(403, "AccessDenied")
        if key not in bucket.objects:
            raise _Refused(404, "NoSuchKey")
        content = bucket.objects[key]
        return content[::-1] if bucket.returns_other_bytes else content

    def _put(self, bucket: Bucket, key: str, body: bytes) -> bytes:
        bucket.headers.append({name.lower(): value for name, value in self.headers.items()})
        self._check_headers(bucket, body)
        if bucket.conflicts:
            bucket.conflicts -= 1
            raise _Refused(409, "ConditionalRequestConflict")
        if "If-None-Match" in self.headers and key in bucket.objects:
            if bucket.on_condition == "create":
                raise _Refused(412, "PreconditionFailed")
            if bucket.on_condition == "named":
                condition = "<Condition>If-None-Match</Condition>"
                raise _Refused(412, "PreconditionFailed", more=condition)
        if not bucket.keeps_framing and "aws-chunked" in self.headers.get("Content-Encoding", ""):
            body = _without_framing(body)
        bucket.objects[key] = body[:-1] if bucket.truncates else body
        return b""

    def _check_headers(self, bucket: Bucket, body: bytes) -> None:
        names = {name.lower() for name in self.headers}
        if bucket.requires_md5:
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            if self.headers.get("Content-MD5") != b64encode(digest).decode():
                raise _Refused(400, "InvalidRequest", "Content-MD5 is required")
        if "if-none-match" in names and bucket.on_condition in {"400", "501"}:
            raise _Refused(int(bucket.on_condition), "NotImplemented")

    def _refuse_parts(self, _bucket: Bucket, _key: str, _body: bytes) -> bytes:
        raise _Refused(501, "NotImplemented", "uploads in parts")

    def _delete(self, bucket: Bucket, key: str, _body: bytes) -> bytes:
        bucket.objects.pop(key, None)
        return b""

    def _list(self, bucket: Bucket, _key: str, _body: bytes) -> bytes:
        query = {name: values[0] for name, values in self._query.items()}
        prefix, start = query.get("prefix", ""), int(query.get("continuation-token", 0))
        if bucket.listing == "endless":
            names = [(f"{prefix}{start + number:09}/x", 1) for number in range(PAGE_LENGTH)]
            return _page(names, [], str(start + PAGE_LENGTH))
        if bucket.listing == "empty":
            return _page([], [], str(start + 1))
        sizes = {key: len(content) for key, content in bucket.objects.items()} | bucket.listed
        found = sorted((key, size) for key, size in sizes.items() if key.startswith(prefix))
        folders: list[str] = []
        if delimiter := query.get("delimiter"):
            inside = {key: key.removeprefix(prefix).partition(delimiter) for key, _ in found}
            folders = sorted({f"{prefix}{name}/" for name, slash, _ in inside.values() if slash})
            found = [(key, size) for key, size in found if not inside[key][1]]
        listed: list[Any] = [*found, *folders]
        if bucket.listing == "cut":
            return _page(found[:1], folders[:1], "")
        end = start + PAGE_LENGTH
        page = listed[start:end]
        return _page(
            [each for each in page if isinstance(each, tuple)],
            [each for each in page if isinstance(each, str)],
            str(end) if end < len(listed) else None,
        )


def _page(found: list[tuple[str, int]], folders: list[str], token: str | None) -> bytes:
    contents = "".join(
        f"<Contents><Key>{quote(key)}</Key><Size>{size}</Size></Contents>" for key, size in found
    )
    prefixes = "".join(
        f"<CommonPrefixes><Prefix>{quote(each)}</Prefix></CommonPrefixes>" for each in folders
    )
    following = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f"<ListBucketResult><EncodingType>url</EncodingType>{contents}{prefixes}{following}"
        f"<IsTruncated>{'false' if token is None else 'true'}</IsTruncated></ListBucketResult>"
    ).encode()


def _without_framing(body: bytes) -> bytes:
    """Return the content of an `aws-chunked` body."""
    content = b""
    while match := re.match(rb"([0-9a-f]+)[^\r]*\r\n", body):
        size = int(match[1], 16)
        if size == 0:
            break
        content += body[match.end() : match.end() + size]
        body = body[match.end() + size + 2 :]
    return content
