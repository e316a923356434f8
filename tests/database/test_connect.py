"""Databases that are no files: DuckDB would wait for ever. The memory of a load's database."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import pytest

from gaussdb_tasks.database.connect import (
    bounded_memory,
    memory_bound,
    read_published,
    sparing,
    writable_clone,
)
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import ConfigurationError


@pytest.mark.parametrize("opening", [read_published, read_untrusted])
@pytest.mark.parametrize("suffix", ["", ".wal"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_is_refused(
    tmp_path: Path, opening: Callable[[Path], object], suffix: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "gaussdb_tasks.duckdb"
    if suffix:
        duckdb.connect(path).close()
    make(tmp_path / f"{path.name}{suffix}")
    with pytest.raises(ConfigurationError, match="is not a file"), opening(path):  # type: ignore[attr-defined]
        pass


CONNECTIONS: Final = """
import sys
from pathlib import Path
import duckdb
from gaussdb_tasks.archive.file_queries import open_for_files
from gaussdb_tasks.database import connect
from gaussdb_tasks.database.untrusted import read_untrusted

def shown(connection):
    ((value,),) = connection.execute("select current_setting('enable_progress_bar')").fetchall()
    return value

new, published = Path("new.duckdb"), Path("published.duckdb")
with duckdb.connect(published) as connection:
    connection.execute("create schema task_center")
    connection.execute("create table task_center.load_runs (run_id varchar)")
openings = {
    "duckdb itself": duckdb.connect(),
    "in memory": connect.open_empty(None),
    "for files": open_for_files(),
    "new file": connect.writable_clone(None, new),
    "published": connect.read_published(published),
    "untrusted": read_untrusted(published),
}
for name, opening in openings.items():
    with opening as connection:
        print(name, shown(connection), shown(connection.cursor()), sep=": ")
"""


def test_no_connection_prints_progress_in_a_process_that_runs_no_file(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CONNECTIONS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    own, *others = ended.stdout.splitlines()
    assert own == "duckdb itself: True: False"  # else this test shows nothing
    assert [each.partition(": ")[2] for each in others] == ["False: False"] * 5


_MIB, _GIB = 1024**2, 1024**3


@pytest.mark.parametrize(
    ("duckdb_limit", "ulimit", "expected"),
    [
        pytest.param(64 * _GIB, resource.RLIM_INFINITY, 128 * _MIB, id="a large machine"),
        pytest.param(_GIB, resource.RLIM_INFINITY, 128 * _MIB, id="a small container"),
        pytest.param(64 * _GIB, _GIB, 128 * _MIB, id="ulimit -v"),
        pytest.param(100 * _MIB, resource.RLIM_INFINITY, 64 * _MIB, id="hardly any memory"),
    ],
)
def test_the_memory_of_a_load_follows_what_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch, duckdb_limit: int, ulimit: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (ulimit, resource.RLIM_INFINITY))
    assert memory_bound(duckdb_limit) == expected


def test_a_large_insertion_has_one_thread(tmp_path: Path) -> None:
    """Two would take twice the CPU time. The limits end with the block."""
    sql = "select current_setting('threads'), current_setting('memory_limit')"
    with writable_clone(None, tmp_path / "clone.duckdb") as connection:
        ((threads, limit),) = connection.execute(sql).fetchall()
        with sparing(connection):
            ((threads_within, limit_within),) = connection.execute(sql).fetchall()
        assert connection.execute(sql).fetchall() == [(threads, limit)]
    assert threads_within == 1
    assert limit_within != limit


def test_what_exceeds_the_memory_is_beside_the_clone(tmp_path: Path) -> None:
    """The clone is in the scratch folder. The bound ends with the block."""
    sql = "select current_setting('memory_limit'), current_setting('temp_directory')"
    with writable_clone(None, tmp_path / "clone.duckdb") as connection:
        before = connection.execute(sql).fetchall()
        with bounded_memory(connection):
            ((limit, folder),) = connection.execute(sql).fetchall()
        assert connection.execute(sql).fetchall() == before
    assert float(limit.removesuffix(" MiB")) <= 256
    assert Path(folder).parent == tmp_path
