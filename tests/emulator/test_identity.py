"""Sign-in: Keystone's formats, keystoneauth1, openstacksdk, and tokens that expire."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import openstack
import pytest
import requests
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from gaussdb_tasks.emulator import (
    SERVICE_TYPE,
    Account,
    Behaviour,
    Emulator,
    FixedWorld,
    SettableClock,
)
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND
from tests.support.emulator_client import (
    NOW,
    OTHER_PROJECT,
    PROJECT,
    Client,
    client_of,
    job_id,
    record,
)

ACCOUNT: Final = Account(user="ada", password="opensesame", domain="OTC0815")
WORLD: Final = FixedWorld(
    {PROJECT: [record(1)], OTHER_PROJECT: [record(2)]},
    names={PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"},
)


@pytest.fixture
def client() -> Iterator[Client]:
    """Serve two projects at NOW."""
    with client_of(Emulator(WORLD, account=ACCOUNT, clock=SettableClock(NOW))) as served:
        yield served


@contextmanager
def keystone_session(emulator: Emulator, password: str = ACCOUNT.password) -> Iterator[Session]:
    """Sign in with keystoneauth1, to the first project by its name."""
    auth = v3.Password(
        emulator.auth_url,
        username=ACCOUNT.user,
        password=password,
        user_domain_name=ACCOUNT.domain,
        project_name="eu-de_shop",
        project_domain_name=ACCOUNT.domain,
    )
    with requests.Session() as http:
        http.trust_env = False
        yield Session(auth=auth, session=http)


def sign_in(client: Client, *, scope: object = None, **changes: object) -> requests.Response:
    """Sign in by password with plain HTTP."""
    user = {
        "name": ACCOUNT.user,
        "domain": {"name": ACCOUNT.domain},
        "password": ACCOUNT.password,
        **changes,
    }
    auth: dict[str, object] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope is not None:
        auth["scope"] = {"project": scope}
    return client.session.post(f"{client.emulator.auth_url}/auth/tokens", json={"auth": auth})


def tasks_status(client: Client, token: str, project_id: str = PROJECT) -> tuple[int, str | None]:
    """Return status and error code of a call to the tasks API with this token."""
    response = client.get_with({"X-Auth-Token": token}, project_id)
    return response.status_code, response.json().get("error_code")


def test_versions_are_discovered(client: Client) -> None:
    """The root lists v3, and v3 describes itself."""
    root = client.session.get(client.emulator.endpoint)
    version = client.session.get(client.emulator.auth_url).json()["version"]
    assert root.status_code == 300
    assert root.json()["versions"]["values"] == [version]
    assert version["id"].startswith("v3.")
    assert version["links"] == [{"rel": "self", "href": f"{client.emulator.endpoint}/v3/"}]


@pytest.mark.parametrize(
    "scope",
    [
        {"id": PROJECT},
        {"name": "eu-de_shop", "domain": {"name": ACCOUNT.domain}},
    ],
    ids=["by_id", "by_name"],
)
def test_a_password_gives_a_token_for_the_project_of_the_scope(
    client: Client, scope: dict[str, object]
) -> None:
    """The token is in a header, the project in the body."""
    response = sign_in(client, scope=scope)
    token = response.json()["token"]
    assert response.status_code == 201
    assert token["project"]["id"] == PROJECT
    assert token["user"]["name"] == ACCOUNT.user
    assert tasks_status(client, response.headers["X-Subject-Token"]) == (200, None)


def test_a_token_is_valid_for_its_own_project_only(client: Client) -> None:
    """Another project of the same user is refused."""
    token = sign_in(client, scope={"id": PROJECT}).headers["X-Subject-Token"]
    assert tasks_status(client, token, OTHER_PROJECT) == (403, "DBS.280015")


def test_a_token_without_scope_lists_projects_and_accesses_none(client: Client) -> None:
    """It has no project and no catalog."""
    response = sign_in(client)
    token = response.headers["X-Subject-Token"]
    listed = client.session.get(
        f"{client.emulator.auth_url}/auth/projects", headers={"X-Auth-Token": token}
    )
    assert "project" not in response.json()["token"]
    assert "catalog" not in response.json()["token"]
    assert [project["id"] for project in listed.json()["projects"]] == [PROJECT, OTHER_PROJECT]
    assert [each["name"] for each in listed.json()["projects"]] == ["eu-de_shop", "eu-de_finance"]
    assert tasks_status(client, token) == (403, "DBS.280015")


def test_a_token_can_be_exchanged_for_another_scope(client: Client) -> None:
    """Method `token` accepts a valid token, and refuses a revoked or unknown one."""

    def exchange(token: str) -> requests.Response:
        identity = {"methods": ["token"], "token": {"id": token}}
        auth = {"identity": identity, "scope": {"project": {"id": OTHER_PROJECT}}}
        return client.session.post(f"{client.emulator.auth_url}/auth/tokens", json={"auth": auth})

    exchanged = exchange(sign_in(client).headers["X-Subject-Token"])
    token = exchanged.headers["X-Subject-Token"]
    assert tasks_status(client, token, OTHER_PROJECT) == (200, None)
    client.emulator.revoke(token)
    assert exchange(token).status_code == 401
    assert exchange("made-up").status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"name": "eve"},
        {"domain": {"name": "OTC4711"}},
        {"scope": {"id": "0" * 32}},
        {"scope": {"name": "eu-de_shop", "domain": {"name": "OTC4711"}}},
        {"scope": {"name": "eu-de_shop"}},
    ],
)
def test_wrong_credentials_are_refused(client: Client, changes: dict[str, object]) -> None:
    """401 in the identity service's format, and no token."""
    response = sign_in(client, **changes)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == 401
    assert response.json()["error"]["title"] == "Unauthorized"
    assert "X-Subject-Token" not in response.headers


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"auth":{"identity":{"methods":[]}}}'])
def test_an_invalid_sign_in_is_a_bad_request(client: Client, body: bytes) -> None:
    """400 in the identity service's format."""
    response = client.session.post(f"{client.emulator.auth_url}/auth/tokens", data=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)


def test_projects_can_be_looked_up_by_name(client: Client) -> None:
    """The vendor's SDK does this to find the project of its keys."""
    response = client.session.get(
        f"{client.emulator.auth_url}/projects",
        params={"name": "eu-de_finance"},
        headers={"X-Auth-Token": client.emulator.token},
    )
    assert [project["id"] for project in response.json()["projects"]] == [OTHER_PROJECT]


def test_projects_are_listed_to_the_account_only(client: Client) -> None:
    """Without a token: 401 in the identity service's format."""
    response = client.session.get(f"{client.emulator.auth_url}/auth/projects")
    assert (response.status_code, response.json()["error"]["code"]) == (401, 401)


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        (Behaviour(expired_token="gateway_401"), (401, "APIGW.0301")),
        (Behaviour(expired_token="service_403"), (403, "DBS.280056")),
    ],
)
def test_tokens_expire_by_the_clock(behaviour: Behaviour, answer: tuple[int, str]) -> None:
    """It is valid for its lifetime; `expired_token` selects the later answer."""
    clock = SettableClock(NOW)
    emulator = Emulator(
        WORLD, account=ACCOUNT, clock=clock, behaviour=behaviour, token_lifetime=HOUR
    )
    with client_of(emulator) as client:
        token = sign_in(client, scope={"id": PROJECT}).headers["X-Subject-Token"]
        clock.advance(HOUR - SECOND)
        assert tasks_status(client, token) == (200, None)
        clock.advance(SECOND)
        assert tasks_status(client, token) == answer
        assert tasks_status(client, emulator.token) == (200, None)


def test_tokens_expire_by_use() -> None:
    """A token has a number of uses; a new sign-in gives a new token."""
    emulator = Emulator(WORLD, account=ACCOUNT, clock=SettableClock(NOW), token_uses=2)
    with client_of(emulator) as client:
        for _ in range(2):
            token = sign_in(client, scope={"id": PROJECT}).headers["X-Subject-Token"]
            statuses = [tasks_status(client, token)[0] for _ in range(4)]
            assert statuses == [200, 200, 401, 401]


def test_all_tokens_can_be_revoked_at_once(client: Client) -> None:
    """Including the emulator's own token; new tokens are valid."""
    old = sign_in(client, scope={"id": PROJECT}).headers["X-Subject-Token"]
    client.emulator.revoke_tokens()
    new = sign_in(client, scope={"id": PROJECT}).headers["X-Subject-Token"]
    answers = [tasks_status(client, token)[0] for token in (old, client.emulator.token, new)]
    assert answers == [401, 401, 200]


def test_the_emulators_own_token_is_valid_for_all_projects() -> None:
    """It is for OS_TOKEN and does not expire."""
    clock = SettableClock(NOW)
    with client_of(Emulator(WORLD, clock=clock, token_lifetime=MINUTE)) as client:
        clock.advance(DAY)
        token = client.emulator.token
        assert tasks_status(client, token, PROJECT) == (200, None)
        assert tasks_status(client, token, OTHER_PROJECT) == (200, None)


def test_expires_at_is_written_by_the_machines_clock(client: Client) -> None:
    """Clients compare it with their own clock, not the emulator's."""
    before = times.now()
    token = sign_in(client, scope={"id": PROJECT}).json()["token"]
    expires_at = times.parse_time(token["expires_at"], option="expires_at")
    assert before + DAY <= expires_at <= times.now() + DAY


def test_keystoneauth_signs_in(client: Client) -> None:
    """It discovers the version, gets a token and finds the tasks API in the catalog."""
    with keystone_session(client.emulator) as session:
        assert session.get_project_id() == PROJECT
        endpoint = session.get_endpoint(service_type=SERVICE_TYPE, interface="public")
        assert endpoint == client.emulator.endpoint
        response = session.get(
            f"/v3/{PROJECT}/tasks", endpoint_filter={"service_type": SERVICE_TYPE}
        )
    assert [task["job_id"] for task in response.json()["tasks"]] == [job_id(1)]


def test_keystoneauth_renews_a_token_that_was_refused_with_401(client: Client) -> None:
    """A revoked token costs one failed call."""
    with keystone_session(client.emulator) as session:
        url = f"{client.emulator.endpoint}/v3/{PROJECT}/tasks"
        session.get(url)
        client.emulator.revoke_tokens()
        assert session.get(url).status_code == 200
    assert [call.status for call in client.emulator.calls] == [200, 401, 200]
    assert client.emulator.calls[1].token != client.emulator.calls[2].token


def test_keystoneauth_reports_a_wrong_password(client: Client) -> None:
    """It understands the error response."""
    with (
        keystone_session(client.emulator, password="wrong") as session,
        pytest.raises(Unauthorized, match="requires authentication"),
    ):
        session.get_token()


# openstacksdk warns of its own InfluxDB support at every connection, used or not.
@pytest.mark.filterwarnings("ignore:Support for InfluxDB")
def test_openstacksdk_signs_in_with_clouds_yaml(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clouds.yaml as users of the cloud have it."""
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"""
clouds:
  audit:
    region_name: eu-de
    auth:
      auth_url: {client.emulator.auth_url}
      username: {ACCOUNT.user}
      password: {ACCOUNT.password}
      user_domain_name: {ACCOUNT.domain}
      project_name: eu-de_finance
      project_domain_name: {ACCOUNT.domain}
"""
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    with openstack.connect(cloud="audit") as connection:
        assert connection.current_project_id == OTHER_PROJECT
        response = connection.session.get(f"{client.emulator.endpoint}/v3/{OTHER_PROJECT}/tasks")
        endpoint = connection.session.get_endpoint(
            service_type=SERVICE_TYPE, region_name="eu-de", interface="public"
        )
    assert [task["job_id"] for task in response.json()["tasks"]] == [job_id(2)]
    assert endpoint == client.emulator.endpoint
