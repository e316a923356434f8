"""A directory of --archive-url that cannot be used: one sentence, and whose setting it is.

What is wrong before the load stops it, with code 2. Later the load is published, with code 3.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, iso
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.other_user import USER_ID, needs_root, run_as_other_user


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with a task."""
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as served:
        yield served


def make_file(path: Path) -> Path:
    """Make a file where a folder is expected."""
    path.write_text("x")
    return path


def make_below_file(path: Path) -> Path:
    """Name a folder below a file."""
    return make_file(path) / "copies"


def make_dangling_link(path: Path) -> Path:
    """Make a link to nothing, such as to a disk that was removed."""
    path.symlink_to(path.parent / "nothing")
    return path


def make_circle(path: Path) -> Path:
    """Make a link to itself."""
    path.symlink_to(path)
    return path


def make_long_name(path: Path) -> Path:
    """Name a folder that no file system can make."""
    path.mkdir()
    return path / ("x" * 300)


UNUSABLE: Final[dict[Callable[[Path], Path], str]] = {
    make_file: "a file, not a folder",
    make_below_file: "a file, not a folder",
    make_dangling_link: "does not exist",
    make_circle: "links lead in a circle",
    make_long_name: "name is too long",
}


@pytest.mark.parametrize("make", UNUSABLE)
def test_what_is_wrong_before_the_load_stops_it(
    command: Command,
    emulator: Emulator,
    tmp_path: Path,
    make: Callable[[Path], Path],
) -> None:
    """Nothing is published, and the option is named."""
    path = make(tmp_path / "place")
    url = f"file://{path}" if make is make_file else path
    run = command("load", "--archive-url", url, env=token_env(emulator, PROJECT))
    assert run.exit_code == 2, run.stderr
    assert UNUSABLE[make] in run.stderr
    assert "(set by --archive-url)" in run.stderr
    assert "Errno" not in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert not Path("data/gaussdb_tasks.duckdb").exists()


@needs_root
def test_a_directory_of_another_user(open_folder: Path, emulator: Emulator) -> None:
    """Nobody has to guess which of the folders it is."""
    data_dir, copies = open_folder / "data", open_folder / "copies"
    data_dir.mkdir()
    os.chown(data_dir, USER_ID, USER_ID)
    copies.mkdir(mode=0o755)
    run = run_as_other_user(
        *("load", "--data-dir", data_dir, "--archive-url", copies / "tasks", "--now", iso(NOW)),
        env=token_env(emulator, PROJECT),
    )
    assert run.exit_code == 2
    assert "this user has no permission" in run.stderr
    assert f"{copies}" in run.stderr
    assert "(set by --archive-url)" in run.stderr
    assert "Errno" not in run.stderr


def mount(*arguments: str | Path) -> None:
    """Mount, or skip where the machine forbids it."""
    ran = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)  # noqa: S607
    if ran.returncode:
        pytest.skip(f"mounts are not allowed here: {ran.stderr.strip()}")


@needs_root
def test_a_read_only_and_a_full_disk(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """The first is a setting; the second is a fault of the night."""
    copies = tmp_path / "copies"
    copies.mkdir()
    environ = token_env(emulator, PROJECT)
    mount("-t", "tmpfs", "-o", "size=16k,ro", "none", copies)
    try:
        run = command("load", "--archive-url", copies, "--now", iso(NOW), env=environ)
        assert run.exit_code == 2
        assert "read-only file system" in run.stderr
        mount("-o", "remount,rw,size=16k", copies)
        run = command("load", "--archive-url", copies, "--now", iso(NOW), env=environ)
        assert run.exit_code == 3, run.stderr
        assert "the disk is full" in run.stderr
        assert "Errno" not in run.stderr
    finally:
        subprocess.run(["umount", copies], check=True)  # noqa: S607


def test_a_place_that_is_away_for_now_stops_no_load(
    command: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """It had copies before: the load is published, and says what is wrong with the place."""
    copies = tmp_path / "copies"
    environ = token_env(emulator, PROJECT)
    assert command("load", "--archive-url", copies, "--now", iso(NOW), env=environ).exit_code == 0
    shutil.rmtree(copies)
    make_file(copies)
    run = command("load", "--archive-url", copies, "--now", iso(NOW + DAY), env=environ)
    assert run.exit_code == 3, run.stderr
    assert "a file, not a folder" in run.stderr
    assert "(set by --archive-url)" in run.stderr
    assert "Errno" not in run.stderr


def test_rebuild_explains_its_place(command: Command, tmp_path: Path) -> None:
    """The option is another one there."""
    run = command("rebuild", "--from", make_file(tmp_path / "place"))
    assert run.exit_code == 2
    assert "a file, not a folder" in run.stderr
    assert "Errno" not in run.stderr
