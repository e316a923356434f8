"""Requests signed with AK/SK, compared with the vendor's signer and checked by a gateway."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
import requests

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.access_keys import read_keys
from gaussdb_tasks.api.auth.credentials import KeyPair, SignatureCredential, TokenCredential
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, RealClock
from gaussdb_tasks.emulator import KeyPair as EmulatedKeys
from gaussdb_tasks.errors import AccessError, ConfigurationError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR
from gaussdb_tasks.settings import AccessRequest, RetrySettings
from tests.support.emulator_client import OTHER_PROJECT, PROJECT

KEYS: Final = EmulatedKeys("AK0000000000000TEST", "sk-of-the-test")
TEMPORARY: Final = EmulatedKeys("AK0000000000000TEMP", "sk-of-the-hour", "a-security-token")
NAMES: Final = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}


@pytest.fixture
def serve() -> Iterator[Callable[..., Emulator]]:
    """Serve two empty projects to the owner of the keys."""
    served: list[Emulator] = []

    def start(keys: EmulatedKeys = KEYS, offset: int = 0, agency: str | None = None) -> Emulator:
        world = FixedWorld({PROJECT: [], OTHER_PROJECT: []}, names=NAMES)
        clock = RealClock(offset=offset)
        emulator = Emulator(world, account=Account(keys=keys, agency=agency), clock=clock)
        emulator.__enter__()
        served.append(emulator)
        return emulator

    yield start
    for emulator in served:
        emulator.__exit__(None, None, None)


def environ_of(keys: EmulatedKeys, **more: str) -> dict[str, str]:
    """Return the variables of a user with keys."""
    environ = {
        "OS_ACCESS_KEY": keys.access_key,
        "OS_SECRET_KEY": keys.secret_key,
        "OS_REGION_NAME": "eu-de",
        **more,
    }
    if keys.security_token is not None:
        environ["OS_SECURITY_TOKEN"] = keys.security_token
    return environ


def count_tasks(access: ProjectAccess) -> int | None:
    """Return the count of the last hour's tasks."""
    client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
    now = times.now()
    return client.fetch_page(TaskQuery(now - HOUR, now), offset=0).total_count


@pytest.mark.parametrize("security_token", [None, "a-security-token"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v3/p/tasks", [("limit", "100"), ("offset", "0"), ("end_time", "1773835200000")]),
        ("/v3/a b/~x_y-z.1/ü/", [("b", "2"), ("a", "1 + ü&="), ("a", "0"), ("A", ""), ("t", "~*")]),
        ("/", []),
    ],
)
def test_signature(path: str, query: list[tuple[str, str]], security_token: str | None) -> None:
    """The vendor's signer gives the same signature for the same request."""
    core = "huaweicloudsdkcore"
    request_of = importlib.import_module(f"{core}.sdk_request").SdkRequest
    signer_of = importlib.import_module(f"{core}.signer.signer").Signer
    credentials_of = importlib.import_module(f"{core}.auth.credentials").BasicCredentials
    ready = requests.Request("GET", f"https://gaussdb.test{path}", params=query).prepare()
    keys = KeyPair("AK", "the secret", security_token)
    SignatureCredential(keys, PROJECT, clock=lambda: 1_773_835_200.0)(ready)
    sent: Any = ready.headers
    vendors = request_of(
        method="GET",
        schema="https",
        host="gaussdb.test",
        resource_path=path,
        uri=path,
        query_params=list(query),
        header_params={
            name: sent[name]
            for name in ("Host", "Content-Type", "X-Sdk-Date", "X-Project-Id", "X-Security-Token")
            if name in sent
        },
        body="",
    )
    signed = signer_of(credentials_of("AK", "the secret", PROJECT)).sign(vendors)
    assert sent["Authorization"] == signed.header_params["Authorization"]
    assert sent["X-Sdk-Date"] == "20260318T120000Z"


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
def test_keys(serve: Callable[..., Emulator], keys: EmulatedKeys) -> None:
    """Permanent and temporary keys are accepted; only the page itself is called."""
    emulator = serve(keys)
    request = AccessRequest(endpoint=emulator.endpoint)
    (access,) = sign_in(request, environ_of(keys, OS_PROJECT_ID=PROJECT)).accesses
    assert count_tasks(access) == 0
    assert len(emulator.calls) == 1
    assert (access.project_id, access.region) == (PROJECT, "eu-de")


def test_project_by_name(serve: Callable[..., Emulator]) -> None:
    """IAM resolves the name of a project; that call is signed as well."""
    emulator = serve()
    environ = environ_of(KEYS, OS_PROJECT_NAME="eu-de_finance", OS_AUTH_URL=emulator.auth_url)
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert access.project_id == OTHER_PROJECT
    environ["OS_PROJECT_NAME"] = "eu-de_nobody"
    with pytest.raises(ConfigurationError, match="eu-de_finance, eu-de_shop"):
        sign_in(AccessRequest(endpoint=emulator.endpoint), environ)


def test_all_projects(serve: Callable[..., Emulator]) -> None:
    """All projects are read with the same keys."""
    emulator = serve()
    environ = environ_of(KEYS, OS_AUTH_URL=emulator.auth_url)
    request = AccessRequest(endpoint=emulator.endpoint, all_projects=True)
    accesses = sign_in(request, environ).accesses
    assert [access.name for access in accesses] == ["eu-de_finance", "eu-de_shop"]
    assert [count_tasks(access) for access in accesses] == [0, 0]


@pytest.mark.parametrize(
    ("keys", "offset"), [(EmulatedKeys(KEYS.access_key, "another secret"), 0), (KEYS, HOUR)]
)
def test_refused_keys(serve: Callable[..., Emulator], keys: EmulatedKeys, offset: int) -> None:
    """For a wrong secret or clock the message says what to check and hides the secret."""
    emulator = serve(offset=offset)
    environ = environ_of(keys, OS_PROJECT_ID=PROJECT)
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    with pytest.raises(AccessError, match=r"OS_SECRET_KEY.*clock") as refusal:
        count_tasks(access)
    assert keys.secret_key not in str(refusal.value)
    assert len(emulator.calls) == 1


def test_the_variables_of_otc_auth(serve: Callable[..., Emulator]) -> None:
    """The token of temporary keys is in AWS_SESSION_TOKEN, beside both names of the key."""
    emulator = serve(TEMPORARY)
    environ = {
        "OS_ACCESS_KEY": TEMPORARY.access_key,
        "AWS_ACCESS_KEY_ID": TEMPORARY.access_key,
        "OS_SECRET_KEY": TEMPORARY.secret_key,
        "AWS_SECRET_ACCESS_KEY": TEMPORARY.secret_key,
        "AWS_SESSION_TOKEN": f"{TEMPORARY.security_token}\r\n",
        "OS_PROJECT_ID": PROJECT,
        "OS_REGION_NAME": "eu-de",
    }
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert count_tasks(access) == 0


def test_a_token_of_other_keys_is_not_sent() -> None:
    """AWS_SESSION_TOKEN may belong to the bucket of the archive's copy, in another cloud."""
    environ = environ_of(KEYS, AWS_ACCESS_KEY_ID="another", AWS_SESSION_TOKEN="of-the-bucket")
    keys = read_keys(environ)
    assert keys is not None
    assert keys.security_token is None


def test_an_agency_with_keys(serve: Callable[..., Emulator]) -> None:
    """IAM gives a token of the agency for a signed request."""
    emulator = serve(agency="readers")
    environ = environ_of(
        KEYS,
        OS_AUTH_URL=emulator.auth_url,
        OS_AGENCY_NAME="readers",
        OS_AGENCY_DOMAIN_NAME=Account().domain,
    )
    request = AccessRequest(endpoint=emulator.endpoint)
    with pytest.raises(ConfigurationError, match="OS_DELEGATED_PROJECT"):
        sign_in(request, environ)
    environ["OS_DELEGATED_PROJECT"] = "eu-de_finance"
    (access,) = sign_in(request, environ).accesses
    assert (access.project_id, count_tasks(access)) == (OTHER_PROJECT, 0)
    assert isinstance(access.identity.credential(), TokenCredential)
    accesses = sign_in(replace(request, all_projects=True), environ).accesses
    assert [count_tasks(access) for access in accesses] == [0, 0]


def test_an_agency_with_wrong_keys(serve: Callable[..., Emulator]) -> None:
    """The refusal of the signature is that of the sign-in."""
    emulator = serve(agency="readers")
    environ = environ_of(
        EmulatedKeys(KEYS.access_key, "another-secret"),
        OS_AUTH_URL=emulator.auth_url,
        OS_AGENCY_NAME="readers",
        OS_AGENCY_DOMAIN_NAME=Account().domain,
        OS_DELEGATED_PROJECT="eu-de_finance",
    )
    with pytest.raises(AccessError, match="refuses the sign-in"):
        sign_in(AccessRequest(endpoint=emulator.endpoint), environ)


@pytest.mark.parametrize("name", ["OS_ACCESS_KEY", "OS_SECURITY_TOKEN"])
def test_a_line_break_inside_a_key(name: str) -> None:
    """It would be sent in a header: it is refused without being shown."""
    environ = environ_of(TEMPORARY, OS_PROJECT_ID=PROJECT) | {name: "first-half\nsecond-half"}
    with pytest.raises(ConfigurationError, match="invalid characters") as refusal:
        sign_in(AccessRequest(), environ)
    assert "half" not in str(refusal.value)


def test_incomplete_keys() -> None:
    """The message names both parts of the key, or the missing project."""
    with pytest.raises(ConfigurationError, match="OS_ACCESS_KEY and OS_SECRET_KEY"):
        sign_in(AccessRequest(), {"OS_ACCESS_KEY": "AK"})
    with pytest.raises(ConfigurationError, match="OS_PROJECT_ID"):
        sign_in(AccessRequest(region="eu-de"), environ_of(KEYS))


def test_representation() -> None:
    """The representation of a credential does not show its secrets."""
    credential = SignatureCredential(KeyPair("AK", "the secret", "the-token"))
    assert "the secret" not in repr(credential)
    assert "the-token" not in repr(credential)
