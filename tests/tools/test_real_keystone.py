"""Sign in to a real Keystone, with usual settings, revoked tokens and wrong passwords."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import requests

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.emulator.credentials import Grant, TokenStore
from gaussdb_tasks.model.times import HOUR, iso
from tests.support import ROOT
from tests.support.commands import Command
from tests.support.emulator_client import NOW, record
from tests.support.loads import rows
from tests.support.tool_environments import KEYSTONE, environment

PASSWORD: Final = "open sesame"
SHOP, FINANCE = "eu-de_shop", "eu-de_finance"
_SERVICE: Final = ROOT / "tests/support/keystone_service.py"
_CONFIGURATION: Final = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/keys
[receipt]
key_repository = {folder}/keys
[credential]
key_repository = {folder}/credential-keys
"""


@dataclass(frozen=True)
class Keystone:
    """A Keystone with a user and two projects (ids by name)."""

    url: str
    projects: dict[str, str]

    def user(self, **more: str) -> dict[str, str]:
        """Return the environment variables of its user."""
        return {
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": "ada",
            "OS_PASSWORD": PASSWORD,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "eu-de",
            **more,
        }


class KeystoneTokens(TokenStore):
    """Let the emulator check tokens at a Keystone; revoke every nth token first."""

    def __init__(self, keystone: Keystone) -> None:
        super().__init__()
        self.keystone = keystone
        self.revokes_every: int | None = None
        self.seen: list[str] = []

    def spend(self, token: str) -> Grant | None:
        """Return the project of a token, or None if Keystone refuses it."""
        self.seen.append(token)
        if self.revokes_every is not None and len(self.seen) % self.revokes_every == 0:
            self._call("DELETE", token)
        answer = self._call("GET", token)
        if answer.status_code != 200:
            return None
        return Grant(frozenset({answer.json()["token"]["project"]["id"]}))

    def _call(self, method: str, token: str) -> requests.Response:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        with requests.Session() as http:
            http.trust_env = False
            return http.request(
                method, f"{self.keystone.url}/auth/tokens", headers=headers, timeout=60
            )


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """Set up a Keystone and serve it."""
    python = environment(KEYSTONE).python
    folder = tmp_path_factory.mktemp("keystone")
    (folder / "keystone.conf").write_text(_CONFIGURATION.format(folder=folder))
    for keys in ("keys", "credential-keys"):
        (folder / keys).mkdir(mode=0o700)
    manage: list[str | Path] = [
        python.with_name("keystone-manage"),
        "--config-file",
        folder / "keystone.conf",
    ]
    bootstrap = [
        *("--bootstrap-username", "ada", "--bootstrap-password", PASSWORD),
        *("--bootstrap-project-name", SHOP, "--bootstrap-region-id", "eu-de"),
    ]
    for arguments in (
        ["db_sync"],
        ["fernet_setup", "--keystone-user", _me(), "--keystone-group", _my_group()],
        ["bootstrap", *bootstrap],
    ):
        subprocess.run([*manage, *arguments], capture_output=True, check=True)
    with (
        (folder / "errors.log").open("w") as errors,
        subprocess.Popen(
            [python, _SERVICE, folder], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as server,
    ):
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, (folder / "errors.log").read_text()
        url = f"http://127.0.0.1:{port}/v3"
        yield Keystone(url, _projects(url))
        server.terminate()


def _me() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607


def _my_group() -> str:
    return subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607


def _projects(url: str) -> dict[str, str]:
    """Create a second project for the user; return the ids of both."""
    user = {"name": "ada", "password": PASSWORD, "domain": {"id": "default"}}
    scope = {"project": {"name": SHOP, "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    with requests.Session() as http:
        http.trust_env = False
        body = {"auth": {"identity": identity, "scope": scope}}
        signed_in = http.post(f"{url}/auth/tokens", json=body, timeout=60)
        http.headers["X-Auth-Token"] = signed_in.headers["X-Subject-Token"]
        token = signed_in.json()["token"]
        project = {"project": {"name": FINANCE, "domain_id": "default"}}
        finance = http.post(f"{url}/projects", json=project, timeout=60).json()["project"]["id"]
        role = token["roles"][0]["id"]
        path = f"{url}/projects/{finance}/users/{token['user']['id']}/roles/{role}"
        http.put(path, timeout=60).raise_for_status()
        return {SHOP: token["project"]["id"], FINANCE: finance}


@pytest.fixture
def tokens(keystone: Keystone) -> KeystoneTokens:
    """The tokens that the emulator accepts."""
    return KeystoneTokens(keystone)


@pytest.fixture
def emulator(keystone: Keystone, tokens: KeystoneTokens) -> Iterator[Emulator]:
    """A task center with 250 tasks in one project and one in the other."""
    records = [record(n, NOW - n * HOUR, NOW - n * HOUR + HOUR // 2) for n in range(1, 251)]
    world = FixedWorld(
        {keystone.projects[SHOP]: records, keystone.projects[FINANCE]: [record(999)]}
    )
    with Emulator(world, clock=SettableClock(NOW)) as served:
        object.__setattr__(served._authenticator, "tokens", tokens)
        yield served


def load(
    command: Command, emulator: Emulator, *options: str, env: dict[str, str]
) -> tuple[int, str]:
    """Run a load; return its exit code and stderr."""
    run = command("load", "--endpoint", emulator.endpoint, "--now", iso(NOW), *options, env=env)
    return run.exit_code, run.stderr


def task_counts(folder: Path) -> list[tuple[object, ...]]:
    """Return the number of tasks in the archive of each project."""
    return rows(folder / "data", "select project_id, count(*) from tasks group by all order by 2")


def test_a_project_by_its_id(
    command: Command, keystone: Keystone, emulator: Emulator, tmp_path: Path
) -> None:
    """OS_PROJECT_ID and a password give access to that project."""
    env = keystone.user(OS_PROJECT_ID=keystone.projects[FINANCE])
    assert load(command, emulator, env=env)[0] == 0
    assert task_counts(tmp_path) == [(keystone.projects[FINANCE], 1)]


def test_a_project_by_its_name(
    command: Command, keystone: Keystone, emulator: Emulator, tmp_path: Path
) -> None:
    """OS_PROJECT_NAME with its domain gives access to that project."""
    env = keystone.user(OS_PROJECT_NAME=FINANCE, OS_PROJECT_DOMAIN_NAME="Default")
    assert load(command, emulator, env=env)[0] == 0
    assert task_counts(tmp_path) == [(keystone.projects[FINANCE], 1)]


def test_all_projects(
    command: Command, keystone: Keystone, emulator: Emulator, tmp_path: Path
) -> None:
    """`--all-projects` loads both projects."""
    code, stderr = load(command, emulator, "--all-projects", env=keystone.user())
    assert code == 0, stderr
    assert task_counts(tmp_path) == [
        (keystone.projects[FINANCE], 1),
        (keystone.projects[SHOP], 250),
    ]


def test_revoked_tokens(
    command: Command,
    keystone: Keystone,
    emulator: Emulator,
    tokens: KeystoneTokens,
    tmp_path: Path,
) -> None:
    """If every third call revokes its token, the load requests new ones and is complete."""
    tokens.revokes_every = 3
    env = keystone.user(OS_PROJECT_ID=keystone.projects[SHOP])
    code, stderr = load(command, emulator, "--connections", "1", env=env)
    assert code == 0, stderr
    assert task_counts(tmp_path) == [(keystone.projects[SHOP], 250)]
    assert len(set(tokens.seen)) > 1


def test_a_wrong_password(command: Command, keystone: Keystone, emulator: Emulator) -> None:
    """The message names the settings to check, without the password; the exit code is 2."""
    env = keystone.user(OS_PROJECT_ID=keystone.projects[SHOP], OS_PASSWORD="no such password")
    code, stderr = load(command, emulator, env=env)
    assert code == 2
    assert "check user, password and domain" in stderr
    assert "no such password" not in stderr


def test_unknown_project(command: Command, keystone: Keystone, emulator: Emulator) -> None:
    """A project name that does not exist gives exit code 2."""
    env = keystone.user(OS_PROJECT_NAME="eu-de_nobody", OS_PROJECT_DOMAIN_NAME="Default")
    assert load(command, emulator, env=env)[0] == 2


def test_clouds_yaml(
    command: Command,
    keystone: Keystone,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two clouds of clouds.yaml are loaded, with the password from a file."""
    clouds = "".join(
        f"""
  {cloud}:
    region_name: eu-de
    auth:
      auth_url: {keystone.url}
      username: ada
      user_domain_name: Default
      project_name: {project}
      project_domain_name: Default
"""
        for cloud, project in (("shop", SHOP), ("finance", FINANCE))
    )
    (tmp_path / "clouds.yaml").write_text(f"clouds:{clouds}")
    (tmp_path / "os_password").write_text(f"{PASSWORD}\n")
    (tmp_path / "os_password").chmod(0o600)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    env = {"OS_PASSWORD_FILE": str(tmp_path / "os_password")}
    options = ("--os-cloud", "shop", "--os-cloud", "finance")
    code, stderr = load(command, emulator, *options, env=env)
    assert code == 0, stderr
    assert [count for _, count in task_counts(tmp_path)] == [1, 250]
