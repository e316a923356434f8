"""Each example in the help of a command runs as it is written there."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support import postgres
from tests.support.commands import Command, contexts, isolated, run_command
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record
from tests.support.object_store import Bucket, make_place
from tests.support.watched_terminal import WatchedTerminal

FIRST_LOAD = NOW - 6 * DAY
PROGRAM = Path(sys.executable).parent
CLOUDS = Path(".config/openstack/clouds.yaml")


def examples() -> Iterator[str]:
    """Yield the examples in the help of each command; every command has one."""
    for context in contexts():
        text = context.command.help or ""
        found = re.findall(r"^ *((?:source <\()?gaussdb-tasks .+)$", text, re.MULTILINE)
        is_group = isinstance(context.command, click.Group)
        assert found or is_group, f"the help of {context.info_name} has no example"
        yield from found


EXAMPLES = sorted(set(examples()))
ON_A_TERMINAL = [line for line in EXAMPLES if "--watch" in line]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Serve two projects, with the task that the examples name."""
    tasks = [
        record(number, NOW - ago * DAY, NOW - ago * DAY + HOUR)
        for number, ago in enumerate((20, 10, 7, 5), 1)
    ]
    tasks[2]["job_id"] = "2a4bd738-dd24-4a6f-b64f-85f3bde70df4"
    running = record(5, NOW - HOUR, None)
    clock = SettableClock(NOW)
    world = FixedWorld({PROJECT: [*tasks, running], OTHER_PROJECT: []})
    with Emulator(world, clock=clock) as served:
        yield served


@pytest.fixture(scope="module")
def prepared(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the settings and keys of a user, and archives: one is signed."""
    folder = tmp_path_factory.mktemp("prepared")
    account = emulator.account
    clouds = folder / CLOUDS
    clouds.parent.mkdir(parents=True)
    sign_in = f"""
    region_name: eu-de
    gaussdb_endpoint_override: {emulator.endpoint}
    auth: {{auth_url: {emulator.auth_url}, username: {account.user}, password: {account.password},
           user_domain_name: {account.domain}, project_id: %s}}
"""
    clouds.write_text(
        f"clouds:\n  otc-prod:{sign_in % PROJECT}\n  otc-test:{sign_in % OTHER_PROJECT}\n"
    )
    for name in ("old", "new"):
        _write_key(folder / f"{name}.pem", folder / f"{name}.public.pem")
    shutil.copy(folder / "old.public.pem", folder / "audit.pem")
    with isolated(folder):
        for name, key in {"data": (), "signed": ("--signing-key", "old.pem")}.items():
            for at in (FIRST_LOAD, NOW):
                options = ("--os-cloud", "otc-prod", "--data-dir", name, *key, "--now", iso(at))
                # openstacksdk keeps the home directory of the first test that used it.
                env = {"OS_CLIENT_CONFIG_FILE": str(clouds)}
                run = run_command("load", *options, env=env)
                assert run.exit_code == 0, run.stderr
    return folder


def _write_key(private: Path, public: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    private.chmod(0o600)
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, info))


@pytest.fixture
def here(command: Command, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Enter a copy of the prepared folder."""
    assert command is not None
    shutil.copytree(prepared, Path.cwd(), dirs_exist_ok=True)
    monkeypatch.setenv("GAUSSDB_TASKS_NOW", iso(NOW))
    monkeypatch.setenv("OS_CLOUD", "otc-prod")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(Path.cwd() / CLOUDS))
    # The examples that run servers or loads of many tasks do so in small.
    monkeypatch.setenv("GAUSSDB_TASKS_PORT", "0")
    monkeypatch.setenv("GAUSSDB_TASKS_NIGHTS", "1")
    monkeypatch.setenv("GAUSSDB_TASKS_TASKS_PER_DAY", "3")
    return Path.cwd()


class Stopped:
    """An event for which nobody waits: Ctrl-C comes first."""

    def wait(self) -> None:
        """End the wait at once."""
        raise KeyboardInterrupt


@pytest.mark.parametrize("line", [each for each in EXAMPLES if each not in ON_A_TERMINAL])
def test_an_example_runs(
    command: Command,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    line: str,
) -> None:
    """In a folder with an archive; paths of the system stand below that folder."""
    words = _words(line, here)
    if "db.example" in line:
        server = on_server(request)
        words = [re.sub(r"postgresql://[^ /]+/\w+", server, word) for word in words]
    if "s3://audit" in line:
        make_place(request.getfixturevalue("object_store"), monkeypatch, here)
        request.getfixturevalue("object_store").buckets["audit"] = Bucket()
    for first in _commands_before(words, line, here):
        before = command(*first)
        assert before.exit_code == 0, before.stderr
    if words[0] == "schedule":
        monkeypatch.delenv("GAUSSDB_TASKS_NOW")
    if words[0] == "emulator":
        waiting = SimpleNamespace(Event=Stopped)
        monkeypatch.setattr("gaussdb_tasks.cli.commands.emulator.threading", waiting)
    _arrange_files(words, line, here)
    if "3f2a..." in words:
        words[words.index("3f2a...")] = _head(command)
    run = command(*words)
    assert run.exit_code == 0, run.stderr


def _arrange_files(words: list[str], line: str, here: Path) -> None:
    """Leave the files that the example finds."""
    if ".pem" in line:
        shutil.rmtree(here / "data")
        (here / "signed").rename(here / "data")
    if "new.pem --lost-key" in line:
        (here / "old.pem").unlink()
    if "rebuild" in words and not {"--replace", "--output", "--renormalise"} & set(words):
        (here / "data/gaussdb_tasks.duckdb").unlink()
        if "--from" in words:
            shutil.rmtree(here / "data")


def _commands_before(words: list[str], line: str, here: Path) -> Iterator[Sequence[str | Path]]:
    """Yield the commands that a user runs before the example."""
    if "s3://audit" in line:
        yield "load", "--archive-url", "s3://audit/gaussdb-tasks"
    if "--published" in words:
        yield "publish", "--to", words[-1]
    if words[0] == "publish" and "--status" in words:
        yield *words[:-1], "--data-path", here / "lake"
    if "/srv/shard-2" in line:
        yield "load", "--data-dir", here / "shard-1"
        yield "load", "--os-cloud", "otc-test", "--data-dir", here / "shard-2"


def on_server(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database of PostgreSQL."""
    if not postgres.IS_INSTALLED:
        pytest.skip("PostgreSQL is not installed")
    server: postgres.Server = request.getfixturevalue("publish_server")
    server.run("drop database if exists examples with (force)")
    server.run("create database examples")
    return server.url("examples")


def _head(command: Command) -> str:
    found = re.search(r"head ([0-9a-f]{64})", command("verify").stderr)
    assert found is not None
    return found[1]


def _words(line: str, here: Path) -> list[str]:
    """Return the arguments of the program in a line; a pipe and a redirection end them."""
    called = line.removeprefix("source <(").partition(" | ")[0].partition(" > ")[0].rstrip(")")
    places = {"/srv/gaussdb-tasks": f"{here}/data", "/srv/": f"{here}/", "/tmp/": f"{here}/"}  # noqa: S108 - of an example
    below = re.sub("|".join(places), lambda match: places[match[0]], called)
    return shlex.split(below)[1:]


@pytest.mark.parametrize("line", ON_A_TERMINAL)
def test_an_example_of_a_watch_runs(here: Path, line: str) -> None:
    """On a terminal; Ctrl-C ends it, and the emulator that started it."""
    variables = {"PATH": f"{PROGRAM}:/usr/bin:/bin", "OS_CLOUD": "otc-prod"}
    with WatchedTerminal(here, line, variables | {"GAUSSDB_TASKS_NOW": iso(NOW)}) as terminal:
        terminal.wait_for("Ctrl-C ends")
        assert terminal.interrupt() == 0
