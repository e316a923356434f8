"""The emulator follows the API reference: parameters, pages, filters, times, errors."""

import json
from collections.abc import Iterator
from typing import Final

import pytest

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND
from tests.support.emulator_client import (
    NOW,
    OTHER_PROJECT,
    PROJECT,
    Client,
    client_of,
    job_id,
    millis,
    record,
)

DOCUMENTED_TASK: Final = (
    '{"instance_info":{"instance_id":"ce2dce50f365430abe161bab79495a6ein14",'
    '"instance_name":"gauss-6568-zzh","instance_status":"creating"},'
    '"job_id":"03bc055a-135c-4245-8bd8-b0bc6d3350b3","name":"CreateGaussDBV5Instance",'
    '"status":"Failed","process":null,'
    '"fail_reason":"An exception occurs when the ECS processes services.",'
    '"created_at":"2022-08-05T08:15:07+0800","ended_at":"2022-08-09T03:06:52+0800"}'
)
EVERYTHING: Final = {"start_time": millis(NOW - 30 * DAY), "end_time": millis(NOW)}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Serve 250 records, one a minute; record 0 is the newest, created at NOW."""
    world = FixedWorld(
        {
            PROJECT: [record(number, NOW - number * MINUTE, NOW) for number in range(250)],
            OTHER_PROJECT: [record(999)],
        }
    )
    with client_of(Emulator(world, clock=SettableClock(NOW))) as served:
        yield served


def test_the_documented_example_is_served_byte_for_byte() -> None:
    """The answer is compact JSON, keys in the documented order, total_count last."""
    world = FixedWorld({PROJECT: [json.loads(DOCUMENTED_TASK)]})
    clock = SettableClock(times.parse_time("2022-08-12T00:00:00Z", option="now"))
    with client_of(Emulator(world, clock=clock)) as client:
        response = client.get(start_time="1659000000000", end_time="1660348800000")
    assert response.content.decode() == f'{{"tasks":[{DOCUMENTED_TASK}],"total_count":1}}'
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"


def test_text_beyond_ascii_is_sent_as_utf8() -> None:
    """There are no JSON escapes."""
    world = FixedWorld({PROJECT: [record(1, fail_reason="Größe überschritten")]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert "Größe überschritten".encode() in client.get().content


def test_a_page_has_100_records_by_default(client: Client) -> None:
    """The default offset is 0, and the newest task comes first."""
    assert client.job_ids() == [job_id(number) for number in range(100)]


def test_offset_and_limit_cut_the_page(client: Client) -> None:
    """The offset counts records from 0; total_count counts all matching records."""
    tasks, total_count = client.page(offset="120", limit="7")
    assert [task["job_id"] for task in tasks] == [job_id(number) for number in range(120, 127)]
    assert total_count == 250


def test_the_last_page_is_short_and_the_next_is_empty(client: Client) -> None:
    """An offset after the last record is valid."""
    assert client.job_ids(offset="200") == [job_id(number) for number in range(200, 250)]
    assert client.page(offset="250") == ([], 250)
    assert client.page(offset="100000") == ([], 250)


def test_both_bounds_are_inclusive_to_the_millisecond(client: Client) -> None:
    """A task at a bound is listed; a task one millisecond outside is not."""
    start, end = NOW - 20 * MINUTE, NOW - 10 * MINUTE
    window = {"start_time": millis(start), "end_time": millis(end)}
    assert client.job_ids(**window) == [job_id(number) for number in range(10, 21)]
    tight = {"start_time": millis(start + 1_000), "end_time": millis(end - 1_000)}
    assert client.job_ids(**tight) == [job_id(number) for number in range(11, 20)]


def test_each_bound_is_optional(client: Client) -> None:
    """The other side is open."""
    assert client.page(start_time=millis(NOW - MINUTE))[1] == 2
    assert client.page(end_time=millis(NOW - 200 * MINUTE))[1] == 50


def test_status_filters() -> None:
    """Only tasks of this status are listed and counted."""
    failed = record(2, status="Failed", fail_reason="no")
    world = FixedWorld({PROJECT: [record(1), failed, record(3, ended_at=None)]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.page(status="Failed") == ([failed], 1)
        assert client.job_ids(status="Running") == [job_id(3)]
        assert client.job_ids(status="Completed", **EVERYTHING) == [job_id(1)]


def test_every_documented_name_filters() -> None:
    """Each of the ten names lists its own tasks; other names are listed only without a filter."""
    names = [task_type.name for task_type in TASK_TYPES]
    records = [record(number, name=name) for number, name in enumerate([*names, "Upgrade"])]
    world = FixedWorld({PROJECT: records})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        for number, name in enumerate(names):
            assert client.job_ids(name=name) == [job_id(number)]
        assert len(client.job_ids()) == 11


def test_tasks_beyond_the_horizon_are_never_listed() -> None:
    """A task is listed for 30 days after its creation, whatever the window."""
    world = FixedWorld({PROJECT: [record(1, NOW - 30 * DAY)]})
    clock = SettableClock(NOW)
    wide = {"start_time": "0", "end_time": millis(NOW + DAY)}
    with client_of(Emulator(world, clock=clock)) as client:
        assert client.page(**wide)[1] == 1
        clock.advance(SECOND)
        assert client.page(**wide) == ([], 0)


def test_without_bounds_the_last_seven_days_are_listed() -> None:
    """The console's default, by creation."""
    edge = NOW - 7 * DAY
    world = FixedWorld({PROJECT: [record(1, edge), record(2, edge - SECOND), record(3)]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        assert client.job_ids() == [job_id(3), job_id(1)]


def test_projects_are_separate(client: Client) -> None:
    """A project lists its own tasks only."""
    assert client.job_ids(OTHER_PROJECT) == [job_id(999)]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"offset": "-1"}, "DBS.280440"),
        ({"offset": "first"}, "DBS.280440"),
        ({"offset": ""}, "DBS.280440"),
        ({"offset": "1.0"}, "DBS.280440"),
        ({"offset": "\N{ARABIC-INDIC DIGIT THREE}"}, "DBS.280440"),
        ({"limit": "0"}, "DBS.280439"),
        ({"limit": "101"}, "DBS.280439"),
        ({"limit": "-5"}, "DBS.280439"),
        ({"limit": "all"}, "DBS.280439"),
        ({"status": "running"}, "DBS.280001"),
        ({"status": ""}, "DBS.280001"),
        ({"name": "UpgradeGaussDBV5Instance"}, "DBS.280001"),
        ({"start_time": "2026-03-01T00:00:00Z"}, "DBS.280001"),
        ({"end_time": "-1"}, "DBS.280001"),
        ({"start_time": "2000", "end_time": "1000"}, "DBS.280001"),
        ({"sort": "created_at"}, "DBS.280001"),
    ],
)
def test_bad_parameters_are_refused(client: Client, parameters: dict[str, str], code: str) -> None:
    """The answer has the documented code, in the service's format."""
    assert client.error(**parameters) == (400, code)
    assert client.get(**parameters).json().keys() == {"error_code", "error_msg"}


def test_a_repeated_parameter_is_refused(client: Client) -> None:
    """Two values of one parameter are an error."""
    url = f"{client.emulator.endpoint}/v3/{PROJECT}/tasks?limit=1&limit=2"
    response = client.session.get(url, headers={"X-Auth-Token": client.emulator.token})
    assert (response.status_code, response.json()["error_code"]) == (400, "DBS.280001")


def test_the_smallest_and_largest_limit_are_valid(client: Client) -> None:
    """1 and 100 are valid."""
    assert len(client.job_ids(limit="1")) == 1
    assert len(client.job_ids(limit="100")) == 100


def test_an_unknown_project_is_not_found(client: Client) -> None:
    """404, not the 403 of a missing permission."""
    assert client.get("0" * 32).status_code == 404


def test_other_paths_and_methods_do_not_exist(client: Client) -> None:
    """The gateway answers 404."""
    emulator = client.emulator
    wrong_path = client.session.get(f"{emulator.endpoint}/v3/{PROJECT}/instances")
    wrong_method = client.session.delete(f"{emulator.endpoint}/v3/{PROJECT}/tasks")
    for response in (wrong_path, wrong_method):
        assert (response.status_code, response.json()["error_code"]) == (404, "APIGW.0101")


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": "made-up"}])
def test_a_call_without_a_valid_token_is_refused(client: Client, headers: dict[str, str]) -> None:
    """No token or an unknown token: 401 in the gateway's format."""
    response = client.get_with(headers)
    assert response.status_code == 401
    assert response.json().keys() == {"error_msg", "error_code", "request_id"}
    assert response.json()["error_code"] == "APIGW.0301"


def test_a_project_without_permission_is_refused() -> None:
    """403 with the service's code, for that project only."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]})
    emulator = Emulator(world, clock=SettableClock(NOW), forbidden_projects=[OTHER_PROJECT])
    with client_of(emulator) as client:
        assert client.error(OTHER_PROJECT) == (403, "DBS.280015")
        assert client.job_ids(PROJECT) == [job_id(1)]


def test_records_with_unreadable_times_are_inside_every_window() -> None:
    """They are sent unchanged, after the others."""
    unreadable = ("soon", "", None, "2026-03-18T10:00:00")
    odd = [{**record(number), "created_at": text} for number, text in enumerate(unreadable)]
    odd.append({**record(5), "ended_at": "never"})
    world = FixedWorld({PROJECT: [*odd, record(6, NOW - 2 * HOUR)]})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as client:
        narrow = client.page(start_time="1000", end_time="2000")
        assert narrow == (odd, 5)
        assert client.page()[0] == [record(6, NOW - 2 * HOUR), *odd]
