"""A data directory of somebody else: nothing outside is created or changed."""

import os
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir, refuse_own_path
from gaussdb_tasks.errors import ConfigurationError

FILES = ("gaussdb_tasks.duckdb", ".lock", "archive-copies.json")


@pytest.mark.parametrize("name", [*FILES, ".scratch"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_place_of_an_own_file_is_refused(
    tmp_path: Path, name: str, *, exists: bool
) -> None:
    """Also a link to nothing: opening it would create a file elsewhere."""
    outside, folder = tmp_path / "outside", tmp_path / "data"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    if exists:
        outside.write_bytes(b"not yours")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        DataDir(folder).prepare()
    assert not DataDir(folder).is_locked()
    assert outside.exists() is exists
    assert not exists or outside.read_bytes() == b"not yours"


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_or_folder_in_place_of_an_own_file_is_refused(tmp_path: Path, name: str) -> None:
    for make in (os.mkfifo, os.mkdir):
        folder = tmp_path / make.__name__
        folder.mkdir()
        make(folder / name)
        with pytest.raises(ConfigurationError, match="of another kind"):
            DataDir(folder).prepare()


def test_a_file_in_place_of_the_scratch_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".scratch").write_text("not yours")
    with pytest.raises(ConfigurationError, match="of another kind"):
        DataDir(tmp_path).prepare()


@pytest.mark.parametrize(
    "name",
    ["gaussdb_tasks.duckdb", "gaussdb_tasks.duckdb.wal", "archive", "archive/1/x", "../link"],
)
def test_nothing_else_is_written_where_a_data_directory_keeps_its_data(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "data"
    DataDir(folder).prepare()
    (tmp_path / "link").symlink_to(folder / "archive")
    with pytest.raises(ConfigurationError, match=r"keeps its own data there.*--output"):
        refuse_own_path(folder / name, "--output")
    with pytest.raises(ConfigurationError, match=r"keeps its own data there.*--data-dir"):
        DataDir(folder / name).prepare()


def test_a_file_beside_the_data_or_in_a_folder_of_another_program_is_accepted(
    tmp_path: Path,
) -> None:
    """A report may be in the data directory; a folder ``archive`` may be of anybody."""
    DataDir(tmp_path / "data").prepare()
    refuse_own_path(tmp_path / "data" / "report.html", "--output")
    refuse_own_path(tmp_path / "archive" / "tasks.csv", "--output")


@pytest.mark.parametrize("name", ["a*c", "a?c", "a[b]c"])
def test_a_path_that_is_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    """DuckDB would read files of other folders, too."""
    with pytest.raises(ConfigurationError, match="must not have"):
        DataDir(tmp_path / name).prepare()
    assert not (tmp_path / name).exists()


def test_a_lock_is_seen_by_those_that_only_look(tmp_path: Path) -> None:
    """Looking takes no lock that a load would have to wait for afterwards."""
    data_dir = DataDir(tmp_path)
    assert not data_dir.is_locked()
    with data_dir.locked():
        assert data_dir.is_locked()
    assert not data_dir.is_locked()
    with data_dir.locked():
        assert data_dir.is_locked()
