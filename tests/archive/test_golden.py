"""Old archives stay readable: every version reads the archive of the first version."""

import json
import shutil
from pathlib import Path

import pytest

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import HOUR, MINUTE, parse_time
from tests.support.commands import Command
from tests.support.emulator_client import PROJECT, record
from tests.support.golden_archive import ANSWERS, GOLDEN, answers
from tests.support.loads import load


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    """Copy the golden archive to a data directory without a database."""
    shutil.copytree(GOLDEN, tmp_path / "archive")
    return DataDir(tmp_path)


def test_it_is_verified_and_rebuilt_with_the_same_answers(data_dir: DataDir) -> None:
    """Every byte is unchanged, and the views return the same rows."""
    rebuild(data_dir)
    found = verify(data_dir, VerifyOptions())
    assert (found.findings, len(found.chain)) == ([], 6)
    assert answers(data_dir.database) == json.loads(ANSWERS.read_text())


def test_a_load_continues_it(data_dir: DataDir) -> None:
    """A load of this version continues an old chain."""
    rebuild(data_dir)
    at = parse_time("2026-08-25T02:00:00Z", option="night")
    listed = {PROJECT: [record(6, at - HOUR, at - MINUTE)]}
    with Emulator(FixedWorld(listed), clock=SettableClock(at)) as emulator:
        report = load(emulator, data_dir.path, at, project_ids=[PROJECT])
    assert report.entry_name.startswith("000007-20260825T020000Z-load")
    assert verify(data_dir, VerifyOptions()).is_intact


def test_a_newer_archive_is_refused(data_dir: DataDir, command: Command) -> None:
    """An older program says that a newer one is needed, and changes nothing."""
    for digest in data_dir.archive.glob("*/digest.json"):
        digest.write_text(digest.read_text().replace('"format": 1', '"format": 99'))
    run = command("rebuild", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "written by a newer gaussdb-tasks" in run.stderr
    assert not data_dir.database.exists()
