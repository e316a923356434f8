"""The message of a held lock names its process, and nothing that is not true."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.lock_holder import read_holder, recorded_holder
from gaussdb_tasks.errors import LockedError

FOREIGN = [
    b"",
    b"not JSON",
    b"[]",
    b'{"pid":"1; rm -rf /","host":"h","since":"now"}',
    b'{"pid":-1,"host":"h","since":"2026-03-18T12:00:00Z"}',
    b'{"pid":%d,"host":"%s","since":"\\u001b[31mred"}',
    b'{"pid":%d,"host":"%s","since":"2026-03-18T12:00:00Z","run_id":"a\\nb"}',
    b"{" * 100_000,
    b"\xff\xfe",
]


def test_the_holder_is_named(tmp_path: Path) -> None:
    """Process, time and run stand in the message; the file goes with the lock."""
    data_dir = DataDir(tmp_path)
    data_dir.prepare()
    with data_dir.locked("20260318T120000Z-0a1b2c3d"):
        with pytest.raises(LockedError) as refusal, DataDir(tmp_path).locked():
            pass
        message = str(refusal.value)
    assert f"process {os.getpid()} since 20" in message
    assert "run 20260318T120000Z-0a1b2c3d" in message
    assert f"kill {os.getpid()}" in message
    assert "\n" not in message
    assert not list(tmp_path.glob(".lock_holder"))


def test_a_process_that_died_is_not_named(tmp_path: Path) -> None:
    """Its file stays, but its number is not that of the one that holds the lock now."""
    file = tmp_path / "holder"
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from gaussdb_tasks.database.lock_holder import recorded_holder\n"
        "with recorded_holder(Path(sys.argv[1]), None): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], check=True)
    assert file.exists()
    assert read_holder(file).startswith("; nothing was done; if it hangs")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The file is replaced when the lock is taken, not what a link in its place points to."""
    target, file = tmp_path / "target", tmp_path / "holder"
    target.write_text("kept")
    file.symlink_to(target)
    assert "process" not in read_holder(file).split(";")[0]
    with recorded_holder(file, None):
        assert f"process {os.getpid()}" in read_holder(file)
    assert target.read_text() == "kept"


@pytest.mark.parametrize("content", FOREIGN, ids=range(len(FOREIGN)))
def test_foreign_content_is_not_shown(tmp_path: Path, content: bytes) -> None:
    """Others can write the file: only the expected form is shown."""
    file = tmp_path / "holder"
    if b"%d" in content:
        host = os.uname().nodename.encode()
        content %= (os.getpid(), host)
    file.write_bytes(content)
    assert read_holder(file) == read_holder(tmp_path / "no such file")
