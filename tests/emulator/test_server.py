"""The emulator as a server: clock, hooks, recorded calls, connections, exit."""

import email.utils
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import requests
import trustme

from gaussdb_tasks.emulator import (
    CLOCK_PATH,
    Account,
    Emulator,
    FixedWorld,
    Query,
    RealClock,
    Script,
    SettableClock,
    dropped,
    server_error,
)
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, SECOND, Micros
from tests.support.emulator_client import (
    NOW,
    OTHER_PROJECT,
    PROJECT,
    Client,
    client_of,
    job_id,
    record,
)


@pytest.fixture
def client() -> Iterator[Client]:
    """Serve two projects with one record each, at NOW."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as served:
        yield served


def new_emulator(**settings: object) -> Emulator:
    """Make an emulator with one record."""
    world = FixedWorld({PROJECT: [record(1)]})
    return Emulator(world, **{"clock": SettableClock(NOW), **settings})  # type: ignore[arg-type]


def test_it_listens_on_loopback_only(client: Client) -> None:
    """Other machines cannot connect."""
    assert urlsplit(client.emulator.endpoint).hostname == "127.0.0.1"
    assert client.emulator.auth_url == f"{client.emulator.endpoint}/v3"
    assert client.emulator.project_ids == (PROJECT, OTHER_PROJECT)


def test_it_has_the_user_and_password_for_a_sign_in() -> None:
    """They are the account's."""
    emulator = new_emulator(account=Account(user="ada", password="opensesame"))
    assert (emulator.user, emulator.password) == ("ada", "opensesame")


def test_head_and_body_are_sent_in_one_piece(client: Client) -> None:
    """Two sends would cost the client's delayed acknowledgement, 40 ms a call."""
    url = urlsplit(client.emulator.endpoint)
    assert url.hostname
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=120) as connection:
        connection.sendall(
            f"GET /v3/{PROJECT}/tasks HTTP/1.1\r\nHost: x\r\n"
            f"X-Auth-Token: {client.emulator.token}\r\n\r\n".encode()
        )
        piece = connection.recv(65_536)
    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b'"total_count":1}')


def test_a_connection_serves_many_calls(client: Client) -> None:
    """It is kept alive from page to page."""
    url = urlsplit(client.emulator.endpoint)
    connection = http.client.HTTPConnection(url.netloc, timeout=120)
    headers = {"X-Auth-Token": client.emulator.token}
    ports = set()
    for _ in range(3):
        connection.request("GET", f"/v3/{PROJECT}/tasks", headers=headers)
        connection.getresponse().read()
        ports.add(connection.sock.getsockname())
    connection.close()
    assert len(ports) == 1


def test_calls_are_recorded(client: Client) -> None:
    """With method, path, parameters, headers, status and token."""
    client.get(limit="1", offset="0")
    client.get_with({"X-Auth-Token": "made-up", "X-Language": "en-us"}, OTHER_PROJECT)
    first, second = client.emulator.calls
    assert (first.number, first.method, first.path) == (1, "GET", f"/v3/{PROJECT}/tasks")
    assert (first.params, first.status) == ({"limit": "1", "offset": "0"}, 200)
    assert (first.token, first.project_id) == (client.emulator.token, PROJECT)
    assert (second.number, second.status, second.token) == (2, 401, "made-up")
    assert second.headers["x-language"] == "en-us"


def test_calls_are_counted_and_cleared(client: Client) -> None:
    """By status and by project; `clear` starts again at number 1, also for faults."""
    client.emulator.faults = [Script({2: server_error()})]
    for project_id in (PROJECT, PROJECT, OTHER_PROJECT):
        client.get(project_id)
    calls = client.emulator.calls
    assert len(calls) == calls.count() == 3
    assert (calls.count(status=200), calls.count(project_id=OTHER_PROJECT)) == (2, 1)
    assert calls.count(status=500, project_id=PROJECT) == 1
    calls.clear()
    assert [client.get().status_code for _ in range(2)] == [200, 500]
    assert [call.number for call in calls] == [1, 2]


def test_other_apis_are_not_recorded(client: Client) -> None:
    """Only calls to the tasks API are recorded."""
    client.session.get(client.emulator.auth_url)
    client.session.get(f"{client.emulator.endpoint}{CLOCK_PATH}")
    assert len(client.emulator.calls) == 0


def test_calls_of_many_threads_are_all_recorded(client: Client) -> None:
    """No call is lost and each number is used once."""

    def call() -> None:
        headers = {"X-Auth-Token": client.emulator.token}
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(20):
                session.get(f"{client.emulator.endpoint}/v3/{PROJECT}/tasks", headers=headers)

    threads = [Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(call.number for call in client.emulator.calls) == list(range(1, 101))


def test_hooks_run_before_each_valid_page(client: Client) -> None:
    """They receive the query; refused and faulted calls run no hook."""
    seen: list[Query] = []
    client.emulator.before_page(seen.append)

    @client.emulator.before_page
    def _add(_query: Query) -> None:
        world = client.emulator.world
        assert isinstance(world, FixedWorld)
        world.add(PROJECT, record(10 + len(seen)))

    client.emulator.faults = [Script({2: server_error(), 3: dropped()})]
    assert client.job_ids(limit="5") == [job_id(11), job_id(1)]
    client.get()
    with pytest.raises(requests.ConnectionError):
        client.get()
    client.get(limit="0")
    client.get_with({})
    assert seen == [Query(project_id=PROJECT, limit=5)]


def test_a_hook_can_set_the_clock(client: Client) -> None:
    """The page is answered at the new time."""
    clock = client.emulator.clock
    assert isinstance(clock, SettableClock)
    client.emulator.before_page(lambda _query: clock.advance(31 * DAY))
    assert client.page() == ([], 0)


def test_an_error_in_a_hook_is_raised_on_exit() -> None:
    """The call gets a 500, and the emulator raises the error on exit."""
    emulator = new_emulator()
    emulator.before_page(lambda _query: 1 / 0)
    with pytest.raises(ZeroDivisionError), client_of(emulator) as client:
        assert client.get().status_code == 500


def test_an_error_inside_the_block_wins() -> None:
    """An error of the test is not hidden by the emulator's error."""
    emulator = new_emulator()
    emulator.before_page(lambda _query: 1 / 0)
    with pytest.raises(LookupError), client_of(emulator) as client:  # noqa: PT012 - both errors
        client.get()
        raise LookupError


def test_the_clock_can_be_read_and_set_from_outside(client: Client) -> None:
    """PUT sets it, GET reads it, and the task center uses it."""
    url = f"{client.emulator.endpoint}{CLOCK_PATH}"
    assert client.session.get(url).json() == {"now": "2026-03-18T12:00:00Z"}
    answer = client.session.put(url, json={"now": "2026-05-01T02:00:00+02:00"})
    assert (answer.status_code, answer.json()) == (200, {"now": "2026-05-01T00:00:00Z"})
    assert client.session.get(url).json() == {"now": "2026-05-01T00:00:00Z"}
    assert client.page() == ([], 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"now": "soon"}', b'{"now": 7}'])
def test_an_invalid_time_does_not_set_the_clock(client: Client, body: bytes) -> None:
    """The answer is 400, and the clock does not change."""
    url = f"{client.emulator.endpoint}{CLOCK_PATH}"
    assert client.session.put(url, data=body).status_code == 400
    assert client.session.get(url).json() == {"now": "2026-03-18T12:00:00Z"}


def test_a_running_clock_cannot_be_set() -> None:
    """PUT answers 409; GET works."""
    with client_of(new_emulator(clock=RealClock())) as client:
        url = f"{client.emulator.endpoint}{CLOCK_PATH}"
        assert client.session.put(url, json={"now": "2026-05-01"}).status_code == 409
        assert client.session.get(url).status_code == 200


@pytest.mark.parametrize("skew", [0, 3 * HOUR, -HOUR])
def test_the_date_header_follows_the_clock(skew: Micros) -> None:
    """Every answer has the emulator's time plus the skew."""
    with client_of(new_emulator(date_skew=skew)) as client:
        dates = [client.get().headers["Date"], client.get_with({}).headers["Date"]]
    assert dates[0].endswith(" GMT")
    for date in dates:
        assert times.from_datetime(email.utils.parsedate_to_datetime(date)) == NOW + skew


def test_a_real_clock_can_be_shifted_and_run_fast() -> None:
    """It starts at the machine's time plus the offset; with speed it runs faster."""
    before = times.now()
    shifted, fast = RealClock(offset=-DAY), RealClock(speed=1e9)
    assert before - DAY <= shifted.now() <= times.now() - DAY
    first = fast.now()
    while fast.now() == first:
        pass
    assert fast.now() - times.now() > SECOND


def test_a_settable_clock_stands_still() -> None:
    """It changes only when it is set or advanced."""
    clock = SettableClock(NOW)
    assert clock.now() == clock.now() == NOW
    clock.advance(HOUR)
    assert clock.now() == NOW + HOUR
    clock.set(NOW - DAY)
    assert clock.now() == NOW - DAY


def test_a_given_port_is_used() -> None:
    """A port in use is a clear error."""
    with new_emulator() as first:
        port = urlsplit(first.endpoint).port
        assert port
        taken = new_emulator(port=port)
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            taken.__enter__()
    with taken:
        assert taken.endpoint == f"http://127.0.0.1:{port}"


def test_exit_closes_open_connections() -> None:
    """A call on a kept connection fails."""
    with requests.Session() as session:
        session.trust_env = False
        with new_emulator() as emulator:
            url = f"{emulator.endpoint}/v3"
            assert session.get(url).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=120)


def test_it_serves_https_with_a_certificate(tmp_path: Path) -> None:
    """Clients that trust the authority can connect; a failed handshake does no harm."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with client_of(new_emulator(tls=tls)) as client:
        assert client.emulator.endpoint.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            client.get()
        client.session.verify = str(tmp_path / "ca.pem")
        assert client.job_ids() == [job_id(1)]
