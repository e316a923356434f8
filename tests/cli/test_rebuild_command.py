"""``gaussdb-tasks rebuild --from``: a place without an archive, and one that cannot be read."""

import shutil
from pathlib import Path

import pytest

from tests.support.commands import Command

EMPTY = ("rebuild", "--allow-empty", "--from")


def is_loaded(folder: Path) -> bool:
    """Return whether a data directory has a database or an archive."""
    return any((folder / name).exists() for name in ("gaussdb_tasks.duckdb", "archive"))


@pytest.fixture
def copy(archive: Path, tmp_path: Path) -> Path:
    """A copy of an archive, as a load makes it."""
    folder = tmp_path / "copy"
    shutil.copytree(archive / "data/archive", folder)
    return folder


@pytest.mark.parametrize("is_there", [True, False])
def test_an_empty_place_is_no_error_if_it_may_be_empty(
    command: Command, tmp_path: Path, *, is_there: bool
) -> None:
    """As before the first load of a schedule that keeps nothing else."""
    place = tmp_path / "place"
    if is_there:
        place.mkdir()
    run = command(*EMPTY, place, "--data-dir", tmp_path / "new")
    assert run.exit_code == 0
    assert run.last_line.endswith(f"{place} has no archive yet; nothing was done")
    assert not is_loaded(tmp_path / "new")
    refused = command("rebuild", "--from", place, "--data-dir", tmp_path / "new")
    assert refused.exit_code == 1
    assert "check the URL" in refused.stderr


def test_a_copy_that_was_cut_off_before_its_first_entry_is_empty(
    command: Command, tmp_path: Path, copy: Path
) -> None:
    """A first load that failed while it copied does not lock out the next one."""
    first, *others = sorted(copy.iterdir())
    for entry in others:
        shutil.rmtree(entry)
    (first / "digest.json").unlink()
    assert command(*EMPTY, copy, "--data-dir", tmp_path / "new").exit_code == 0


def test_a_place_with_an_archive_is_restored(command: Command, tmp_path: Path, copy: Path) -> None:
    run = command(*EMPTY, copy, "--data-dir", tmp_path / "new")
    assert run.exit_code == 0, run.stderr
    assert is_loaded(tmp_path / "new")


def test_a_damaged_copy_is_not_empty(command: Command, tmp_path: Path, copy: Path) -> None:
    """A load would begin a second chain beside it."""
    first, *_ = sorted(copy.iterdir())
    (first / "digest.json").write_bytes(b"{}")
    run = command(*EMPTY, copy, "--data-dir", tmp_path / "new")
    assert run.exit_code == 1
    assert not is_loaded(tmp_path / "new")


def test_a_place_that_cannot_be_read_is_not_empty(command: Command, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    run = command(*EMPTY, place / "below", "--data-dir", tmp_path / "new")
    assert run.exit_code == 2
    assert "a part of the path is a file" in run.stderr
    assert "--from" in run.stderr


def test_an_archive_beside_an_empty_place_is_an_error(
    command: Command, tmp_path: Path, copy: Path
) -> None:
    """Something was there before, so the place is the wrong one."""
    (tmp_path / "data").mkdir()
    copy.rename(tmp_path / "data/archive")
    run = command(*EMPTY, tmp_path / "place", "--data-dir", tmp_path / "data")
    assert run.exit_code == 1


@pytest.mark.parametrize(
    "options",
    [("--dry-run",), ("--reason", "why"), ("--renormalise", "--skip-damaged")],
    ids=" ".join,
)
def test_wrong_options_are_refused_before_anything_is_copied(
    command: Command, tmp_path: Path, copy: Path, options: tuple[str, ...]
) -> None:
    """An option that needs another one, and two that contradict each other."""
    run = command("rebuild", "--from", copy, *options, "--data-dir", tmp_path / "new")
    assert run.exit_code == 2
    assert "--renormalise" in run.stderr
    assert not is_loaded(tmp_path / "new")


def test_it_needs_a_place(command: Command) -> None:
    run = command("rebuild", "--allow-empty")
    assert run.exit_code == 2
    assert "--allow-empty needs --from" in run.stderr
