"""One call over real HTTP: transient errors are retried, permanent ones give one message."""

import random
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from requests.auth import AuthBase

from gaussdb_tasks.api.auth.access import Transport
from gaussdb_tasks.api.auth.credentials import TokenCredential
from gaussdb_tasks.api.auth.identity import Identity, TokenIdentity
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.deadline import Deadline
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import (
    TRANSIENT_FAULTS,
    Behaviour,
    Emulator,
    FailsAfter,
    Fault,
    FixedWorld,
    RateLimit,
    Response,
    Script,
    SettableClock,
    answers,
    gateway_error,
    redirect,
    service_error,
    too_many_requests,
)
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    LimitReachedError,
    RequestRefusedError,
    ResponseTooLargeError,
    ServiceError,
)
from gaussdb_tasks.model.times import DAY, SECOND
from gaussdb_tasks.settings import RetrySettings
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

MONTH = TaskQuery(NOW - 30 * DAY, NOW)
FEW_ATTEMPTS = RetrySettings(attempts=4, throttled_attempts=4, first_wait_seconds=0.001)


def emulator_with(*faults: Script | FailsAfter | RateLimit, **options: Any) -> Emulator:
    """Make an emulator with one task and some faults."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []})
    return Emulator(world, clock=SettableClock(NOW), faults=faults, **options)


@contextmanager
def client_for(
    emulator: Emulator,
    project_id: str = PROJECT,
    *,
    identity: Identity | None = None,
    rate_limiter: RateLimiter | None = None,
    retry_settings: RetrySettings = FEW_ATTEMPTS,
) -> Iterator[TaskCenterClient]:
    """Make a client of a running emulator; by default its waits take no time."""
    with requests.Session() as http:
        http.trust_env = False
        yield TaskCenterClient(
            HttpClient(
                http,
                identity or TokenIdentity(emulator.token),
                ApiTarget(emulator.endpoint, project_id),
                rate_limiter=rate_limiter or limiter_without_waits(SettableClock(NOW)),
                retry_settings=retry_settings,
            )
        )


def limiter_without_waits(clock: SettableClock) -> RateLimiter:
    """Make a limiter whose waits take no time; they advance the given clock."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        clock.advance(int(seconds * SECOND))

    return RateLimiter(monotonic=lambda: now[0], sleep=sleep)


@pytest.fixture(params=range(len(TRANSIENT_FAULTS)))
def fault(request: pytest.FixtureRequest) -> Fault:
    """Each of the transient faults."""
    return TRANSIENT_FAULTS[request.param]


def test_transient_errors(fault: Fault) -> None:
    """Each transient error is retried until the call succeeds."""
    with emulator_with(Script({1: fault, 2: fault})) as emulator, client_for(emulator) as client:
        page = client.fetch_page(MONTH, offset=0)
        assert [task.identity for task in page.records] == [record(1)["job_id"]]
        assert len(emulator.calls) == 3


def test_attempts_are_limited(fault: Fault) -> None:
    """A transient error that lasts is reported after the allowed attempts."""
    script = Script(dict.fromkeys(range(1, 50), fault))
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(ServiceError, match=rf"project {PROJECT}: .* failed 4 times"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 4


def test_waits_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait is drawn up to a bound, which doubles with each failure in a row."""
    waits: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda least, most: least + most)
    script = Script(dict.fromkeys(range(1, 50), answers(Response(503, b""))))
    settings = RetrySettings(attempts=6, first_wait_seconds=1.0, max_wait_seconds=5.0)
    with (
        emulator_with(script) as emulator,
        client_for(
            emulator, rate_limiter=RateLimiter(sleep=waits.append), retry_settings=settings
        ) as client,
        pytest.raises(ServiceError, match="failed 6 times"),
    ):
        client.fetch_page(MONTH, offset=0)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_each_cause_has_its_own_attempts() -> None:
    """A refusal by the rate limit takes no attempt from a failure, and the reverse."""
    refused, failed = too_many_requests(retry_after=1), answers(Response(503, b""))
    faults = {1: refused, 2: failed, 3: refused}
    settings = RetrySettings(attempts=2, throttled_attempts=3, first_wait_seconds=0.001)
    emulator = emulator_with(Script(faults))
    with emulator, client_for(emulator, retry_settings=settings) as client:
        assert client.fetch_page(MONTH, offset=0).total_count == 1
        assert len(emulator.calls) == 4


def test_retry_after() -> None:
    """Retry-After replaces the own wait, and the rate limiter pauses all threads."""
    waits: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    rate_limiter = RateLimiter(monotonic=lambda: now[0], sleep=sleep)
    script = Script({1: too_many_requests(retry_after=37)})
    with (
        emulator_with(script) as emulator,
        client_for(emulator, rate_limiter=rate_limiter) as client,
    ):
        client.fetch_page(MONTH, offset=0)
    assert max(waits) == pytest.approx(37, abs=1)
    assert rate_limiter.calls_made == 2


def test_long_retry_after() -> None:
    """A Retry-After of hours ends the call with an error instead of a wait."""
    script = Script({1: too_many_requests(retry_after=7200)})
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(ServiceError, match="asks to wait 7200 seconds"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_rate_limited_gateway() -> None:
    """With 5 calls a minute allowed, 20 calls succeed with few refusals."""
    clock = SettableClock(NOW)
    rate_limiter = limiter_without_waits(clock)
    emulator = emulator_with(RateLimit(5, 60 * SECOND))
    emulator.clock = clock
    with emulator, client_for(emulator, rate_limiter=rate_limiter) as client:
        for _ in range(20):
            client.fetch_page(MONTH, offset=0)
        assert emulator.calls.count(status=200) == 20
        assert emulator.calls.count(status=429) <= 4


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_expired_ready_token(behaviour: Behaviour) -> None:
    """401 and 403 DBS.280056 end the call if the token cannot be renewed; it is not shown."""
    with emulator_with(behaviour=behaviour) as emulator, client_for(emulator) as client:
        emulator.revoke_tokens()
        with pytest.raises(AccessError, match="token is invalid or has expired") as refusal:
            client.fetch_page(MONTH, offset=0)
        assert emulator.token not in str(refusal.value)
        assert len(emulator.calls) == 1


class Renewable(TokenIdentity):
    """An identity whose token becomes valid when it is renewed."""

    def __init__(self, valid: str) -> None:
        super().__init__("stale")
        self.valid = valid
        self.renewals = 0

    def renew(self, refused: AuthBase) -> bool:
        """Replace the refused token by the valid one."""
        assert refused == TokenCredential("stale")
        self.renewals += 1
        self._token = self.valid
        return True


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_renewal(behaviour: Behaviour) -> None:
    """A refused token is renewed once, and the call is repeated once."""
    with emulator_with(behaviour=behaviour) as emulator:
        identity = Renewable(emulator.token)
        with client_for(emulator, identity=identity) as client:
            assert client.fetch_page(MONTH, offset=0).total_count == 1
        assert identity.renewals == 1
        assert len(emulator.calls) == 2


def test_second_refusal() -> None:
    """If the new token is refused as well, the call fails."""
    with emulator_with() as emulator:
        identity = Renewable("no better")
        with client_for(emulator, identity=identity) as client, pytest.raises(AccessError):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 2


def test_missing_permission() -> None:
    """The message for 403 names the project and the policy to grant."""
    emulator = emulator_with(forbidden_projects=[OTHER_PROJECT])
    with emulator, client_for(emulator, OTHER_PROJECT) as client:
        with pytest.raises(AccessError, match=rf"{OTHER_PROJECT}.*GaussDB ReadOnlyAccess"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_unknown_project() -> None:
    """The message for 404 names the project and the endpoint."""
    with (
        emulator_with() as emulator,
        client_for(emulator, "f" * 32) as client,
        pytest.raises(AccessError, match=r"f{32} was not found at http://127"),
    ):
        client.fetch_page(MONTH, offset=0)


def test_invalid_parameter() -> None:
    """The message for 400 shows the request and the response."""
    with (
        emulator_with() as emulator,
        client_for(emulator) as client,
        pytest.raises(RequestRefusedError, match=r"limit=1000.*DBS\.280439"),
    ):
        client.fetch_page(MONTH, offset=0, limit=1000)


def test_redirect() -> None:
    """A redirect is not followed, so its target gets no token."""
    with emulator_with() as elsewhere:
        script = Script({1: redirect(f"{elsewhere.endpoint}/v3/{PROJECT}/tasks")})
        with (
            emulator_with(script) as emulator,
            client_for(emulator) as client,
            pytest.raises(AccessError, match="redirect"),
        ):
            client.fetch_page(MONTH, offset=0)
        assert len(elsewhere.calls) == 0


def test_secret_in_an_error_response() -> None:
    """A token that the service repeats in its message is masked."""
    with emulator_with() as emulator:
        message = f"token {emulator.token} is unknown"
        emulator.faults = [Script({1: answers(service_error(409, "DBS.1", message))})]
        with client_for(emulator) as client, pytest.raises(AccessError) as refusal:
            client.fetch_page(MONTH, offset=0)
        assert emulator.token not in str(refusal.value)
        assert "token *** is unknown" in str(refusal.value)


@pytest.mark.parametrize("length", [64, 405, 3_000])
def test_long_secret_in_an_error_response(length: int) -> None:
    """A token is masked before the message is cut: not even its beginning is shown."""
    token = "".join(f"{number:x}" for number in range(length))[:length]
    refusals = [
        service_error(409, "DBS.1", f"{'no ' * 20}{token} {token}"),
        Response(409, f"<html>{'no ' * 20}{token}</html>".encode()),
    ]
    for refusal in refusals:
        with emulator_with(Script({1: answers(refusal)})) as emulator:
            identity = TokenIdentity(token)
            with (
                client_for(emulator, identity=identity) as client,
                pytest.raises(AccessError) as raised,
            ):
                client.fetch_page(MONTH, offset=0)
        assert token[:20] not in str(raised.value)


@pytest.mark.parametrize("token", ["", " \n", "two\nlines", "with space", "quoted\u201dtoken"])
def test_invalid_token(token: str) -> None:
    """A token that cannot be sent is a configuration error; the token is not shown."""
    with pytest.raises(ConfigurationError, match="OS_TOKEN") as refusal:
        TokenIdentity(token)
    assert not token.strip() or token not in str(refusal.value)


def test_white_space_around_a_token() -> None:
    """White space is stripped: secrets in files end in a line break."""
    assert TokenIdentity(" secret-token\r\n").credential() == TokenCredential("secret-token")


def test_failed_handshake() -> None:
    """A TLS connection that is closed during the handshake is a transient error."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _HangUp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with requests.Session() as http:
                target = ApiTarget(f"https://127.0.0.1:{server.server_address[1]}", PROJECT)
                http_client = HttpClient(
                    http,
                    TokenIdentity("a-token"),
                    target,
                    rate_limiter=RateLimiter(),
                    retry_settings=FEW_ATTEMPTS,
                )
                with pytest.raises(ServiceError, match="failed 4 times"):
                    TaskCenterClient(http_client).fetch_page(MONTH, offset=0)
        finally:
            server.shutdown()
            thread.join()


class _HangUp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(16)


def test_rate_limit_without_retry_after() -> None:
    """With 200 calls in five minutes and 429 without Retry-After, all 450 calls succeed."""
    clock = SettableClock(NOW)
    rate_limiter = limiter_without_waits(clock)
    emulator = emulator_with(RateLimit(200, 300 * SECOND, sends_retry_after=False))
    emulator.clock = clock
    with (
        emulator,
        client_for(emulator, rate_limiter=rate_limiter, retry_settings=RetrySettings()) as client,
    ):
        for _ in range(450):
            client.fetch_page(MONTH, offset=0)
        assert emulator.calls.count(status=200) == 450


def test_closed_port() -> None:
    """A closed port is a service error that names the endpoint."""
    with emulator_with() as emulator:
        endpoint = emulator.endpoint
    with requests.Session() as http:
        http.trust_env = False
        http_client = HttpClient(
            http,
            TokenIdentity("t"),
            ApiTarget(endpoint, PROJECT),
            rate_limiter=RateLimiter(),
            retry_settings=FEW_ATTEMPTS,
        )
        with pytest.raises(ServiceError, match=endpoint):
            TaskCenterClient(http_client).fetch_page(MONTH, offset=0)


def test_parameters_and_headers() -> None:
    """Times are sent in milliseconds as text; the language is in the headers."""
    with emulator_with() as emulator, client_for(emulator) as client:
        client.fetch_page(TaskQuery(NOW - DAY, NOW, "Running"), offset=3, limit=7)
        call = emulator.calls[0]
    assert call.path == f"/v3/{PROJECT}/tasks"
    assert call.params == {
        "status": "Running",
        "start_time": str((NOW - DAY) // 1000),
        "end_time": str(NOW // 1000),
        "offset": "3",
        "limit": "7",
    }
    assert call.headers["x-language"] == "en-us"
    assert call.headers["accept"] == "application/json"


def test_server_date() -> None:
    """The Date header of the latest response is available."""
    with emulator_with() as emulator, client_for(emulator) as client:
        assert client.server_date is None
        client.fetch_page(MONTH, offset=0)
        assert client.server_date == NOW


PORTAL = b"<!DOCTYPE html><html><head><title>Sign in to the portal</title></head></html>"
HTML = (("Content-Type", "text/html"),)


@pytest.mark.parametrize("status", [501, 505, 520, 522, 524, 530, 599, 425])
@pytest.mark.parametrize("body", [b"", PORTAL, b'{"message":"origin is down"}'])
def test_any_server_error_is_retried(status: int, body: bytes) -> None:
    """The class of the status counts, not a list; the last error shows what came."""
    fault = answers(Response(status, body, HTML))
    with emulator_with(Script(dict.fromkeys(range(1, 9), fault))) as emulator:
        with client_for(emulator) as client, pytest.raises(ServiceError) as raised:
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 4
    assert str(status) in str(raised.value)
    words = {PORTAL: "Sign in to the portal", b"": "an empty response"}
    assert words.get(body, "origin is down") in str(raised.value)


@pytest.mark.parametrize("status", [200, 203, 204])
def test_a_page_of_a_portal_is_retried(status: int) -> None:
    """A page in place of the JSON passes; its title is shown, a token in it is not."""
    token = "secret-token-of-the-user"
    body = PORTAL.replace(b"portal", token.encode()) if status != 204 else b""
    script = Script(dict.fromkeys(range(1, 9), answers(Response(status, body, HTML))))
    with emulator_with(script) as emulator:
        client = client_for(emulator, identity=TokenIdentity(token))
        with client as opened, pytest.raises(ServiceError) as raised:
            opened.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 4
    assert token not in str(raised.value)
    assert status == 204 or "'Sign in to the ***'" in str(raised.value)


@pytest.mark.parametrize("status", [403, 404, 407, 410, 451])
def test_a_page_with_a_client_error_is_not_retried(status: int) -> None:
    """It is not from the task center: the message says so, and speaks of no permission."""
    script = Script({1: answers(Response(status, PORTAL, HTML))})
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(AccessError, match="proxy") as raised:
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1
    assert "HTTPS_PROXY" in str(raised.value)
    assert "ReadOnlyAccess" not in str(raised.value)


@pytest.mark.parametrize(
    "refusal",
    [
        gateway_error(403, "APIGW.0307", "The token must be updated."),
        service_error(403, "DBS.280056", "Expired."),
        service_error(403, "XYZ.1", "The token has expired."),
    ],
)
def test_a_403_that_asks_for_a_token(refusal: Response) -> None:
    """A new token is fetched once, and the call is repeated."""
    with emulator_with(Script({1: answers(refusal)})) as emulator:
        identity = Renewable(emulator.token)
        with client_for(emulator, identity=identity) as client:
            assert client.fetch_page(MONTH, offset=0).total_count == 1
        assert identity.renewals == 1
        assert len(emulator.calls) == 2


@pytest.mark.parametrize("code", ["DBS.280015", "DBS.200010", "APIGW.0302"])
def test_a_403_for_a_permission_needs_no_token(code: str) -> None:
    """Another token would not help."""
    with emulator_with(Script({1: answers(service_error(403, code, "No."))})) as emulator:
        identity = Renewable(emulator.token)
        with client_for(emulator, identity=identity) as client, pytest.raises(AccessError):
            client.fetch_page(MONTH, offset=0)
        assert identity.renewals == 0


def test_a_byte_order_mark() -> None:
    """It may precede the JSON."""
    body = b'\xef\xbb\xbf{"tasks":[],"total_count":0}'
    script = Script({1: answers(Response(200, body))})
    with emulator_with(script) as emulator, client_for(emulator) as client:
        assert client.fetch_page(MONTH, offset=0).total_count == 0


def test_a_page_that_is_too_large() -> None:
    """It is not fetched again as it is: fewer records may fit."""
    script = Script({1: answers(Response(200, b" " * (8 * 1024 * 1024 + 1)))})
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(ResponseTooLargeError, match="8,388,608 bytes"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_no_call_after_the_deadline() -> None:
    """The limit of the load is an error of its own."""
    seconds = [0.0]
    deadline = Deadline(60, monotonic=lambda: seconds[0])
    rate_limiter = RateLimiter(sleep=lambda _seconds: None, deadline=deadline)
    with emulator_with() as emulator:
        with client_for(emulator, rate_limiter=rate_limiter) as client:
            client.fetch_page(MONTH, offset=0)
            seconds[0] = 60
            with pytest.raises(LimitReachedError, match="1 minutes"):
                client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_a_wait_ends_at_the_deadline() -> None:
    """A Retry-After that is longer than the time left does not outlast the load."""
    seconds = [0.0]

    def sleep(wait: float) -> None:
        seconds[0] += wait

    deadline = Deadline(60, monotonic=lambda: seconds[0])
    rate_limiter = RateLimiter(monotonic=lambda: seconds[0], sleep=sleep, deadline=deadline)
    script = Script({1: too_many_requests(retry_after=600)})
    with emulator_with(script) as emulator:
        with (
            client_for(emulator, rate_limiter=rate_limiter) as client,
            pytest.raises(LimitReachedError),
        ):
            client.fetch_page(MONTH, offset=0)
        assert seconds[0] <= 61
        assert len(emulator.calls) == 1


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be resolved is tried twice; the message names the settings."""
    tries = []

    def fail(*_arguments: object) -> None:
        tries.append(1)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ServiceError, match=r"failed 2 times.*check --endpoint, --region"):
        fetch_from("https://gaussdb.eu-typo.otc.t-systems.com")
    assert len(tries) == 2


def test_tls_with_a_server_that_has_none() -> None:
    """A protocol that does not fit is a setting: it is not tried again."""
    with emulator_with() as emulator, pytest.raises(ConfigurationError, match="TLS connection"):
        fetch_from(emulator.endpoint.replace("http:", "https:"))


class _RefusingProxy(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(65_536)
        server = self.server
        assert isinstance(server, _ProxyServer)
        server.requests += 1
        self.request.sendall(f"HTTP/1.1 {server.status} No\r\nContent-Length: 0\r\n\r\n".encode())


class _ProxyServer(socketserver.ThreadingTCPServer):
    status = 0
    requests = 0


@pytest.mark.parametrize(
    ("status", "error", "requests_made"),
    [(407, ConfigurationError, 1), (403, ConfigurationError, 1), (503, ServiceError, 4)],
)
def test_refusal_of_a_proxy(status: int, error: type[Exception], requests_made: int) -> None:
    """A proxy's refusal is retried by the class of its status; its password is not shown."""
    with _ProxyServer(("127.0.0.1", 0), _RefusingProxy) as server:
        server.status = status
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(error) as raised:
                fetch_from(
                    "https://gaussdb.example",
                    proxy=f"http://user:proxy-password@127.0.0.1:{server.server_address[1]}",
                )
        finally:
            server.shutdown()
            thread.join()
        assert server.requests == requests_made
    assert str(status) in str(raised.value)
    assert "proxy-password" not in str(raised.value)


class _NoHttp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(b"SSH-2.0-x\nforged line\x1b[2J\r\n" + b"y" * 5_000 + b"\n")


def test_an_answer_that_is_not_http_is_one_short_line() -> None:
    """The library's error repeats what came."""
    with socketserver.TCPServer(("127.0.0.1", 0), _NoHttp) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(ServiceError, match=r"no response: .*SSH-2") as error:
                fetch_from(f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


PROXIES = {
    "foo://user:proxy-password@127.0.0.1:9": "unsupported scheme",
    "socks5://user:proxy-password@127.0.0.1:9": "pip install pysocks",
    "http://": "missing the host",
    "http://127.0.0.1:99999": "Failed to parse",
    "http://[::1": "Failed to parse",
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_address_of_a_proxy_is_not_usable(proxy: str) -> None:
    """No call is tried again, and the variables are named."""
    with pytest.raises(ConfigurationError, match=r"an address is not usable.*HTTPS_PROXY") as error:
        fetch_from("https://gaussdb.example", proxy=proxy)
    assert PROXIES[proxy] in str(error.value)
    assert "proxy-password" not in str(error.value)


def test_a_proxy_that_does_not_answer_is_named() -> None:
    """Who reads it need not look for the fault in the service."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens there
        proxy = f"http://user:proxy-password@127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ServiceError, match=r"through the proxy .*refused") as error:
            fetch_from("https://gaussdb.example", proxy=proxy)
    assert "proxy-password" not in str(error.value)


def fetch_from(endpoint: str, proxy: str | None = None) -> None:
    """Fetch one page from an endpoint; waits take no time."""
    http = Transport().session(1, through_proxy=False)
    if proxy is not None:
        http.proxies["https"] = proxy
    with http:
        client = HttpClient(
            http,
            TokenIdentity("a-token"),
            ApiTarget(endpoint, PROJECT),
            rate_limiter=limiter_without_waits(SettableClock(NOW)),
            retry_settings=FEW_ATTEMPTS,
        )
        TaskCenterClient(client).fetch_page(MONTH, offset=0)
