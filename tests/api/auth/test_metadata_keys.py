"""Temporary keys of the machine's metadata service: no key lies on the disk."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gaussdb_tasks.api.auth.metadata_keys import MetadataKeys
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, RealClock
from gaussdb_tasks.emulator import KeyPair as EmulatedKeys
from gaussdb_tasks.errors import ConfigurationError, ServiceError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE, Micros, iso
from gaussdb_tasks.settings import AccessRequest, RetrySettings
from tests.support.emulator_client import PROJECT

KEYS = EmulatedKeys("AK0000000000000TEMP", "sk-of-the-hour", "a-security-token")


@dataclass
class Metadata:
    """A metadata service; each of its answers is used once, the last one again and again."""

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def provide(self, keys: EmulatedKeys, expires_at: Micros | None = None) -> None:
        """Answer with keys."""
        credential = {
            "access": keys.access_key,
            "secret": keys.secret_key,
            "securitytoken": keys.security_token,
            "expires_at": iso(expires_at or times.now() + HOUR),
        }
        self.answers.append((200, json.dumps({"credential": credential}).encode()))


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    """A metadata service on a loopback address; waits between attempts take no time."""
    monkeypatch.setattr("gaussdb_tasks.api.deadline.time.sleep", lambda _seconds: None)
    service = Metadata()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.paths.append(self.path)
            status, body = service.answers[0]
            if len(service.answers) > 1:
                service.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield service
        server.shutdown()
        thread.join()


def environ_of(metadata: Metadata) -> dict[str, str]:
    """Return the variables of a machine with an agency."""
    return {
        "OS_METADATA_URL": f" {metadata.url}/\r\n",
        "OS_PROJECT_ID": PROJECT,
        "OS_REGION_NAME": "eu-de",
    }


def test_a_load_with_the_keys_of_the_machine(metadata: Metadata) -> None:
    """If they are refused, the new keys of the service are used."""
    metadata.provide(EmulatedKeys("AK0000000000000LAST", "sk-of-the-last-hour", "old-token"))
    metadata.provide(KEYS)
    world = FixedWorld({PROJECT: []}, names={PROJECT: "eu-de_shop"})
    with Emulator(world, account=Account(keys=KEYS), clock=RealClock()) as emulator:
        request = AccessRequest(endpoint=emulator.endpoint)
        (access,) = sign_in(request, environ_of(metadata)).accesses
        client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
        now = times.now()
        assert client.fetch_page(TaskQuery(now - HOUR, now), offset=0).total_count == 0
    assert metadata.paths == ["/openstack/latest/securitykey"] * 2


def test_keys_are_fetched_again_before_they_expire(metadata: Metadata) -> None:
    """And only then."""
    metadata.provide(EmulatedKeys("AK-1", "secret-one", "token-one"), times.now() + 2 * MINUTE)
    metadata.provide(EmulatedKeys("AK-2", "secret-two", "token-two"))
    keys = MetadataKeys(metadata.url)
    assert [keys.current().access_key for _ in range(3)] == ["AK-1", "AK-2", "AK-2"]
    assert len(metadata.paths) == 2


def test_keys_that_another_thread_replaced_are_not_fetched_again(metadata: Metadata) -> None:
    """The refused keys are no longer in use."""
    metadata.provide(EmulatedKeys("AK-1", "secret-one", "token-one"))
    metadata.provide(EmulatedKeys("AK-2", "secret-two", "token-two"))
    keys = MetadataKeys(metadata.url)
    first = keys.current()
    assert keys.renew(first)
    assert keys.renew(first)
    assert len(metadata.paths) == 2
    assert not keys.renew(keys.current())  # the service has no others


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"not found"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"credential": {"secret": "x"}}'),
    ],
)
def test_a_machine_without_an_agency(metadata: Metadata, answer: tuple[int, bytes]) -> None:
    """The message says what to set; it does not show the answer."""
    metadata.answers.append(answer)
    with pytest.raises(ConfigurationError, match="create an agency for ECS") as refusal:
        MetadataKeys(metadata.url).current()
    assert answer[1].decode() not in str(refusal.value)


@pytest.mark.parametrize("status", [429, 500, 521])
def test_a_passing_fault_of_the_metadata_service_is_tried_again(
    metadata: Metadata, status: int
) -> None:
    """A load does not fail because the service was busy for a moment."""
    metadata.answers += [(status, b"busy")] * 2
    metadata.provide(KEYS)
    assert MetadataKeys(metadata.url).current().access_key == KEYS.access_key
    metadata.answers[:] = [(status, b"busy")]
    with pytest.raises(ServiceError, match=f"fails \\(status {status}\\)"):
        MetadataKeys(metadata.url).current()


def test_no_metadata_service() -> None:
    """Another machine has none."""
    with pytest.raises(ServiceError, match="check OS_METADATA_URL"):
        MetadataKeys("http://127.0.0.1:9").current()


@pytest.mark.parametrize(
    "url", ["http://metadata.example.com", "http://10.0.0.1", "169.254.169.254"]
)
def test_keys_are_not_read_from_elsewhere(url: str) -> None:
    """Plain http is for this machine and its own link only."""
    with pytest.raises(ConfigurationError, match="OS_METADATA_URL"):
        MetadataKeys(url)
    MetadataKeys("http://169.254.169.254")
