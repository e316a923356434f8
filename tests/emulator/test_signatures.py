"""Requests signed with AK/SK: the vendor's client is accepted, every forgery is refused."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from gaussdb_tasks.emulator import Account, Call, Emulator, FixedWorld, KeyPair, RealClock
from gaussdb_tasks.emulator.credentials import check_signature
from gaussdb_tasks.emulator.http import RefusedError, Request
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE, Micros
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, millis, record

KEYS: Final = KeyPair("AK0000000000000TEST", "sk-of-the-test")
TEMPORARY_KEYS: Final = KeyPair("AK0000000000000TEMP", "sk-of-the-hour", "a-security-token")
FAILED: Final = {"status": "Failed", "fail_reason": "no free address is left"}

VendorClient: TypeAlias = Any
ListTasks: TypeAlias = Callable[..., Any]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the vendor's SDK write into a test folder: it writes to HOME on import."""
    monkeypatch.setenv("HOME", str(tmp_path))


def emulator_of(keys: KeyPair = KEYS, *, clock_offset: Micros = 0) -> Emulator:
    """Make an emulator of two projects by the machine's clock, as the SDK signs by it."""
    now = times.now()
    records = [
        record(1, now - 3 * HOUR, now - 2 * HOUR, process="100"),
        record(2, now - 2 * HOUR, now - HOUR, **FAILED),
        record(3, now - HOUR, None, process="14%", instance_info=None),
    ]
    world = FixedWorld({PROJECT: records, OTHER_PROJECT: []})
    return Emulator(world, account=Account(keys=keys), clock=RealClock(offset=clock_offset))


@contextmanager
def vendor_client(
    emulator: Emulator, keys: KeyPair = KEYS, project_id: str = PROJECT
) -> Iterator[ListTasks]:
    """Make the vendor's client for an emulator; yield its `list_tasks` with keywords."""
    credentials = importlib.import_module("huaweicloudsdkcore.auth.credentials")
    sdk = importlib.import_module("huaweicloudsdkgaussdbforopengauss.v3")
    signer = credentials.BasicCredentials(keys.access_key, keys.secret_key, project_id)
    if keys.security_token is not None:
        signer.with_security_token(keys.security_token)
    builder = sdk.GaussDBforopenGaussClient.new_builder().with_credentials(signer)
    with closing(builder.with_endpoint(emulator.endpoint).build()) as client:
        yield lambda **fields: client.list_tasks(sdk.ListTasksRequest(**fields))


def refusal(list_tasks: ListTasks) -> tuple[int, str]:
    """Return status and error code of a call that must fail."""
    exceptions = importlib.import_module("huaweicloudsdkcore.exceptions.exceptions")
    with pytest.raises(exceptions.ClientRequestException) as caught:
        list_tasks()
    error: Any = caught.value
    return error.status_code, error.error_code


def test_the_vendors_client_reads_the_emulator() -> None:
    """It reads every field of running, failed and completed tasks."""
    with emulator_of() as emulator, vendor_client(emulator) as list_tasks:
        answer = list_tasks()
    assert answer.total_count == 3
    assert [task.job_id for task in answer.tasks] == [job_id(3), job_id(2), job_id(1)]
    running, failed, completed = answer.tasks
    assert (running.status, running.process, running.ended_at) == ("Running", "14%", None)
    assert (failed.status, failed.fail_reason) == ("Failed", FAILED["fail_reason"])
    assert completed.name == "CreateGaussDBV5Instance"
    assert completed.instance_info.instance_name == "orders-prod"
    assert completed.instance_info.instance_status == "normal"


def test_the_vendors_client_can_use_every_parameter() -> None:
    """The signature covers all of them."""
    with emulator_of() as emulator, vendor_client(emulator) as list_tasks:
        answer = list_tasks(
            x_language="en-us",
            status="Failed",
            name="CreateGaussDBV5Instance",
            start_time=millis(times.now() - 4 * HOUR),
            end_time=millis(times.now()),
            offset=0,
            limit=10,
        )
        assert emulator.calls[0].params.keys() == {
            "status",
            "name",
            "start_time",
            "end_time",
            "offset",
            "limit",
        }
    assert [task.job_id for task in answer.tasks] == [job_id(2)]


def test_keys_give_access_to_every_project_of_the_account() -> None:
    """Keys belong to the account; X-Project-Id selects the project."""
    with (
        emulator_of() as emulator,
        vendor_client(emulator, project_id=OTHER_PROJECT) as list_tasks,
    ):
        assert list_tasks().total_count == 0


def test_temporary_keys_need_their_security_token() -> None:
    """Without it, or with an unknown one, the call is refused."""
    without = KeyPair(TEMPORARY_KEYS.access_key, TEMPORARY_KEYS.secret_key)
    made_up = replace(TEMPORARY_KEYS, security_token="made-up")
    with emulator_of(TEMPORARY_KEYS) as emulator:
        with vendor_client(emulator, TEMPORARY_KEYS) as list_tasks:
            assert list_tasks().total_count == 3
        for keys in (without, made_up):
            with vendor_client(emulator, keys) as list_tasks:
                assert refusal(list_tasks) == (401, "APIGW.0301")


@pytest.mark.parametrize(
    "keys",
    [KeyPair(KEYS.access_key, "another secret"), KeyPair("AK-UNKNOWN", KEYS.secret_key)],
    ids=["wrong_secret", "unknown_key"],
)
def test_wrong_keys_are_refused(keys: KeyPair) -> None:
    """The emulator computes the signature with the secret key of the account."""
    with emulator_of() as emulator, vendor_client(emulator, keys) as list_tasks:
        assert refusal(list_tasks) == (401, "APIGW.0301")


@pytest.mark.parametrize(
    ("clock_offset", "is_refused"),
    [(14 * MINUTE, False), (-14 * MINUTE, False), (16 * MINUTE, True), (-16 * MINUTE, True)],
)
def test_a_clock_more_than_15_minutes_off_is_refused(
    clock_offset: Micros,
    is_refused: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Fast or slow."""
    with (
        emulator_of(clock_offset=clock_offset) as emulator,
        vendor_client(emulator) as list_tasks,
    ):
        if is_refused:
            assert refusal(list_tasks) == (401, "APIGW.0301")
        else:
            assert list_tasks().total_count == 3


def signed_request() -> Request:
    """Return a request that the vendor's client signed."""
    with emulator_of() as emulator, vendor_client(emulator) as list_tasks:
        list_tasks(status="Failed", limit=10)
        call: Call = emulator.calls[0]
    return Request(call.method, call.path, tuple(call.params.items()), call.headers)


def with_header(request: Request, name: str, value: str) -> Request:
    """Return a request with one header changed."""
    return replace(request, headers={**request.headers, name: value})


def test_a_changed_request_is_refused() -> None:
    """Method, path, parameters, headers, body and date are all signed."""
    request, now = signed_request(), times.now()
    check_signature(request, KEYS, now)
    authorization = request.headers["authorization"]
    forgeries = [
        replace(request, method="PUT"),
        replace(request, path=request.path.replace("tasks", "instances")),
        replace(request, query=(("status", "Failed"), ("limit", "100"))),
        replace(request, query=request.query[:1]),
        replace(request, body=b"{}"),
        with_header(request, "host", "elsewhere.example"),
        with_header(request, "x-project-id", OTHER_PROJECT),
        with_header(request, "x-sdk-date", "20260318T120000Z"),
        with_header(request, "x-sdk-date", "yesterday"),
        with_header(request, "authorization", authorization.replace("host;", "")),
        with_header(request, "authorization", authorization[:-1]),
        with_header(request, "authorization", authorization[:-64] + "0" * 64),
    ]
    for forgery in forgeries:
        with pytest.raises(RefusedError):
            check_signature(forgery, KEYS, now)


def test_the_order_of_parameters_does_not_matter() -> None:
    """The signature covers the sorted parameters."""
    request = signed_request()
    check_signature(replace(request, query=request.query[::-1]), KEYS, times.now())


def request_signed_by_hand(names: str, signature: str, *query: tuple[str, str]) -> Request:
    """Make a request with a signature that was computed with openssl."""
    credentials = f"Access={KEYS.access_key}, SignedHeaders={names}, Signature={signature}"
    headers = {
        "host": "gaussdb.example",
        "x-sdk-date": "20260318T120000Z",
        "authorization": f"SDK-HMAC-SHA256 {credentials}",
    }
    return Request("GET", f"/v3/{PROJECT}/tasks", query, headers)


def test_a_known_signature_is_accepted() -> None:
    """The documented algorithm, with characters that need encoding and one that does not."""
    request = request_signed_by_hand(
        "host;x-sdk-date",
        "3e7dd256b506e6c1c743bd16214b421467840e477b0cc63ecbbd93e21c9351b1",
        ("name", "a b+c~d/é"),
        ("limit", "1"),
    )
    check_signature(request, KEYS, NOW)


def test_the_host_must_be_signed() -> None:
    """A correct signature without the host could be used for any host."""
    request = request_signed_by_hand(
        "x-sdk-date", "e9c5bb67e932001e512fc3b8bb7947ff357062c41a96c0e22527838d574ad5c8"
    )
    with pytest.raises(RefusedError):
        check_signature(request, KEYS, NOW)
