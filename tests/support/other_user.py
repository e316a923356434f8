"""Run the command line as a user without the rights of the tests' own user."""

import multiprocessing
import os
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

import gaussdb_tasks
from tests.support.commands import run_command

USER_ID: Final = 65534
"""The user ``nobody``."""
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_MODULES: Final = [
    module.name
    for module in pkgutil.walk_packages(gaussdb_tasks.__path__, "gaussdb_tasks.")
    if not module.name.endswith("__main__")
]
_CONTEXT.set_forkserver_preload(["dlt", *_MODULES, "tests.support.killed_loads", __name__])

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@dataclass(frozen=True)
class OtherRun:
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that the user sees."""
        return self.stdout + self.stderr


def run_as_other_user(*arguments: str | Path, env: Mapping[str, str] | None = None) -> OtherRun:
    """Run ``gaussdb-tasks`` as another user, in the root folder."""
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(arguments, dict(env or {}), sender))
    process.start()
    sender.close()
    run: OtherRun = receiver.recv()
    process.join()
    return run


def _run(arguments: tuple[str | Path, ...], env: dict[str, str], sender: Connection) -> None:
    # Python and its libraries may lie where the other user cannot read: import them before.
    for name in _MODULES:
        import_module(name)
    os.chdir("/")
    os.setgroups([])
    os.setgid(USER_ID)
    os.setuid(USER_ID)
    run = run_command(*arguments, env={"HOME": "/nonexistent", **env})
    sender.send(OtherRun(run.exit_code, run.stdout, run.stderr))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users can enter; pytest closes those of ``tmp_path``."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
