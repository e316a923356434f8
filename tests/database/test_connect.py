"""Databases that are no files: DuckDB would wait for ever, or fail with a traceback."""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.database.connect import read_published
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
