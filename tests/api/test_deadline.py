"""An answer ends by its deadline, however slowly it is sent."""

import io
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.api.auth import metadata_keys
from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.identity import TokenIdentity
from gaussdb_tasks.api.auth.metadata_keys import MetadataKeys
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.deadline import BoundedReader, Deadline, ends_by, seconds_left
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ExitCode, LimitReachedError, ServiceError
from gaussdb_tasks.monitoring import heartbeat
from gaussdb_tasks.monitoring.heartbeat import Heartbeat
from gaussdb_tasks.preflight import run_preflight
from gaussdb_tasks.settings import AccessRequest, LoadSettings, RetrySettings
from tests.support.emulator_client import NOW, PROJECT


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_earliest_deadline_counts() -> None:
    """Blocks inside each other add up; outside of them there is no deadline."""
    clock = Clock()
    with ends_by(Deadline(60, monotonic=clock)), ends_by(Deadline(300, monotonic=clock)):
        assert seconds_left() == 60
        clock.seconds += 70
        assert seconds_left() == 0
    assert seconds_left() == float("inf")


def test_a_deadline_without_seconds_never_passes() -> None:
    deadline = Deadline()
    deadline.check()
    assert not deadline.has_passed


def test_a_deadline_that_has_passed_names_its_limit() -> None:
    clock = Clock()
    deadline = Deadline(1_800, monotonic=clock)
    deadline.check()
    clock.seconds += 1_800
    with pytest.raises(LimitReachedError, match=r"limit of 30 minutes .* --max-minutes"):
        deadline.check()


def test_bytes_that_drip_end_at_the_deadline() -> None:
    """Each read gets a byte at once; the sum of their times ends the answer."""
    clock = Clock()
    sending, receiving = socket.socketpair()
    with sending, receiving:
        receiving.settimeout(30)
        reader = BoundedReader(io.FileIO(receiving.fileno(), closefd=False), receiving)
        with ends_by(Deadline(60, monotonic=clock)):
            for _ in range(60):
                sending.send(b"x")
                assert reader.read(1) == b"x"
                clock.seconds += 1
            sending.send(b"x")
            with pytest.raises(TimeoutError, match="not complete in time"):
                reader.read(1)


class _Drips(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _DrippingServer)
        self.request.recv(65_536)
        self.request.sendall(server.begin)
        while not server.is_over.wait(0.02):
            try:
                self.request.sendall(server.drop)
            except OSError:
                return


class _DrippingServer(socketserver.ThreadingTCPServer):
    """Sends the beginning of an answer, then drop by drop until the client leaves."""

    daemon_threads = True

    def __init__(self, begin: bytes, drop: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Drips)
        self.begin = begin
        self.drop = drop
        self.is_over = threading.Event()


@pytest.fixture(
    params=[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b""),
    ],
    ids=["body", "body until close", "head", "chunks", "silence"],
)
def dripping(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a server that drips."""
    with _DrippingServer(*request.param) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.is_over.set()
        server.shutdown()
        thread.join()


def fetch(endpoint: str, deadline: Deadline, retry_settings: RetrySettings) -> None:
    """Fetch one page."""
    http = Transport().session(1, through_proxy=False)
    client = HttpClient(
        http,
        TokenIdentity("a-token"),
        ApiTarget(endpoint, PROJECT),
        rate_limiter=RateLimiter(sleep=lambda _seconds: None, deadline=deadline),
        retry_settings=retry_settings,
    )
    with http:
        TaskCenterClient(client).fetch_page(TaskQuery(), offset=0)


def test_a_dripping_answer_ends(dripping: str) -> None:
    """It is tried again, less often than other errors, and then is an error of the service."""
    settings = RetrySettings(slow_attempts=2, answer_seconds=0.2)
    with pytest.raises(ServiceError, match=r"failed 2 times in a row.*not complete in time"):
        fetch(dripping, Deadline(), settings)


def test_other_services_cannot_hold_a_load_either(
    dripping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata service of the machine, and the switch that gets pings."""
    monkeypatch.setattr(metadata_keys, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(ServiceError, match="does not answer"):
        MetadataKeys(dripping).current()
    monkeypatch.setattr(heartbeat, "_TIMEOUT_SECONDS", 0.2)
    assert "could not be sent" in str(Heartbeat(dripping).start())


def test_the_limit_of_a_load_ends_an_answer(dripping: str) -> None:
    """A call in progress ends when the time of the load is over; it is not tried again."""
    with pytest.raises(LimitReachedError, match="--max-minutes"):
        fetch(dripping, Deadline(0.2), RetrySettings())


@pytest.mark.parametrize("way", ["token", "user"])
def test_a_check_ends_however_many_projects_drip(
    dripping: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit is for all answers together: of the service, and of IAM."""
    environ = {"OS_TOKEN": "a-token", "OS_REGION_NAME": "eu-de"}
    if way == "user":
        environ = {
            "OS_AUTH_URL": f"{dripping}/v3",
            "OS_USERNAME": "ada",
            "OS_PASSWORD": "open sesame",
            "OS_USER_DOMAIN_NAME": "OTC0815",
            "OS_REGION_NAME": "eu-de",
        }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    projects = tuple(f"{number:032x}" for number in range(30))
    request = AccessRequest(endpoint=dripping, project_ids=projects)
    settings = LoadSettings(now=NOW)
    results = list(
        run_preflight(DataDir(tmp_path / "data"), request, environ, settings, Deadline(0.3))
    )
    (limit,) = (each for each in results if each.part == "time limit")
    assert "--max-minutes" in limit.detail
    assert limit.exit_code is ExitCode.FAILED
    assert len(results) < 20  # one line for the limit, none for each project
