"""Sign-in as users of this cloud configure it for every other tool."""

import logging
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
from gaussdb_tasks.model.times import DAY, HOUR
from gaussdb_tasks.settings import AccessRequest, RetrySettings
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

ACCOUNT = Account(user="ada", password="open sesame", domain="OTC0815")
NAMES = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}


@pytest.fixture
def clock() -> SettableClock:
    """A clock that both the emulator and its tokens go by."""
    return SettableClock(NOW)


@pytest.fixture
def emulator(clock: SettableClock) -> Iterator[Emulator]:
    """A task center with two projects and an IAM beside it."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]}, names=NAMES)
    with Emulator(world, clock=clock, account=ACCOUNT) as served:
        yield served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: no clouds.yaml or variable of the machine's is seen."""
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_TOKEN", "OS_PROJECT_ID", "OS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    # openstacksdk looks for ./clouds.yaml in the folder where it was imported.
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def write_clouds(folder: Path, emulator: Emulator, *, cacert: Path | None = None) -> None:
    """Write a clouds.yaml with two clouds, and their passwords into a secure.yaml."""
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
    return {
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": ACCOUNT.user,
        "OS_PASSWORD": ACCOUNT.password,
        "OS_USER_DOMAIN_NAME": ACCOUNT.domain,
        "OS_PROJECT_ID": PROJECT,
        "OS_REGION_NAME": "eu-de",
    }


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> dict[str, str]:
    """Set variables for openstacksdk, and return them for us."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def count_tasks(access: ProjectAccess) -> int | None:
    """Ask for the count of the month."""
    client = TaskCenterClient.for_project(access, RateLimiter(), RetrySettings(attempts=2))
    return client.fetch_page(TaskQuery(NOW - 30 * DAY, NOW), offset=0).total_count


def test_named_clouds(home: Path, emulator: Emulator) -> None:
    """Two clouds of clouds.yaml and secure.yaml: two projects, each with its own token."""
    write_clouds(home, emulator)
    accesses = sign_in(AccessRequest(os_clouds=("shop", "finance")), {}).accesses
    assert [access.project_id for access in accesses] == [PROJECT, OTHER_PROJECT]
    assert {access.region for access in accesses} == {"eu-de"}
    assert [count_tasks(access) for access in accesses] == [1, 1]
    assert len({access.identity.credential() for access in accesses}) == 2


def test_os_cloud_names_the_cloud(home: Path, emulator: Emulator) -> None:
    """OS_CLOUD does what --os-cloud does."""
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(), {"OS_CLOUD": "finance"}).accesses
    assert access.project_id == OTHER_PROJECT
    assert count_tasks(access) == 1


def test_a_project_id_replaces_the_clouds_own(home: Path, emulator: Emulator) -> None:
    """--project-id signs in to that project, once for each."""
    write_clouds(home, emulator)
    request = AccessRequest(os_clouds=("shop",), project_ids=(OTHER_PROJECT, PROJECT))
    accesses = sign_in(request, {}).accesses
    assert [access.project_id for access in accesses] == [OTHER_PROJECT, PROJECT]
    assert [count_tasks(access) for access in accesses] == [1, 1]


def test_the_same_project_twice_is_read_once(home: Path, emulator: Emulator) -> None:
    """Two clouds that lead to one project do not double it."""
    write_clouds(home, emulator)
    request = AccessRequest(os_clouds=("shop", "finance"), project_ids=(PROJECT,))
    assert len(sign_in(request, {}).accesses) == 1


def test_os_variables(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_AUTH_URL and its companions sign in with a password."""
    environ = set_all(monkeypatch, os_variables(emulator))
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert (access.project_id, access.region) == (PROJECT, "eu-de")
    assert count_tasks(access) == 1


def test_a_ready_token(emulator: Emulator) -> None:
    """OS_TOKEN with OS_PROJECT_ID and no OS_AUTH_URL is used as it is."""
    environ = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    assert access.identity.credential() == TokenCredential(emulator.token)
    assert access.region == "local"
    assert count_tasks(access) == 1


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(expired_token="service_403")])
def test_a_token_that_expires_meanwhile_is_renewed(
    home: Path, emulator: Emulator, behaviour: Behaviour
) -> None:
    """Revoked between two calls, as after a change of permissions: a new one, and on it goes."""
    emulator.behaviour = behaviour
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    first = access.identity.credential()
    assert count_tasks(access) == 1
    assert isinstance(first, TokenCredential)
    emulator.revoke(first.token)
    assert count_tasks(access) == 1
    assert access.identity.credential() != first


def test_threads_that_are_refused_together_get_one_new_token(
    home: Path, emulator: Emulator
) -> None:
    """A token that another thread has replaced already is not replaced again."""
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    first = access.identity.credential()
    assert access.identity.renew(first)
    second = access.identity.credential()
    assert access.identity.renew(first)
    assert access.identity.credential() == second != first


def test_a_wrong_password_is_one_sentence(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM refuses: which IAM, and what to check; the password is not shown."""
    variables = {**os_variables(emulator), "OS_PASSWORD": "knock knock"}
    environ = set_all(monkeypatch, variables)
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    with pytest.raises(AccessError, match="check user, password and domain") as refusal:
        count_tasks(access)
    assert "knock knock" not in str(refusal.value)


def test_an_iam_that_is_not_there_is_a_failure_of_the_service(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed port at OS_AUTH_URL may be open tomorrow."""
    environ = set_all(
        monkeypatch, {**os_variables(emulator), "OS_AUTH_URL": "http://127.0.0.1:9/v3"}
    )
    (access,) = sign_in(AccessRequest(endpoint=emulator.endpoint), environ).accesses
    with pytest.raises((ServiceError, ConfigurationError), match=r"127\.0\.0\.1:9"):
        access.identity.credential()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "no credentials.*--os-cloud.*OS_AUTH_URL.*OS_TOKEN"),
        ({"OS_TOKEN": "t"}, "OS_PROJECT_ID"),
        ({"OS_TOKEN": "t", "OS_PROJECT_ID": "../x"}, "is not a project id"),
        ({"OS_CLOUD": "nowhere"}, "nowhere.*not in clouds.yaml"),
        ({"OS_AUTH_URL": "http://iam.example.com/v3"}, "use https"),
        ({"OS_AUTH_URL": "iam"}, "is not an address"),
    ],
)
def test_incomplete_credentials_say_what_is_missing(
    environ: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, half of it, or an unknown cloud: the sentence says what to set."""
    set_all(monkeypatch, environ)
    with pytest.raises(ConfigurationError, match=words):
        sign_in(AccessRequest(endpoint="https://gaussdb.eu-de.otc.t-systems.com"), environ)


def test_a_bundle_that_is_not_there_is_named(home: Path) -> None:
    """OS_CACERT that names no file is a setting to mend."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT, "OS_CACERT": str(home / "no.pem")}
    with pytest.raises(ConfigurationError, match=r"no\.pem.*OS_CACERT"):
        sign_in(AccessRequest(region="eu-de"), environ)


def test_a_password_that_is_missing_is_named(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but the password: the sentence says where it belongs."""
    monkeypatch.delenv("OS_PASSWORD", raising=False)
    variables = os_variables(emulator)
    for environ in (_without_password(variables), {**variables, "OS_PASSWORD": ""}):
        set_all(monkeypatch, environ)
        with pytest.raises(ConfigurationError, match=r"no password.*OS_PASSWORD"):
            sign_in(AccessRequest(endpoint=emulator.endpoint), environ)


def _without_password(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "OS_PASSWORD"}


def test_a_token_beside_a_password_is_a_contradiction(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OS_TOKEN with OS_AUTH_URL and a password: which one is meant must be said."""
    variables = set_all(monkeypatch, {**os_variables(emulator), "OS_TOKEN": "some-token"})
    with pytest.raises(ConfigurationError, match="OS_TOKEN"):
        sign_in(AccessRequest(endpoint=emulator.endpoint), variables)


@pytest.mark.parametrize(
    ("text", "words"),
    [("clouds: [", "clouds.yaml cannot be read"), ("clouds:\n  shop:\n    auth: x\n", "shop")],
)
def test_a_clouds_yaml_that_is_none_is_named(home: Path, text: str, words: str) -> None:
    """Broken YAML, or a cloud that is none, is told apart from a file that is missing."""
    (home / "clouds.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        sign_in(AccessRequest(os_clouds=("shop",)), {})


def test_a_region_leads_to_the_address(emulator: Emulator) -> None:
    """Without --endpoint the usual address of the region is called."""
    environ = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-nl"}
    (access,) = sign_in(AccessRequest(), environ).accesses
    assert access.endpoint == "https://gaussdb.eu-nl.otc.t-systems.com"
    assert access.region == "eu-nl"


def test_neither_address_nor_region_is_an_error() -> None:
    """With nothing to go by, the sentence asks for either."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT}
    with pytest.raises(ConfigurationError, match="--endpoint, or --region"):
        sign_in(AccessRequest(), environ)


def test_a_strange_address_needs_a_region() -> None:
    """Rows carry their region, so it is not guessed."""
    environ = {"OS_TOKEN": "t", "OS_PROJECT_ID": PROJECT}
    with pytest.raises(ConfigurationError, match="--region"):
        sign_in(AccessRequest(endpoint="https://gaussdb.example.com"), environ)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # it is what OS_INSECURE asks for
def test_an_own_ca_is_trusted_and_a_stranger_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OS_CACERT and cacert of clouds.yaml hold for IAM and service, whatever else is around."""
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
            trusting.http.trust_env = True  # as for a service that is not on this machine
            assert count_tasks(trusting) == 1
        (stranger,) = sign_in(request, token).accesses
        with pytest.raises(ConfigurationError, match="OS_CACERT"):
            count_tasks(stranger)


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that notes what it is asked for and refuses; its address, and its notes."""
    noted: list[bytes] = []

    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            noted.extend(iter(self.rfile.readline, b"\r\n"))
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", noted
        server.shutdown()
        thread.join()


def test_a_proxy_is_asked_to_connect(
    proxy: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is used for the service, as a tunnel: it does not see the token."""
    url, noted = proxy
    monkeypatch.setenv("HTTPS_PROXY", url)
    environ = {"OS_TOKEN": "a-token-to-hide", "OS_PROJECT_ID": PROJECT, "OS_REGION_NAME": "eu-de"}
    (access,) = sign_in(AccessRequest(), environ).accesses
    with pytest.raises(ServiceError, match="no answer"):
        count_tasks(access)
    assert noted[0].startswith(b"CONNECT gaussdb.eu-de.otc.t-systems.com:443 ")
    assert all(b"a-token-to-hide" not in line for line in noted)


def test_what_stays_on_this_machine_goes_through_no_proxy(
    home: Path,
    emulator: Emulator,
    proxy: tuple[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token for a loopback address is not carried out of the machine by HTTP_PROXY."""
    url, noted = proxy
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("ALL_PROXY", url)
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    assert count_tasks(access) == 1
    assert noted == []


def test_nothing_secret_is_logged(
    home: Path, emulator: Emulator, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at its loudest, neither password nor token is heard."""
    caplog.set_level(logging.DEBUG)
    write_clouds(home, emulator)
    (access,) = sign_in(AccessRequest(os_clouds=("shop",)), {}).accesses
    count_tasks(access)
    clock.advance(HOUR)
    said = caplog.text
    assert ACCOUNT.password not in said
    credential = access.identity.credential()
    assert isinstance(credential, TokenCredential)
    assert credential.token not in said
