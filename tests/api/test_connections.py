"""Calls over kept connections: the same bytes as a session of requests, on fewer connections."""

import gzip
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests
import urllib3
from requests.auth import AuthBase

from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.credentials import KeyPair, SignatureCredential, TokenCredential
from gaussdb_tasks.api.auth.identity import TokenIdentity
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.connections import SEND_ERRORS, Connections
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.contract import LANGUAGE_HEADERS
from gaussdb_tasks.errors import ResponseTooLargeError
from gaussdb_tasks.settings import RetrySettings

TIMEOUT = urllib3.Timeout(connect=10, read=10)
QUERY = "/v3/p/tasks?status=Running&start_time=1&offset=0&limit=100"
TOKEN = TokenCredential("a-token")
SIGNATURE = SignatureCredential(KeyPair("access", "secret", "temporary"), "p", clock=lambda: 1e9)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class _Records(socketserver.StreamRequestHandler):
    """Keeps each request as it came; answers with the server's headers and body."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, RecordingServer)
        server.connections += 1
        while line := self.rfile.readline():
            server.requests.append([line, *iter(self.rfile.readline, b"\r\n")])
            length = len(server.body)
            head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (server.headers, length)
            with suppress(ConnectionError):  # the client may leave before the end
                self.wfile.write(head + server.body)


class RecordingServer(socketserver.ThreadingTCPServer):
    """A server that is also a proxy for plain HTTP: it answers any request line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Records)
        self.requests: list[list[bytes]] = []
        self.connections = 0
        self.headers = b""
        self.body = b'{"tasks":[],"total_count":0}'

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """Run a server; no proxy is set."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with RecordingServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def session() -> requests.Session:
    """Return the session that reads a region's projects, with the proxies of the environment."""
    return Transport().session(8)


def client_of(endpoint: str, http: requests.Session) -> TaskCenterClient:
    """Return a client whose waits take no time."""
    limiter = RateLimiter(sleep=lambda _seconds: None)
    target = ApiTarget(endpoint, "p")
    return TaskCenterClient(
        HttpClient(
            http,
            TokenIdentity("token"),
            target,
            rate_limiter=limiter,
            retry_settings=RetrySettings(),
        )
    )


@pytest.mark.parametrize(
    "auth",
    [TOKEN, SIGNATURE],
    ids=["token", "signature"],
)
@pytest.mark.parametrize(
    ("endpoint", "variables"),
    [
        ("http://{server}", {}),
        ("http://{server}/prefix", {}),
        ("http://gaussdb.example", {"http_proxy": "http://{server}"}),
        ("http://gaussdb.example:8080", {"HTTP_PROXY": "http://user:pass%20word@{server}"}),
        ("http://gaussdb.example", {"all_proxy": "{server}", "no_proxy": "example.org"}),
        ("http://{server}", {"http_proxy": "http://proxy.example:1", "no_proxy": "127.0.0.1"}),
    ],
    ids=["direct", "prefix", "proxy", "proxy with password", "all proxies", "no proxy"],
)
def test_a_call_sends_what_a_session_sends(
    server: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    auth: AuthBase,
    endpoint: str,
    variables: dict[str, str],
) -> None:
    """Request line and headers are the same, direct and through a proxy of the environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(server=server.address))
    endpoint = endpoint.format(server=server.address)
    with session() as http:
        http.get(endpoint + QUERY, headers=LANGUAGE_HEADERS, auth=auth, verify=http.verify)
        connections = Connections.choose(http, endpoint)
        with closing(connections.get(QUERY, auth, TIMEOUT)) as response:
            assert response.read() == server.body
    of_session, of_call = server.requests
    assert of_call[0] == of_session[0]
    assert sorted(of_call) == sorted(of_session)


def test_a_password_file_is_not_used(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A .netrc for the host adds no header beside the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with session() as http:
        connections = Connections.choose(http, f"http://{server.address}")
        connections.get(QUERY, TOKEN, TIMEOUT).close()
    assert not [line for line in server.requests[0] if line.lower().startswith(b"authorization")]


def test_a_call_leaves_nothing_to_the_next(server: RecordingServer) -> None:
    """Its credentials are in no other call of the same connections."""
    with session() as http:
        connections = Connections.choose(http, f"http://{server.address}")
        for auth in (SIGNATURE, TOKEN):
            connections.get(QUERY, auth, TIMEOUT).close()
    assert any(b"Signature=" in line for line in server.requests[0])
    assert not [line for line in server.requests[1] if line.startswith((b"Auth", b"X-S", b"X-P"))]


def test_connections_are_kept(server: RecordingServer) -> None:
    """Clients of many projects share at most as many connections as there are concurrent calls."""
    with session() as http, ThreadPoolExecutor(8) as threads:
        clients = [client_of(f"http://{server.address}", http) for _ in range(20)]
        pages = [
            threads.submit(client.fetch_page, TaskQuery(), offset=0)
            for client in clients
            for _ in range(5)
        ]
        assert {page.result().total_count for page in pages} == {0}
    assert len(server.requests) == 100
    assert server.connections <= 8


def test_connections_outlast_their_session(server: RecordingServer) -> None:
    """A session that is closed, or that has used many servers since, does not fail a call."""
    http = session()
    client = client_of(f"http://{server.address}", http)
    client.fetch_page(TaskQuery(), offset=0)
    http.close()
    assert client.fetch_page(TaskQuery(), offset=0).total_count == 0


def test_a_body_that_was_not_read_costs_its_connection(server: RecordingServer) -> None:
    """The rest of an answer that is too long is not taken for the next answer."""
    page, server.body = server.body, b" " * (12 * 1024 * 1024)
    with session() as http:
        client = client_of(f"http://{server.address}", http)
        with pytest.raises(ResponseTooLargeError):
            client.fetch_page(TaskQuery(), offset=0)
        server.body = page
        assert client.fetch_page(TaskQuery(), offset=0).total_count == 0
    assert server.connections == 2


@pytest.mark.parametrize("blanks", [100, 64 * 1024 * 1024])
def test_a_compressed_body_is_limited(server: RecordingServer, blanks: int) -> None:
    """It is read; it is refused by its size after decompression."""
    server.body = gzip.compress(server.body + b" " * blanks, 1)
    server.headers = b"Content-Encoding: gzip\r\n"
    with session() as http:
        client = client_of(f"http://{server.address}", http)
        if blanks == 100:
            assert client.fetch_page(TaskQuery(), offset=0).total_count == 0
        else:
            with pytest.raises(ResponseTooLargeError, match="8,388,608 bytes"):
                client.fetch_page(TaskQuery(), offset=0)


@pytest.mark.parametrize("proxy", ["http://", "http://:8080", "socks9://127.0.0.1:1"])
def test_a_proxy_without_an_address_is_an_error_of_sending(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with session() as http, pytest.raises(SEND_ERRORS):
        Connections.choose(http, "http://gaussdb.example").get(QUERY, TOKEN, TIMEOUT)
