"""Atomic and durable files, the lock, and the scratch folder."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, LockedError


def test_a_clone_is_independent_of_its_original(tmp_path: Path) -> None:
    original, clone = tmp_path / "original", tmp_path / "clone"
    original.write_bytes(b"version one" * 10_000)
    files.clone(original, clone)
    assert clone.read_bytes() == original.read_bytes()
    clone.write_bytes(b"version two")
    assert original.read_bytes() == b"version one" * 10_000


def test_a_reader_of_a_replaced_file_keeps_it(tmp_path: Path) -> None:
    old, new = tmp_path / "published", tmp_path / "next"
    old.write_text("one")
    new.write_text("two")
    with old.open() as reader:
        files.publish(new, old)
        assert reader.read() == "one"
    assert old.read_text() == "two"
    assert not new.exists()


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    with files.replacing(page) as out:
        out.write(b"new")
        assert page.read_text() == "old"
    assert page.read_text() == "new"

    def fail_halfway() -> None:
        with files.replacing(page) as out:
            out.write(b"half" * 10_000)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail_halfway()
    assert page.read_text() == "new"
    assert list(tmp_path.iterdir()) == [page]


def test_a_replaced_file_keeps_its_mode_and_a_link_stays(tmp_path: Path) -> None:
    """A new file has the usual mode."""
    page, usual = tmp_path / "page.html", tmp_path / "usual"
    usual.touch()
    with files.replacing(page) as out:
        out.write(b"one")
    assert page.stat().st_mode == usual.stat().st_mode
    page.chmod(0o640)
    link = tmp_path / "link.html"
    link.symlink_to(page.name)
    with files.replacing(link) as out:
        out.write(b"two")
    assert link.is_symlink()
    assert (page.read_text(), page.stat().st_mode & 0o777) == ("two", 0o640)


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=tmp_path.name), files.replacing(tmp_path):
        pass


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="device or a pipe"), files.replacing(pipe):
        pass
    assert pipe.is_fifo()


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def noted_replace(source: Path, target: Path) -> Path:
        steps.append(f"rename {source.name} to {target.name}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    (tmp_path / "clone").write_text("two")
    files.publish(tmp_path / "clone", tmp_path / "published")
    assert steps == ["sync clone", "rename clone to published", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, None])
def test_a_file_is_copied_if_blocks_cannot_be_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    original, clone = tmp_path / "original", tmp_path / "clone"
    original.write_bytes(b"version one" * 10_000)

    def reflink(target: int, request: int, source: int) -> None:
        assert request == 0x40049409
        if code is not None:
            raise OSError(code, "no")
        os.sendfile(target, source, 0, original.stat().st_size)

    monkeypatch.setattr(fcntl, "ioctl", reflink)
    files.clone(original, clone)
    assert clone.read_bytes() == original.read_bytes()


def test_a_disk_error_while_cloning_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not be mistaken for a file system without reflinks."""
    (tmp_path / "original").write_text("one")

    def fail(*_arguments: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "ioctl", fail)
    with pytest.raises(OSError, match="Input/output error"):
        files.clone(tmp_path / "original", tmp_path / "clone")


def test_a_second_load_is_refused_at_once(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    data_dir.prepare()
    holder = (
        "import sys\nfrom pathlib import Path\n"
        "from gaussdb_tasks.database.data_dir import DataDir\n"
        "with DataDir(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="another load"), data_dir.locked():
            pass
        process.kill()
    with data_dir.locked():  # the system releases the lock of a killed process
        pass


def test_the_scratch_folder_of_a_killed_load_is_removed(tmp_path: Path) -> None:
    left_behind = tmp_path / ".scratch" / "killed" / "dlt" / "package"
    left_behind.parent.mkdir(parents=True)
    left_behind.write_text("incomplete")
    with DataDir(tmp_path).scratch("next") as scratch:
        assert not left_behind.exists()
        (scratch / "clone").write_text("...")
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_folder_of_a_failed_load_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), DataDir(tmp_path).scratch("run"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/below cannot be written.*--data-dir"):
        DataDir(tmp_path / "file" / "below").prepare()


@pytest.mark.parametrize("name", ["o'brien", "100%", "a%20b", "what?", "b?x=1"])
def test_a_path_that_libraries_cannot_use_is_refused(tmp_path: Path, name: str) -> None:
    """dlt and DuckDB take these characters for something else."""
    with pytest.raises(ConfigurationError, match=r"must not have ['%?] in its path"):
        DataDir(tmp_path / name / "below").prepare()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_on_another_disk_is_refused(tmp_path: Path) -> None:
    """Before anything is read: an entry could not be renamed into it."""
    other_disk = Path("/dev/shm")  # noqa: S108 - a memory disk, which most machines have
    if not other_disk.is_dir() or other_disk.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with TemporaryDirectory(dir=other_disk) as elsewhere:
        (tmp_path / "archive").symlink_to(elsewhere)
        with pytest.raises(ConfigurationError, match="archive is on another file system"):
            DataDir(tmp_path).prepare()
