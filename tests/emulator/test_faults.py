"""Faults of single calls, and the plans that inject them."""

import pytest
import requests

from gaussdb_tasks.emulator import (
    TRANSIENT_FAULTS,
    Emulator,
    FailsAfter,
    Fault,
    FaultPlan,
    FixedWorld,
    RandomFaults,
    RateLimit,
    Script,
    SettableClock,
    answers,
    broken_off,
    dropped,
    not_json,
    proxy_page,
    redirect,
    server_error,
    service_error,
    slow,
    too_many_requests,
    truncated,
)
from gaussdb_tasks.model.times import MINUTE, SECOND
from tests.support.emulator_client import NOW, PROJECT, Client, client_of, job_id, record


def emulator_with(*faults: FaultPlan) -> Emulator:
    """Make an emulator with one record and these faults."""
    world = FixedWorld({PROJECT: [record(1)]})
    return Emulator(world, clock=SettableClock(NOW), faults=faults)


def statuses(client: Client, calls: int) -> list[int]:
    """Return the statuses of several calls."""
    return [client.get().status_code for _ in range(calls)]


def test_a_script_fails_the_calls_it_lists() -> None:
    """The other calls get the correct answer."""
    refused = answers(service_error(400, "DBS.216003", "not permitted"))
    script = Script({2: refused, 4: server_error(504)})
    with client_of(emulator_with(script)) as client:
        assert statuses(client, 5) == [200, 400, 200, 504, 200]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_json(status: int) -> None:
    """With status, code and message, and Retry-After if it is set."""
    script = Script({1: server_error(status), 2: server_error(status, retry_after=7)})
    with client_of(emulator_with(script)) as client:
        first, second = client.get(), client.get()
    assert (first.status_code, second.status_code) == (status, status)
    assert first.json()["error_code"] == "APIGW.0201"
    assert "Retry-After" not in first.headers
    assert second.headers["Retry-After"] == "7"


def test_calls_over_the_rate_limit_are_refused_by_the_gateway() -> None:
    """429 with the gateway's code; Retry-After is missing, seconds or a date."""
    date = "Wed, 18 Mar 2026 12:01:00 GMT"
    script = Script({1: too_many_requests(), 2: too_many_requests(retry_after=date)})
    with client_of(emulator_with(script)) as client:
        first, second = client.get(), client.get()
    assert (first.status_code, first.json()["error_code"]) == (429, "APIGW.0308")
    assert "Retry-After" not in first.headers
    assert second.headers["Retry-After"] == date


def test_a_proxy_answers_with_html() -> None:
    """The page is not JSON."""
    with client_of(emulator_with(Script({1: proxy_page(503)}))) as client:
        response = client.get()
    assert (response.status_code, response.headers["Content-Type"]) == (503, "text/html")
    assert "<html>" in response.text


@pytest.mark.parametrize("fault", [not_json(), truncated()], ids=["not_json", "truncated"])
def test_a_body_can_be_valid_http_and_invalid_json(fault: Fault) -> None:
    """200 with a complete body that does not parse."""
    with client_of(emulator_with(Script({1: fault}))) as client:
        response = client.get()
        assert response.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            response.json()
        assert client.job_ids() == [job_id(1)]


def test_a_truncated_body_is_half_of_the_correct_one() -> None:
    """The half that arrives is correct."""
    with client_of(emulator_with(Script({1: truncated()}))) as client:
        half, complete = client.get().content, client.get().content
    assert 0 < len(half) < len(complete)
    assert complete.startswith(half)


def test_a_connection_can_break_in_the_body() -> None:
    """Fewer bytes arrive than announced; the next call works."""
    with client_of(emulator_with(Script({1: broken_off()}))) as client:
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            client.get()
        assert client.job_ids() == [job_id(1)]
        assert [call.status for call in client.emulator.calls] == [200, 200]


def test_a_connection_can_be_dropped() -> None:
    """Nothing arrives; the call is recorded without a status."""
    with client_of(emulator_with(Script({1: dropped()}))) as client:
        with pytest.raises(requests.ConnectionError):
            client.get()
        assert client.job_ids() == [job_id(1)]
        assert [call.status for call in client.emulator.calls] == [None, 200]


def test_a_slow_answer_is_correct() -> None:
    """It waits for the delay of the fault; the next call does not wait."""
    waits: list[float] = []
    emulator = emulator_with(Script({1: slow(90.0)}))
    emulator.sleep = waits.append
    with client_of(emulator) as client:
        assert client.job_ids() == [job_id(1)]
        assert client.job_ids() == [job_id(1)]
    assert waits == [90.0]


def test_a_redirect_has_a_location() -> None:
    """302 with a Location, as from a login page."""
    script = Script({1: redirect("https://elsewhere.example/v3")})
    with client_of(emulator_with(script)) as client:
        response = client.get()
    assert response.status_code == 302
    assert response.headers["Location"] == "https://elsewhere.example/v3"


def test_a_dying_service_answers_a_number_of_calls_and_no_more() -> None:
    """Every later call gets 503."""
    with client_of(emulator_with(FailsAfter(2))) as client:
        assert statuses(client, 5) == [200, 200, 503, 503, 503]


def test_a_rate_limit_refuses_until_its_period_is_over() -> None:
    """Retry-After is the rest of the period by the emulator's clock, rounded up."""
    emulator = emulator_with(RateLimit(calls=2, period=5 * MINUTE))
    clock = emulator.clock
    assert isinstance(clock, SettableClock)
    with client_of(emulator) as client:
        assert statuses(client, 2) == [200, 200]
        clock.advance(4 * MINUTE + SECOND // 2)
        refused = client.get()
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        clock.advance(MINUTE)
        assert statuses(client, 3) == [200, 200, 429]


def test_random_faults_follow_from_the_seed() -> None:
    """The same seed fails the same calls, in any order; another seed fails others."""
    calls = range(1, 1_001)
    faults = [RandomFaults(0.2, seed=3).fault_for(call, NOW) for call in calls]
    again = [RandomFaults(0.2, seed=3).fault_for(call, NOW) for call in reversed(calls)]
    assert faults == again[::-1]
    assert faults != [RandomFaults(0.2, seed=4).fault_for(call, NOW) for call in calls]
    assert 120 < sum(fault is not None for fault in faults) < 280
    assert set(faults) == {None, *TRANSIENT_FAULTS}


def test_random_faults_of_rate_one_fail_every_call() -> None:
    """Rate 0 never fails a call."""
    with client_of(emulator_with(RandomFaults(1.0, faults=[server_error()]))) as client:
        assert statuses(client, 3) == [500, 500, 500]
        client.emulator.faults = [RandomFaults(0.0)]
        assert statuses(client, 3) == [200, 200, 200]


def test_the_first_plan_with_a_fault_decides() -> None:
    """The order of the plans counts."""
    with client_of(emulator_with(Script({2: server_error(500)}), FailsAfter(1))) as client:
        assert statuses(client, 3) == [200, 500, 503]


def test_faults_of_the_identity_service_are_separate() -> None:
    """They have their own call numbers and do not affect the tasks API."""
    emulator = emulator_with()
    emulator.identity_faults = [Script({2: server_error(503)})]
    with client_of(emulator) as client:
        first = client.session.get(emulator.auth_url)
        task_status = client.get().status_code
        second = client.session.get(emulator.auth_url)
    assert (first.status_code, task_status, second.status_code) == (200, 200, 503)
