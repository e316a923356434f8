"""Running the command line inside the test's process, as a user would from a shell."""

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from gaussdb_tasks.cli import main
from gaussdb_tasks.emulator import Emulator


@dataclass(frozen=True)
class Run:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        """The last thing it said on stderr."""
        return self.stderr.rstrip("\n").rpartition("\n")[2]


class Command(Protocol):
    """Runs the command with some arguments; ``env`` adds to the environment."""

    def __call__(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
        """Return how it ended and what it wrote."""


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Command]:
    """Run ``gaussdb-tasks`` in an empty folder, with none of the machine's own settings."""
    for name in os.environ:
        if name.startswith(("OS_", "GAUSSDB_TASKS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Run:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["gaussdb-tasks", *map(str, arguments)])
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            exit_code = _exit_code()
        captured = capsys.readouterr()
        return Run(exit_code, captured.out, captured.err)

    umask = os.umask(0o022)
    os.umask(umask)
    yield run
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def token_env(emulator: Emulator, *project_ids: str) -> dict[str, str]:
    """Set the environment of a user who has a ready token for an emulator."""
    ids = project_ids or tuple(emulator.project_ids)
    return {
        "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
        "GAUSSDB_TASKS_PROJECT_ID": " ".join(ids),
        "OS_TOKEN": emulator.token,
    }


def _exit_code() -> int:
    try:
        main()
    except SystemExit as leaving:
        code: Any = leaving.code
        return int(code or 0)
