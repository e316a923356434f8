"""A load that is stopped or cannot write ends at once and does not change the database."""

import signal
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from tests.support.archive_contents import contents
from tests.support.killed_loads import KilledLoads, limit_files, stop_at

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
    code, stderr = killed_loads.run_command(folder, stop_at, place, number)
    assert code == 128 + number, stderr
    assert stderr.strip().startswith("gaussdb-tasks: stopped")
    assert stderr.strip().count("\n") == 0
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
    code, stderr = killed_loads.run_command(folder, limit_files, limit, TMPDIR=str(temporary))
    assert code == 1, stderr
    assert "Traceback" not in stderr
    assert "check its disk" in stderr
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
