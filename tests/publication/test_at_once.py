"""Publications that are stopped, that run at the same time, or that do not belong together.

The tables are compared. The views follow from them, as test_publish.py shows of each.
"""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, MINUTE
from gaussdb_tasks.publication.catalogue import Catalogue
from gaussdb_tasks.publication.lane import LaneError
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record
from tests.support.loads import load
from tests.support.made_once import made_once
from tests.support.publishing import TABLES, Place, local_rows

THIRD_PROJECT = "f" * 32
# Kill the process where a method of the catalogue is called.
KILLED = """
import os, signal, sys
from gaussdb_tasks.publication.catalogue import Catalogue
setattr(Catalogue, sys.argv.pop(1), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
from gaussdb_tasks.cli import main
main()
"""


@pytest.fixture(scope="session")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of another archive, with another project."""
    return made_once(tmp_path_factory, "another", _load_another)


def _load_another(folder: Path) -> None:
    world = FixedWorld({THIRD_PROJECT: [record(1, NOW - DAY, NOW - DAY + MINUTE)]})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        load(emulator, folder, NOW)


@pytest.fixture(scope="session")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of another archive, with the same projects."""
    return made_once(tmp_path_factory, "doubling", _load_doubling)


def _load_doubling(folder: Path) -> None:
    listed = {PROJECT: [record(1, NOW - DAY, NOW)], OTHER_PROJECT: []}
    with Emulator(FixedWorld(listed), clock=SettableClock(NOW)) as emulator:
        load(emulator, folder, NOW)


@pytest.fixture
def other_dir(another: Path, tmp_path: Path) -> DataDir:
    """Copy the data directory of the other archive."""
    return DataDir(Path(shutil.copytree(another, tmp_path / "other")))


def publish_and_kill(place: Place, data_dir: DataDir, method: str) -> None:
    """Publish in a process that is killed when it calls a method of the catalogue."""
    arguments = ["publish", "--data-dir", str(data_dir.path), *place.options]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, method, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert run.returncode == -signal.SIGKILL, run.stderr


def shorten(data_dir: DataDir, count: int) -> None:
    """Keep the first entries only."""
    for entry in sorted(data_dir.archive.iterdir())[count:]:
        shutil.rmtree(entry)


@pytest.mark.parametrize("place", ["lake"], indirect=True)
def test_a_publication_that_was_killed_is_whole_after_the_next_one(
    place: Place, data_dir: DataDir
) -> None:
    publish_and_kill(place, data_dir, "_write_lane")
    assert place.publish(data_dir).entries == 5
    assert place.rows(TABLES) == local_rows(data_dir, TABLES)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_entries_follow_one_by_one(place: Place, data_dir: DataDir, tmp_path: Path) -> None:
    """The result is that of all at once."""
    earlier = DataDir(Path(shutil.copytree(data_dir.path, tmp_path / "earlier")))
    shorten(earlier, 2)
    assert place.publish(earlier).entries == 2
    assert place.publish(data_dir).entries == 3
    assert place.rows(TABLES) == local_rows(data_dir, TABLES)
    with pytest.raises(LaneError, match="which the local archive lacks") as refused:
        place.publish(earlier)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_removed_data_go_also_if_the_publication_is_killed_before_that(
    place: Place, data_dir: DataDir
) -> None:
    place.publish(data_dir)
    act = Amendment("redaction", NOW + 100 * DAY, "a test")
    redact(data_dir, ["fail_reason"], [], act, is_dry_run=False)
    publish_and_kill(place, data_dir, "clean")
    done = place.publish(data_dir)
    assert (done.entries, done.is_cleaned) == (0, True)
    assert place.publish(data_dir).is_cleaned is False


@pytest.mark.parametrize("place", ["lake"], indirect=True)
def test_the_same_archive_and_another_one_at_once(
    place: Place, data_dir: DataDir, other_dir: DataDir, tmp_path: Path
) -> None:
    twin = DataDir(Path(shutil.copytree(data_dir.path, tmp_path / "twin")))
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(place.publish, (data_dir, twin, other_dir)))
    assert sorted(each.entries for each in done) == [0, 1, 5]
    ours, others = local_rows(data_dir, TABLES), local_rows(other_dir, TABLES)
    found = place.rows(TABLES)
    for name in TABLES:
        kinds = name == "task_center.task_types"
        expected = ours[name] if kinds else sorted([*ours[name], *others[name]], key=repr)
        assert (name, found[name]) == (name, expected)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_project_of_another_archive_is_refused(
    place: Place, data_dir: DataDir, doubling: Path, tmp_path: Path
) -> None:
    """Its tasks would be doubled."""
    place.publish(data_dir)
    second = shutil.copytree(doubling, tmp_path / "second")
    with pytest.raises(LaneError, match="would be doubled") as refused:
        place.publish(DataDir(second))
    assert refused.value.exit_code == 2
    assert PROJECT in str(refused.value)
    assert place.rows(TABLES) == local_rows(data_dir, TABLES)
    place.change("update task_center.load_runs set region = 'eu-nl'")
    with pytest.raises(LaneError, match=r"\(eu-nl\).* would be doubled"):
        place.publish(DataDir(second))


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_damaged_entry_is_refused(place: Place, data_dir: DataDir) -> None:
    file = next(data_dir.archive.glob("*/task_versions.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArchiveError, match="damaged"):
        place.publish(data_dir)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_lost_connection_is_tried_again(
    place: Place, data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends all connections just before the commit, once."""
    assert place.server is not None
    server, database, write_lane = place.server, place.database, Catalogue._write_lane
    lost: list[str] = []

    def lose(catalogue: Catalogue, *arguments: Any) -> None:
        write_lane(catalogue, *arguments)
        if not lost:
            ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            lost.append(server.run(f"{ended} where datname = '{database}'"))

    monkeypatch.setattr(Catalogue, "_write_lane", lose)
    assert place.publish(data_dir).entries == 5
    assert int(lost[0]) > 0
    assert place.rows() == local_rows(data_dir)
