"""Kill loads, each in its own process, and check the data and files that they leave.

The second of two loads is killed. It finds new tasks, a running task that ended, a deleted task,
and a record that is not a task.
"""

import multiprocessing
import multiprocessing.connection
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.cli import main
from gaussdb_tasks.database.data_dir import ARCHIVE_NAME, DATABASE_NAME, DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, iso
from tests.support.archive_contents import contents, evidence
from tests.support.crash_points import CrashPoint, is_distinct, killed_at, tracing
from tests.support.emulator_client import NOW, PROJECT, job_id, record
from tests.support.loads import EmulatorAddress, address_of, load
from tests.support.made_once import made_once

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["dlt", "gaussdb_tasks.load", __name__])

_PROCESSES: Final = threading.Lock()
_NOBODY_ID: Final = 65534
_MAX_WAIT_SECONDS: Final = 300

FIRST_LOAD: Final[Micros] = NOW - DAY
SECOND_LOAD: Final[Micros] = NOW


@dataclass(frozen=True)
class KillResult:
    """The state after a killed load, and the result of the next load.

    Attributes:
        was_killed: False if the load finished before the kill.
        is_published: whether the second load is published; None if neither load is.
        fault: the first difference from the expected state; None if there is none.
    """

    was_killed: bool
    is_published: bool | None
    fault: str | None


class KilledLoads:
    """Two loads of a small task center: the first is complete, the second can be killed."""

    def __init__(self, emulator: Emulator, root: Path, loaded: Path) -> None:
        self.emulator = emulator
        self._root = root
        self._first = loaded / "first"
        self.before = contents(self._first)
        self.after = contents(loaded / "second")

    def fresh_copy(self) -> Path:
        """Copy the data directory of the first load."""
        folder = Path(tempfile.mkdtemp(dir=self._root))
        shutil.copytree(self._first, folder, dirs_exist_ok=True)
        return folder

    def points(self) -> list[CrashPoint]:
        """Trace a complete second load; return its distinct points in order of time."""
        receiver, sender = _CONTEXT.Pipe(duplex=False)
        process = self._start(self.fresh_copy(), _traced_load, sender)
        sender.close()
        points: list[CrashPoint] = receiver.recv()
        process.join()
        return points

    def kill_at(self, point: CrashPoint) -> KillResult:
        """Kill the second load at a point, inspect, and run it again."""
        folder = self.fresh_copy()
        process = self._start(folder, _load_killed_at, point)
        return self._inspect(folder, _exit_code_of(process))

    def kill_during_call(self, number: int) -> KillResult:
        """Kill the second load while it waits for the answer to its n-th call."""
        folder = self.fresh_copy()
        calls_before = len(self.emulator.calls)
        is_killed = False
        started: list[multiprocessing.context.ForkServerProcess] = []
        ready, ended = threading.Event(), threading.Event()

        @self.emulator.before_page
        def kill(_query: object) -> None:
            nonlocal is_killed
            if not is_killed and len(self.emulator.calls) - calls_before >= number:
                is_killed = True
                assert ready.wait(_MAX_WAIT_SECONDS)
                started[0].kill()
                assert ended.wait(_MAX_WAIT_SECONDS)  # only one thread can read the exit code

        started.append(self._start(folder, _plain_load))
        ready.set()
        exit_code = _exit_code_of(started[0])
        ended.set()
        return self._inspect(folder, exit_code)

    def kill_after(self, seconds: float) -> KillResult:
        """Kill the second load after some time, inspect, and run it again."""
        folder = self.fresh_copy()
        process = self._start(folder, _plain_load)
        time.sleep(seconds)
        process.kill()
        return self._inspect(folder, _exit_code_of(process))

    def run_command(
        self, folder: Path, prepare: Callable[..., None], *arguments: Any, **variables: str
    ) -> tuple[int | None, str]:
        """Run the second load as a command; return its exit code and what it wrote to stderr.

        Args:
            folder: the data directory.
            prepare: a function that the process calls before the command, with its arguments.
            arguments: of the function.
            variables: further variables of the environment.
        """
        stderr = self._root / f"{folder.name}.stderr"
        process = self._start(folder, _command, stderr, variables, prepare, *arguments)
        return _exit_code_of(process), stderr.read_text()

    def load_as_other_user(self, folder: Path) -> str:
        """Load as a user without permissions on the folder; return the error."""
        receiver, sender = _CONTEXT.Pipe(duplex=False)
        process = self._start(folder, _load_without_rights, sender)
        sender.close()
        message: str = receiver.recv()
        process.join()
        return message

    def _start(
        self, folder: Path, target: Callable[..., None], *more: Any
    ) -> multiprocessing.context.ForkServerProcess:
        process = _CONTEXT.Process(target=target, args=(address_of(self.emulator), folder, *more))
        with _PROCESSES:
            process.start()
        return process

    def _inspect(self, folder: Path, exit_code: int | None) -> KillResult:
        was_killed = exit_code == -signal.SIGKILL
        if not was_killed and exit_code != 0:
            return KillResult(was_killed, None, f"it ended with {exit_code}")
        found = contents(folder)
        if found not in (self.before, self.after):
            return KillResult(
                was_killed, None, "neither the first nor the second load is published"
            )
        is_published = found == self.after
        next_load = self._start(folder, _plain_load)  # dlt works once at a time in a process
        fault = self._fault_after(folder, _exit_code_of(next_load))
        return KillResult(was_killed, is_published, fault)

    def _fault_after(self, folder: Path, exit_code: int | None) -> str | None:
        """Return how the next load differs from one without a kill; None if it does not."""
        if exit_code != 0:
            return f"the next load ended with {exit_code}"
        again = contents(folder)
        if evidence(again) != evidence(self.after):
            return "the data differ from those of a load that was not killed"
        left = [".lock", ARCHIVE_NAME, DATABASE_NAME]
        if sorted(entry.name for entry in folder.iterdir()) != left:
            return "files of the killed load are left"
        findings = verify(DataDir(folder), VerifyOptions()).findings
        if findings:
            return f"the archive is not complete: {findings[0]}"
        shutil.rmtree(folder)
        return None


def _exit_code_of(process: multiprocessing.context.ForkServerProcess) -> int | None:
    """Wait for a process to end, also while other threads start and wait for theirs.

    Starting a process polls all others, and an exit code can be read only once.
    """
    multiprocessing.connection.wait([process.sentinel])
    with _PROCESSES:
        process.join()
        return process.exitcode


@pytest.fixture(scope="module")
def killed_loads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledLoads]:
    """Serve the task center of two loads that were made once."""
    loaded = made_once(tmp_path_factory, "killed_loads", _load_twice)
    with prepare_killed_loads(tmp_path_factory.mktemp("survival"), loaded) as prepared:
        yield prepared


def _load_twice(folder: Path) -> None:
    """Run both loads without a kill: into ``first``, and into a copy of it."""
    world = _world_of_first_load()
    with Emulator(world, clock=SettableClock(SECOND_LOAD)) as emulator:
        load(emulator, folder / "first", FIRST_LOAD)
        _change_for_second_load(world)
        second = Path(shutil.copytree(folder / "first", folder / "second"))
        report = load(emulator, second, SECOND_LOAD)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION  # for the record that is not a task
    assert (report.total("vanished_count"), report.total("changed_count")) == (1, 1)


@contextmanager
def prepare_killed_loads(root: Path, loaded: Path) -> Iterator[KilledLoads]:
    """Serve the task center as the second load finds it.

    Args:
        root: a folder for copies.
        loaded: the folder with both loads; they are made if it is empty.
    """
    if not any(loaded.iterdir()):
        _load_twice(loaded)
    world = _world_of_first_load()
    _change_for_second_load(world)
    with Emulator(world, clock=SettableClock(SECOND_LOAD)) as emulator:
        yield KilledLoads(emulator, root, loaded)


def _world_of_first_load() -> FixedWorld:
    tasks = [
        record(number, FIRST_LOAD - number * HOUR, FIRST_LOAD - number * HOUR + 10 * MINUTE)
        for number in range(1, 240)
    ]
    return FixedWorld({PROJECT: [*tasks, record(500, FIRST_LOAD - HOUR, None)]})


def sample(points: list[CrashPoint], count: int, seed: int = 0) -> list[CrashPoint]:
    """Choose some of the points."""
    choice = random.Random(seed)  # noqa: S311 - a choice, not a secret
    return choice.sample(points, min(count, len(points)))


def _change_for_second_load(world: FixedWorld) -> None:
    world.add(PROJECT, *(record(1000 + n, SECOND_LOAD - n * MINUTE) for n in range(60, 120)))
    world.add(PROJECT, {"job_id": "odd", "created_at": "some day", "status": "Completed"})
    world.replace(PROJECT, record(500, FIRST_LOAD - HOUR, FIRST_LOAD + HOUR))
    world.remove(PROJECT, job_id(77))


def _plain_load(address: EmulatorAddress, folder: Path) -> None:
    load(address, folder, SECOND_LOAD)


def stop_at(place: str, number: int) -> None:
    """Send a signal to this process when a function is called for the first time."""

    def trace(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code.co_qualname == place:
            sys.settrace(None)
            threading.settrace(None)
            os.kill(os.getpid(), number)

    sys.settrace(trace)
    threading.settrace(trace)


def limit_files(size: int) -> None:
    """Let this process write no larger file than this number of bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _command(
    address: EmulatorAddress,
    folder: Path,
    stderr: Path,
    variables: Mapping[str, str],
    prepare: Callable[..., None],
    *arguments: Any,
) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    os.environ |= {
        "GAUSSDB_TASKS_ENDPOINT": address.endpoint,
        "GAUSSDB_TASKS_NOW": iso(SECOND_LOAD),
        "GAUSSDB_TASKS_REGION": "eu-de",
        "OS_TOKEN": address.token,
        "OS_PROJECT_ID": PROJECT,
        **variables,
    }
    tempfile.tempdir = None  # found again, in TMPDIR
    os.dup2(os.open(stderr, os.O_CREAT | os.O_WRONLY), 2)
    sys.argv = ["gaussdb-tasks", "load", "--data-dir", str(folder)]
    prepare(*arguments)
    main()


def _load_without_rights(address: EmulatorAddress, folder: Path, sender: Connection) -> None:
    if os.geteuid() == 0:  # root has all permissions
        os.setgroups([])
        os.setgid(_NOBODY_ID)
        os.setuid(_NOBODY_ID)
    try:
        load(address, folder, SECOND_LOAD)
    except GaussdbTasksError as error:
        sender.send(f"{type(error).__name__}: {error}")


def _load_killed_at(address: EmulatorAddress, folder: Path, point: CrashPoint) -> None:
    with killed_at(point):
        load(address, folder, SECOND_LOAD)


def _traced_load(address: EmulatorAddress, folder: Path, sender: Connection) -> None:
    points: list[CrashPoint] = []
    with tracing(points.append):
        load(address, folder, SECOND_LOAD)
    sender.send([point for point in points if is_distinct(point)])
