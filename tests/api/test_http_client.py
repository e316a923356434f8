"""One call over real HTTP: what passes is asked again, what lasts is one clear sentence."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from requests.auth import AuthBase

from gaussdb_tasks.api.auth.credentials import TokenCredential
from gaussdb_tasks.api.auth.identity import Identity, TokenIdentity
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import (
    PASSING_FAULTS,
    Behaviour,
    DiesAfter,
    Emulator,
    Fault,
    FixedWorld,
    RateLimit,
    Response,
    Script,
    SettableClock,
    answers,
    redirect,
    service_error,
    too_many_requests,
)
from gaussdb_tasks.errors import AccessError, ConfigurationError, RequestRefusedError, ServiceError
from gaussdb_tasks.model.times import DAY, SECOND
from gaussdb_tasks.settings import RetrySettings
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

MONTH = TaskQuery(NOW - 30 * DAY, NOW)
PATIENCE = RetrySettings(attempts=4, throttled_attempts=4, first_wait_seconds=0.001)


def emulator_with(*faults: Script | DiesAfter | RateLimit, **options: Any) -> Emulator:
    """Make an emulator of one task that meets some faults."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []})
    return Emulator(world, clock=SettableClock(NOW), faults=faults, **options)


@contextmanager
def client_for(
    emulator: Emulator,
    project_id: str = PROJECT,
    *,
    identity: Identity | None = None,
    budget: RateLimiter | None = None,
    retry_settings: RetrySettings = PATIENCE,
) -> Iterator[TaskCenterClient]:
    """Make a client of a running emulator."""
    with requests.Session() as http:
        http.trust_env = False
        place = ApiTarget(emulator.endpoint, project_id)
        identity = identity or TokenIdentity(emulator.token)
        budget = budget or RateLimiter()
        yield TaskCenterClient(
            HttpClient(http, identity, place, budget=budget, retry_settings=retry_settings)
        )


def budget_by(clock: SettableClock) -> RateLimiter:
    """Make a budget whose waits pass at once, on the emulator's clock as well."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        clock.advance(int(seconds * SECOND))

    return RateLimiter(monotonic=lambda: now[0], sleep=sleep)


@pytest.fixture(params=range(len(PASSING_FAULTS)))
def fault(request: pytest.FixtureRequest) -> Fault:
    """Each of the faults that pass."""
    return PASSING_FAULTS[request.param]


def test_what_passes_is_asked_again(fault: Fault) -> None:
    """Each passing error of the API costs a repeat, and the answer comes all the same."""
    with emulator_with(Script({1: fault, 2: fault})) as emulator, client_for(emulator) as client:
        page = client.fetch_page(MONTH, offset=0)
        assert [task.identity for task in page.records] == [record(1)["job_id"]]
        assert len(emulator.calls) == 3


def test_patience_ends(fault: Fault) -> None:
    """An error that does not pass is given up after as many attempts as were allowed."""
    script = Script(dict.fromkeys(range(1, 50), fault))
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(ServiceError, match=rf"project {PROJECT}: .* failed 4 times"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 4


def test_a_rest_that_was_asked_for_is_taken_by_all() -> None:
    """Retry-After goes before our own idea of waiting, and holds for every thread."""
    naps: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    budget = RateLimiter(monotonic=lambda: now[0], sleep=sleep)
    script = Script({1: too_many_requests(retry_after=37)})
    with emulator_with(script) as emulator, client_for(emulator, budget=budget) as client:
        client.fetch_page(MONTH, offset=0)
    assert max(naps) == pytest.approx(37, abs=1)
    assert budget.calls_made == 2


def test_a_rest_longer_than_patience_is_not_taken() -> None:
    """Asked to wait for hours, a load gives up and says so instead of hanging."""
    script = Script({1: too_many_requests(retry_after=7200)})
    with emulator_with(script) as emulator, client_for(emulator) as client:
        with pytest.raises(ServiceError, match="rest of 7200 seconds"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_a_rationed_gateway_is_not_hammered() -> None:
    """With 5 calls a minute allowed, 20 calls come through with few refusals."""
    clock = SettableClock(NOW)
    budget = budget_by(clock)
    emulator = emulator_with(RateLimit(5, 60 * SECOND))
    emulator.clock = clock
    with emulator, client_for(emulator, budget=budget) as client:
        for _ in range(20):
            client.fetch_page(MONTH, offset=0)
        assert emulator.calls.count(status=200) == 20
        assert emulator.calls.count(status=429) <= 4


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_a_dead_ready_token_is_one_sentence(behaviour: Behaviour) -> None:
    """401 and 403 DBS.280056 without a way to get a new token: said at once, without the token."""
    with emulator_with(behaviour=behaviour) as emulator, client_for(emulator) as client:
        emulator.revoke_tokens()
        with pytest.raises(AccessError, match="token is invalid or has expired") as refusal:
            client.fetch_page(MONTH, offset=0)
        assert emulator.token not in str(refusal.value)
        assert len(emulator.calls) == 1


class Renewable(TokenIdentity):
    """An identity that gets a good token once it is asked for one."""

    def __init__(self, good: str) -> None:
        super().__init__("stale")
        self.good = good
        self.renewals = 0

    def renew(self, refused: AuthBase) -> bool:
        """Put the good token in place of the refused one."""
        assert refused == TokenCredential("stale")
        self.renewals += 1
        self._token = self.good
        return True


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_a_refused_token_is_renewed_once_and_the_call_repeated(behaviour: Behaviour) -> None:
    """One new token, one repeat."""
    with emulator_with(behaviour=behaviour) as emulator:
        identity = Renewable(emulator.token)
        with client_for(emulator, identity=identity) as client:
            assert client.fetch_page(MONTH, offset=0).total_count == 1
        assert identity.renewals == 1
        assert len(emulator.calls) == 2


def test_a_second_refusal_is_final() -> None:
    """A new token that is refused as well ends it."""
    with emulator_with() as emulator:
        identity = Renewable("no better")
        with client_for(emulator, identity=identity) as client, pytest.raises(AccessError):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 2


def test_a_project_without_permission_is_named() -> None:
    """403 says which project, and which policy it takes."""
    emulator = emulator_with(forbidden_projects=[OTHER_PROJECT])
    with emulator, client_for(emulator, OTHER_PROJECT) as client:
        with pytest.raises(AccessError, match=rf"{OTHER_PROJECT}.*GaussDB ReadOnlyAccess"):
            client.fetch_page(MONTH, offset=0)
        assert len(emulator.calls) == 1


def test_an_unknown_project_is_named() -> None:
    """404 says which project at which endpoint."""
    with (
        emulator_with() as emulator,
        client_for(emulator, "f" * 32) as client,
        pytest.raises(AccessError, match=r"f{32} is not known at http://127"),
    ):
        client.fetch_page(MONTH, offset=0)


def test_a_bad_parameter_shows_the_request() -> None:
    """400 shows what was asked and what the service says."""
    with (
        emulator_with() as emulator,
        client_for(emulator) as client,
        pytest.raises(RequestRefusedError, match=r"limit=1000.*DBS\.280439"),
    ):
        client.fetch_page(MONTH, offset=0, limit=1000)


def test_a_redirect_is_never_followed() -> None:
    """The token does not travel to where a redirect points."""
    with emulator_with() as elsewhere:
        script = Script({1: redirect(f"{elsewhere.endpoint}/v3/{PROJECT}/tasks")})
        with (
            emulator_with(script) as emulator,
            client_for(emulator) as client,
            pytest.raises(AccessError, match="redirect"),
        ):
            client.fetch_page(MONTH, offset=0)
        assert len(elsewhere.calls) == 0


def test_a_secret_in_a_refusal_is_blotted_out() -> None:
    """A service that repeats the token in its message does not get it into ours."""
    with emulator_with() as emulator:
        message = f"what is {emulator.token} to me"
        emulator.faults = [Script({1: answers(service_error(409, "DBS.1", message))})]
        with client_for(emulator) as client, pytest.raises(AccessError) as refusal:
            client.fetch_page(MONTH, offset=0)
        assert emulator.token not in str(refusal.value)
        assert "what is *** to me" in str(refusal.value)


@pytest.mark.parametrize("length", [64, 405, 3_000])
def test_a_long_secret_is_blotted_out_before_the_message_is_cut(length: int) -> None:
    """Of a token that is longer than what is shown not even the beginning is shown."""
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
def test_what_can_be_no_token_is_refused_without_showing_it(token: str) -> None:
    """A token that no header can carry is a setting to mend, and stays unsaid."""
    with pytest.raises(ConfigurationError, match="OS_TOKEN") as refusal:
        TokenIdentity(token)
    assert not token.strip() or token not in str(refusal.value)


def test_white_space_around_a_token_is_left_out() -> None:
    """Secrets kept in files end in a line break."""
    assert TokenIdentity(" secret-token\r\n").credential() == TokenCredential("secret-token")


def test_a_handshake_that_breaks_off_is_asked_again() -> None:
    """A TLS connection that is closed while it is made says nothing against the certificate."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _HangUp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with requests.Session() as http:
                place = ApiTarget(f"https://127.0.0.1:{server.server_address[1]}", PROJECT)
                identity = TokenIdentity("a-token")
                caller = HttpClient(
                    http, identity, place, budget=RateLimiter(), retry_settings=PATIENCE
                )
                with pytest.raises(ServiceError, match="failed 4 times"):
                    TaskCenterClient(caller).fetch_page(MONTH, offset=0)
        finally:
            server.shutdown()
            thread.join()


class _HangUp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(16)


def test_a_gateway_that_does_not_say_how_long_is_waited_for() -> None:
    """200 calls in five minutes and a bare 429: 700 calls come through, they just take longer."""
    clock = SettableClock(NOW)
    budget = budget_by(clock)
    emulator = emulator_with(RateLimit(200, 300 * SECOND, says_when=False))
    emulator.clock = clock
    with emulator, client_for(emulator, budget=budget, retry_settings=RetrySettings()) as client:
        for _ in range(700):
            client.fetch_page(MONTH, offset=0)
        assert emulator.calls.count(status=200) == 700


def test_a_service_that_is_not_there_is_one_sentence() -> None:
    """A closed port is a failure of the service, with its address."""
    with emulator_with() as emulator:
        endpoint = emulator.endpoint
    with requests.Session() as http:
        http.trust_env = False
        place = ApiTarget(endpoint, PROJECT)
        identity = TokenIdentity("t")
        caller = HttpClient(http, identity, place, budget=RateLimiter(), retry_settings=PATIENCE)
        with pytest.raises(ServiceError, match=endpoint):
            TaskCenterClient(caller).fetch_page(MONTH, offset=0)


def test_the_calls_are_as_documented() -> None:
    """Times in milliseconds as text, the token and the language in the headers."""
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


def test_the_servers_clock_is_noted() -> None:
    """The Date of the answer is kept for comparison."""
    with emulator_with() as emulator, client_for(emulator) as client:
        assert client.server_date is None
        client.fetch_page(MONTH, offset=0)
        assert client.server_date == NOW
