"""Sign-in with the settings that the other tools of this cloud use."""

import logging
import os
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.credentials import TokenCredential
from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.emulator import Account, Behaviour, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import AccessError, ConfigurationError, ServiceError
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros
from gaussdb_tasks.settings import AccessRequest, RetrySettings
from tests.support.commands import password_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

ACCOUNT = Account(user="ada", password="open sesame", domain="OTC0815")
NAMES = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}


@pytest.fixture
def clock() -> SettableClock:
    """The clock of the emulator and its tokens."""
    return SettableClock(NOW)


@pytest.fixture
def emulator(clock: SettableClock) -> Iterator[Emulator]:
    """A task center with two projects and an IAM."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]}, names=NAMES)
    with Emulator(world, clock=clock, account=ACCOUNT) as served:
        yield served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, without the clouds.yaml and the variables of the machine."""
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_TOKEN", "OS_PROJECT_ID", "OS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    # openstacksdk looks for ./clouds.yaml in the folder where it was imported.
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def write_clouds(folder: Path, emulator: Emulator, *, cacert: Path | None = None) -> None:
    """Write two clouds into clouds.yaml, and their passwords into secure.yaml."""
    verify = f"cacert: {cacert}" if cacert else ""
    clouds = "".join(
        f"""
  {cloud}:
    region_name: eu-de
    gaussdb_endpoint_override: {emulator.endpoint}
    {verify}
    auth:
      auth_url: {emulator.auth_url}
      username: {ACCOUNT.user}
      user_domain_name: {ACCOUNT.domain}
      project_name: {project}
      project_domain_name: {ACCOUNT.domain}
"""
        for cloud, project in (("shop", "eu-de_shop"), ("finance", "eu-de_finance"))
    )
    (folder / "clouds.yaml").write_text(f"clouds:{clouds}")
    secrets = "".join(
        f"\n  {cloud}:\n    auth:\n      password: {ACCOUNT.password}"
        for cloud in ("shop", "finance")
    )
    (folder / "secure.yaml").write_text(f"clouds:{secrets}\n")


def os_variables(emulator: Emulator) -> dict[str, str]:
    """Return the OS_* variables of a user who signs in with a password."""
    return password_env(emulator, ACCOUNT, OS_PROJECT_ID=PROJECT)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> dict[str, str]:
    """Set variables for openstacksdk, and return them."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def count_tasks(access: ProjectAccess) -> int | None:
    """Return the count of the month's tasks."""
    client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
    return client.fetch_page(TaskQuery(NOW - 30 * DAY, NOW), offset=0).total_count


def test_named_clouds(home: Path, emulator: Emulator) -> None:
    """Two clouds of clouds.yaml and secure.yaml give two projects with a token each."""
    write_clouds(home, emulator)
    accesses = sign_in(AccessRequest(os_clouds=("shop", "finance")), {}).accesses
    assert [access.project_id for access in accesses] == [PROJECT, OTHER_PROJECT]
    assert {access.region for access in accesses} == {"eu-de"}
    assert [count_tasks(access) for access in accesses] == [1, 1]
    assert len({access.identity.credential() for access in accesses}) == 2


def test_os_cloud(home: Path, emulator: Emulator) -> None:
    """OS_CLOUD has the same effect as --os-cloud."""
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(), {"OS_CLOUD": "finance"}).accesses
    assert access.project_id == OTHER_PROJECT
    assert count_tasks(access) == 1


def test_project_ids(home: Path, emulator: Emulator) -> None:
    """--project-id replaces the project of the cloud, with a sign-in for each."""
    write_clouds(home, emulator)
    request = AccessRequest(os_clouds=("shop",), project_ids=(OTHER_PROJECT, PROJECT))
    accesses = sign_in(request, {}).accesses
    assert [access.project_id for access in accesses] == [OTHER_PROJECT, PROJECT]
    assert [count_tasks(access) for access in accesses] == [1, 1]


def test_same_project_in_two_clouds(home: Path, emulator: Emulator) -> None:
    """A project that two clouds name is read once."""
    write_clouds(home, emulator)
    request = AccessRequest(os_clouds=("shop", "finance"), project_ids=(PROJECT,))
    assert len(sign_in(request, {}).accesses) == 1


def test_os_variables(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_AUTH_URL and the other variables sign in with a password."""
    environ = set_all(monkeypatch, os_variables(emulator))
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert (access.project_id, access.region) == (PROJECT, "eu-de")
    assert count_tasks(access) == 1


def test_ready_token(emulator: Emulator) -> None:
    """OS_TOKEN with OS_PROJECT_ID and without OS_AUTH_URL needs no sign-in."""
    environ = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert access.identity.credential() == TokenCredential(emulator.token)
    assert access.region == "local"
    assert count_tasks(access) == 1


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_revoked_token(home: Path, emulator: Emulator, behaviour: Behaviour) -> None:
    """A token that is revoked between two calls is replaced by a new one."""
    emulator.behaviour = behaviour
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    first = access.identity.credential()
    assert count_tasks(access) == 1
    assert isinstance(first, TokenCredential)
    emulator.revoke(first.token)
    assert count_tasks(access) == 1
    assert access.identity.credential() != first


@pytest.mark.parametrize(("lifetime", "is_kept"), [(HOUR, True), (MINUTE, False)])
def test_a_token_that_is_about_to_expire_is_replaced(
    home: Path, lifetime: Micros, *, is_kept: bool
) -> None:
    """Any other token serves all calls."""
    world = FixedWorld({PROJECT: [record(1)]}, names=NAMES)
    clock = SettableClock(times.now())
    with Emulator(world, clock=clock, account=ACCOUNT, token_lifetime=lifetime) as emulator:
        write_clouds(home, emulator)
        (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
        first, second = access.identity.credential(), access.identity.credential()
    assert (first == second) is is_kept


def test_renewal_by_several_threads(home: Path, emulator: Emulator) -> None:
    """A token that another thread has already replaced is not replaced again."""
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    first = access.identity.credential()
    assert access.identity.renew(first)
    second = access.identity.credential()
    assert access.identity.renew(first)
    assert access.identity.credential() == second != first


def test_wrong_password(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to check and does not show the password."""
    variables = {**os_variables(emulator), "OS_PASSWORD": "knock knock"}
    environ = set_all(monkeypatch, variables)
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    with pytest.raises(AccessError, match="check user, password and domain") as refusal:
        count_tasks(access)
    assert "knock knock" not in str(refusal.value)


def test_unreachable_iam(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port at OS_AUTH_URL is an error that names the address."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    environ = set_all(
        monkeypatch, {**os_variables(emulator), "OS_AUTH_URL": "http://127.0.0.1:9/v3"}
    )
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    with pytest.raises((ServiceError, ConfigurationError), match=r"127\.0\.0\.1:9"):
        access.identity.credential()


KEYS = {"OS_ACCESS_KEY": "key", "OS_SECRET_KEY": "secret key"}
AGENCY = {
    "OS_AGENCY_NAME": "auditors",
    "OS_AGENCY_DOMAIN_NAME": "OTC0815",
    "OS_DELEGATED_PROJECT": "eu-de_shop",
}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "no credentials.*--os-cloud.*OS_AUTH_URL.*OS_TOKEN"),
        ({"OS_TOKEN": "t"}, "OS_PROJECT_ID"),
        ({"OS_TOKEN": "t", "OS_PROJECT_ID": "../x"}, "is not a project id"),
        ({"OS_CLOUD": "nowhere"}, "nowhere.*clouds.yaml"),
        ({"OS_AUTH_URL": "http://iam.example.com/v3"}, "use https"),
        ({"OS_AUTH_URL": "iam"}, r"is not an http\(s\) URL; write it like https://iam\."),
        (
            {**KEYS, "OS_AUTH_URL": "iam", "OS_PROJECT_NAME": "eu-de_shop"},
            r"auth_url: 'iam' is not an http\(s\) URL; write it like https://iam\.",
        ),
        (
            {**KEYS, **AGENCY, "OS_AUTH_URL": "iam"},
            r"auth_url: 'iam' is not an http\(s\) URL; write it like https://iam\.",
        ),
    ],
)
def test_incomplete_credentials(
    environ: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which setting is missing or wrong."""
    set_all(monkeypatch, environ)
    with pytest.raises(ConfigurationError, match=words):
        sign_in(AccessRequest(endpoint="https://gaussdb.eu-de.otc.t-systems.com"), environ)


def test_missing_ca_bundle(home: Path) -> None:
    """A file of OS_CACERT that does not exist is a configuration error."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT, "OS_CACERT": str(home / "no.pem")}
    with pytest.raises(ConfigurationError, match=r"no\.pem.*OS_CACERT"):
        sign_in(AccessRequest(region="eu-de"), environ)


def test_missing_password(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where to set the password."""
    monkeypatch.delenv("OS_PASSWORD", raising=False)
    variables = os_variables(emulator)
    for environ in (_without_password(variables), {**variables, "OS_PASSWORD": ""}):
        set_all(monkeypatch, environ)
        with pytest.raises(ConfigurationError, match=r"no password.*OS_PASSWORD"):
            sign_in(AccessRequest(endpoint=emulator.endpoint), environ)


def _without_password(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "OS_PASSWORD"}


def test_token_beside_a_password(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_TOKEN beside OS_AUTH_URL and a password is a configuration error."""
    variables = set_all(monkeypatch, {**os_variables(emulator), "OS_TOKEN": "some-token"})
    with pytest.raises(ConfigurationError, match="OS_TOKEN"):
        sign_in(AccessRequest(endpoint=emulator.endpoint), variables)


@pytest.mark.parametrize(
    ("text", "words"),
    [("clouds: [", "clouds.yaml cannot be read"), ("clouds:\n  shop:\n    auth: x\n", "shop")],
)
def test_broken_clouds_yaml(home: Path, text: str, words: str) -> None:
    """The message for a broken file differs from that for a missing file."""
    (home / "clouds.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        sign_in(AccessRequest(os_clouds=("shop",)), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_home_without_permission(
    home: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named file is used even if the default folders cannot be entered."""
    write_clouds(home, emulator)
    folder = home / "other"
    folder.mkdir(mode=0)
    for files in ("CONFIG_FILES", "SECURE_FILES"):
        monkeypatch.setattr(f"openstack.config.loader.{files}", [str(folder / "clouds.yaml")])
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    assert count_tasks(access) == 1


def test_endpoint_from_region(emulator: Emulator) -> None:
    """Without --endpoint the default URL of the region is used."""
    environ = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-nl"}
    (access,) = sign_in(AccessRequest(), environ).accesses
    assert access.endpoint == "https://gaussdb.eu-nl.otc.t-systems.com"
    assert access.region == "eu-nl"


def test_neither_endpoint_nor_region() -> None:
    """Without endpoint and region the message asks for one of them."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT}
    with pytest.raises(ConfigurationError, match="--endpoint, or --region"):
        sign_in(AccessRequest(), environ)


def test_endpoint_without_region() -> None:
    """An endpoint whose host has no region needs --region: rows contain the region."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT}
    with pytest.raises(ConfigurationError, match="--region"):
        sign_in(AccessRequest(endpoint="https://gaussdb.example.com"), environ)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # OS_INSECURE causes it
def test_ca_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_CACERT and cacert of clouds.yaml override REQUESTS_CA_BUNDLE for IAM and service."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("NO_PROXY", "*")
    ca = trustme.CA()
    bundle = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}, names=NAMES)
    with Emulator(world, clock=SettableClock(NOW), account=ACCOUNT, tls=context) as served:
        write_clouds(tmp_path, served, cacert=bundle)
        (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
        assert count_tasks(access) == 1
        token = {"OS_TOKEN": served.token, "OS_PROJECT_ID": PROJECT}
        request = AccessRequest(endpoint=served.endpoint)
        for configured in ({"OS_CACERT": str(bundle)}, {"OS_INSECURE": "true"}):
            (trusting,) = sign_in(request, {**token, **configured}).accesses
            trusting.http.trust_env = True  # as for a service on another machine
            assert count_tasks(trusting) == 1
        (untrusting,) = sign_in(request, token).accesses
        with pytest.raises(ConfigurationError, match="OS_CACERT"):
            count_tasks(untrusting)


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that records and refuses requests; yields its URL and the recorded lines."""
    recorded: list[bytes] = []

    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recorded.extend(iter(self.rfile.readline, b"\r\n"))
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", recorded
        server.shutdown()
        thread.join()


def test_https_proxy(proxy: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is used as a tunnel to the service, so it does not see the token."""
    url, recorded = proxy
    monkeypatch.setenv("HTTPS_PROXY", url)
    environ = {"OS_TOKEN": "a-token-to-hide", "OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-de"}
    (access,) = sign_in(AccessRequest(), environ).accesses
    with pytest.raises(ConfigurationError, match=r"proxy refuses to connect to .* \(403\)"):
        count_tasks(access)
    assert recorded[0].startswith(b"CONNECT gaussdb.eu-de.otc.t-systems.com:443 ")
    assert all(b"a-token-to-hide" not in line for line in recorded)


def test_no_proxy_for_loopback(
    home: Path,
    emulator: Emulator,
    proxy: tuple[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls to a loopback address do not go through HTTP_PROXY."""
    url, recorded = proxy
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("ALL_PROXY", url)
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    assert count_tasks(access) == 1
    assert recorded == []


def test_logs_without_secrets(
    home: Path, emulator: Emulator, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG no logger shows the password or the token."""
    caplog.set_level(logging.DEBUG)
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    count_tasks(access)
    clock.advance(HOUR)
    logged = caplog.text
    assert ACCOUNT.password not in logged
    credential = access.identity.credential()
    assert isinstance(credential, TokenCredential)
    assert credential.token not in logged
