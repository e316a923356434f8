"""Databases that are no files: DuckDB would wait for ever. The memory of a load's database."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.database.connect import bound_memory, read_published, writable_clone
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


_GIB = 1024**3


@pytest.mark.parametrize(
    ("duckdb_limit", "ulimit", "expected"),
    [
        pytest.param("64 GiB", resource.RLIM_INFINITY, "256.0 MiB", id="a large machine"),
        pytest.param("1 GiB", resource.RLIM_INFINITY, "128.0 MiB", id="a small container"),
        pytest.param("64 GiB", _GIB, "128.0 MiB", id="ulimit -v"),
        pytest.param("100 MiB", resource.RLIM_INFINITY, "64.0 MiB", id="hardly any memory"),
    ],
)
def test_the_memory_of_a_load_follows_what_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    duckdb_limit: str,
    ulimit: int,
    expected: str,
) -> None:
    """What does not fit is spilled beside the clone, which is in the scratch folder."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (ulimit, resource.RLIM_INFINITY))
    with writable_clone(None, tmp_path / "clone.duckdb") as connection:
        connection.execute(f"set memory_limit = '{duckdb_limit}'")
        bound_memory(connection)
        names = ("memory_limit", "temp_directory")
        (limit,), (folder,) = (
            connection.execute("select current_setting(?)", [name]).fetchall()[0] for name in names
        )
    assert limit == expected
    assert Path(folder).parent == tmp_path
