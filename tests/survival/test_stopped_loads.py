"""A load that is stopped, or cannot write, ends at once and leaves the database as it was."""

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
from tests.support.doomed_loads import SECOND_LOAD, Stage, stage
from tests.support.emulator_client import PROJECT

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
def survival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("survival")) as prepared:
        yield prepared


def environment(survival: Stage) -> dict[str, str]:
    """Return the environment variables of the second load."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        "GAUSSDB_TASKS_ENDPOINT": survival.emulator.endpoint,
        "GAUSSDB_TASKS_NOW": iso(SECOND_LOAD),
        "GAUSSDB_TASKS_REGION": "eu-de",
        "OS_TOKEN": survival.emulator.token,
        "OS_PROJECT_ID": PROJECT,
    }


# Each place with one signal; the other one is tried by `make test-thorough`.
PLACES: Final = {
    "DataDir.scratch": signal.SIGTERM,
    "Pager.walk": signal.SIGINT,
    "Load.run": signal.SIGTERM,
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
def test_stopped_at_a_step(survival: Stage, place: str, number: signal.Signals) -> None:
    """One sentence, exit code 128 + signal; nothing is left, the database is as it was."""
    folder = survival.fresh_copy()
    run = subprocess.run(
        [sys.executable, "-c", _STOP_AT, place, str(int(number)), "load", "--data-dir", folder],
        env=environment(survival),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 128 + number, run.stderr
    assert run.stderr.strip().startswith("gaussdb-tasks: stopped")
    assert run.stderr.strip().count("\n") == 0
    assert contents(folder) == survival.before
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
def test_out_of_space(survival: Stage, megabytes: float, tmp_path: Path) -> None:
    """No file may grow beyond a limit, as on a full disk: exit 1, nothing changed."""
    folder = survival.fresh_copy()
    limit = int(megabytes * 1024**2)
    before = DataDir(folder).database.read_bytes()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", "load", "--data-dir", folder],
        env={**environment(survival), "TMPDIR": str(temporary)},
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


def test_no_permission(survival: Stage, tmp_path: Path) -> None:
    """A user without write permission gets the reason, and nothing is changed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    refusal = survival.load_as_somebody_else(closed / "new")
    assert refusal.startswith("ConfigurationError: the data directory")
    assert "cannot be written (Permission denied)" in refusal
    assert list(closed.iterdir()) == []
