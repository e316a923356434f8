"""Run the command line inside the test's process, like a user in a shell."""

import contextlib
import io
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import pytest

from gaussdb_tasks.cli import cli, main
from gaussdb_tasks.emulator import Account, Emulator


@dataclass(frozen=True)
class Run:
    """The result of a command."""

    exit_code: int
    stdout_bytes: bytes
    stderr: str

    @property
    def stdout(self) -> str:
        """Everything on stdout, as text."""
        return self.stdout_bytes.decode()

    @property
    def last_line(self) -> str:
        """The last line on stderr."""
        return self.stderr.rstrip("\n").rpartition("\n")[2]


class Command(Protocol):
    """Runs ``gaussdb-tasks`` with some arguments; ``env`` is added to the environment."""

    def __call__(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
        """Return the exit code and the output."""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """Run ``gaussdb-tasks`` in an empty folder, without the machine's settings."""
    with isolated(tmp_path):
        yield run_command


@contextmanager
def isolated(folder: Path) -> Iterator[None]:
    """Enter a folder without the machine's settings; restore the process's state afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    umask = os.umask(0o022)
    os.umask(umask)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("OS_", "GAUSSDB_TASKS_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.delenv("COLUMNS", raising=False)
        patch.setenv("HOME", str(folder))
        patch.chdir(folder)
        try:
            yield
        finally:
            os.umask(umask)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def run_command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
    """Run ``gaussdb-tasks`` in the current folder and capture its output."""
    stdout, stderr = _Stream(), _Stream()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        patch.setattr("sys.argv", ["gaussdb-tasks", *map(str, arguments)])
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        exit_code = _exit_code()
    return Run(exit_code, stdout.content(), stderr.content().decode())


def token_env(emulator: Emulator, *project_ids: str) -> dict[str, str]:
    """Return the environment of a user with a valid token for an emulator."""
    ids = project_ids or tuple(emulator.project_ids)
    return {
        "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
        "GAUSSDB_TASKS_PROJECT_ID": " ".join(ids),
        "OS_TOKEN": emulator.token,
    }


def password_env(emulator: Emulator, account: Account, **more: str) -> dict[str, str]:
    """Return the environment of a user who signs in to an emulator with a password."""
    return {
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": account.user,
        "OS_PASSWORD": account.password,
        "OS_USER_DOMAIN_NAME": account.domain,
        "OS_REGION_NAME": "eu-de",
        **more,
    }


class _Stream(io.TextIOWrapper):
    """A text stream on a byte buffer, like stdout."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")

    def content(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


def _exit_code() -> int:
    try:
        main()
    except SystemExit as exit_:
        code: Any = exit_.code
        return int(code or 0)


def command_named(name: str) -> click.Command:
    """Import a command of the program, and no other one."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def contexts(parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the contexts of the program and of all its commands, each with its parent.

    click keeps the help option that the first context of a command had, so they are whole.
    """
    context = parent or click.Context(cli, info_name="gaussdb-tasks", **cli.context_settings)
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from contexts(click.Context(command, info_name=name, parent=context))
