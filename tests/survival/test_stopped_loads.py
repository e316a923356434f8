"""A load that is stopped or cannot write ends at once and does not change the database."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import iso
from tests.support.archive_contents import contents
from tests.support.emulator_client import PROJECT
from tests.support.killed_loads import SECOND_LOAD, KilledLoads, prepare_killed_loads

# Sends a signal to its own process when a function is called for the first time.
_STOP_AT = """
import os, sys, threading
place, number = sys.argv.pop(1), int(sys.argv.pop(1))
def trace(frame, event, _argument):
    if frame.f_code.co_qualname == place:
        sys.settrace(None)
        threading.settrace(None)
        os.kill(os.getpid(), number)
sys.settrace(trace)
threading.settrace(trace)
from gaussdb_tasks.cli import main
main()
"""


@pytest.fixture(scope="module")
def killed_loads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledLoads]:
    with prepare_killed_loads(tmp_path_factory.mktemp("survival")) as prepared:
        yield prepared


def environment(killed_loads: KilledLoads) -> dict[str, str]:
    """Return the environment variables of the second load."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        "GAUSSDB_TASKS_ENDPOINT": killed_loads.emulator.endpoint,
        "GAUSSDB_TASKS_NOW": iso(SECOND_LOAD),
        "GAUSSDB_TASKS_REGION": "eu-de",
        "OS_TOKEN": killed_loads.emulator.token,
        "OS_PROJECT_ID": PROJECT,
    }


# Each function with one signal, or none: `make test-thorough` sends both.
PLACES: Final = {
    "DataDir.scratch": signal.SIGTERM,
    "Pager.read": signal.SIGINT,
    "Load.run": None,
    "DuckDbSqlClient.execute_query": signal.SIGINT,
    "apply_views": signal.SIGTERM,
}


@pytest.mark.parametrize(
    ("place", "number"),
    [
        pytest.param(place, number, marks=() if number is usual else pytest.mark.thorough)
        for place, usual in PLACES.items()
        for number in (signal.SIGINT, signal.SIGTERM)
    ],
)
def test_stopped_at_a_step(killed_loads: KilledLoads, place: str, number: signal.Signals) -> None:
    """One line on stderr, exit code 128 + signal, no files left, an unchanged database."""
    folder = killed_loads.fresh_copy()
    run = subprocess.run(
        [sys.executable, "-c", _STOP_AT, place, str(int(number)), "load", "--data-dir", folder],
        env=environment(killed_loads),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 128 + number, run.stderr
    assert run.stderr.strip().startswith("gaussdb-tasks: stopped")
    assert run.stderr.strip().count("\n") == 0
    assert contents(folder) == killed_loads.before
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "archive",
        "gaussdb_tasks.duckdb",
    ]
    with DataDir(folder).locked():
        pass


@pytest.mark.parametrize(
    "megabytes",
    [0.1, *(pytest.param(size, marks=pytest.mark.thorough) for size in (1, 2)), 3],
)
def test_out_of_space(killed_loads: KilledLoads, megabytes: float, tmp_path: Path) -> None:
    """A file size limit, as on a full disk: exit code 1, an unchanged database."""
    folder = killed_loads.fresh_copy()
    limit = int(megabytes * 1024**2)
    before = DataDir(folder).database.read_bytes()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", "load", "--data-dir", folder],
        env={**environment(killed_loads), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert "check its disk" in run.stderr
    assert DataDir(folder).database.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "archive",
        "gaussdb_tasks.duckdb",
    ]
    assert list(temporary.iterdir()) == []


def test_no_permission(killed_loads: KilledLoads, tmp_path: Path) -> None:
    """A user without write permission gets the cause, and nothing is written."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    refusal = killed_loads.load_as_other_user(closed / "new")
    assert refusal.startswith("ConfigurationError: the data directory")
    assert "cannot be written" in refusal
    assert "(Permission denied)" in refusal
    assert list(closed.iterdir()) == []
