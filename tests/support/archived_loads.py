"""A small archive with every kind of file, loaded once; each test works on a copy."""

import shutil
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, Record, record
from tests.support.loads import load
from tests.support.made_once import made_once


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of five loads."""
    return made_once(tmp_path_factory, "original", _load_five_times)


def _load_five_times(folder: Path) -> None:
    """Find new, changed, rejected, vanished, reappeared and unchanged tasks."""
    old = record(1, NOW - 20 * DAY, NOW - 20 * DAY + HOUR)
    broken: Record = {**record(3), "created_at": "19 May"}
    more = [record(number, NOW - 3 * DAY, NOW - 3 * DAY + number * MINUTE) for number in (5, 6, 7)]
    done = record(4, NOW - HOUR, NOW, fail_reason="disk full", status="Failed")
    loads = (
        [old, broken, record(4, NOW - HOUR, None)],
        [broken, done, *more],
        [old, broken, done, *more],
        [old, broken, done, *more],
        [old, broken, done, *more, record(8, NOW + 3 * DAY, NOW + 3 * DAY + HOUR)],
    )
    other = [record(9, NOW - DAY, NOW - DAY + MINUTE)]
    for number, listed in enumerate(loads):
        world = FixedWorld({PROJECT: listed, OTHER_PROJECT: other})
        at = NOW + number * DAY
        with Emulator(world, clock=SettableClock(at)) as emulator:
            load(emulator, folder, at)


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> DataDir:
    """Copy the data directory, so that a test can change it."""
    folder = tmp_path / "data"
    shutil.copytree(original, folder)
    return DataDir(folder)
