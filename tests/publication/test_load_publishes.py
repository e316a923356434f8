"""A load publishes the archive at its end; a failure is reported, and the next load catches up."""

import json
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, MINUTE, iso
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.publishing import TABLES, Place, local_rows


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_the_next_load_publishes_what_one_could_not(
    place: Place, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gaussdb_tasks.publication.publish._MAX_ATTEMPTS", 1)
    blocker = place.block()
    codes = []
    for number in range(2):
        at = NOW + number * DAY
        world = FixedWorld({PROJECT: [record(number, at - DAY, at - MINUTE)]})
        with Emulator(world, clock=SettableClock(at)) as emulator:
            arguments = ["--data-dir", str(tmp_path / "data"), "--format", "json", "--now", iso(at)]
            to = [each.replace("--", "--publish-") for each in place.options if each[:2] == "--"]
            values = [each for each in place.options if each[:2] != "--"]
            pairs = [text for pair in zip(to, values, strict=True) for text in pair]
            run = command("load", *arguments, *pairs, env=token_env(emulator))
        codes.append(run.exit_code)
        answer = json.loads(run.stdout)["publication"]
        if number == 0:
            assert "publication: " in run.stderr
            assert answer["error"] is not None
            blocker()
        else:
            assert (answer["entries"], answer["sequence"], answer["error"]) == (2, 2, None)
    assert codes == [3, 0]
    assert place.rows(TABLES) == local_rows(DataDir(tmp_path / "data"), TABLES)


def test_a_wrong_target_stops_a_load_before_it_reads(command: Command, tmp_path: Path) -> None:
    url = "postgresql://loader:sec-ret-9@db.example/tasks"
    run = command("load", "--data-dir", tmp_path / "data", "--publish-to", url)
    assert run.exit_code == 2
    assert "GAUSSDB_TASKS_PUBLISH_PASSWORD" in run.stderr
    assert "sec-ret" not in run.stderr
    assert not (tmp_path / "data").exists()
