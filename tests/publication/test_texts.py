"""Texts that engines read in another way arrive as they are."""

from pathlib import Path

import pytest

from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR
from gaussdb_tasks.publication.publish import verify_published
from gaussdb_tasks.publication.target import parse_target
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load
from tests.support.publishing import Place, local_rows

TEXTS = (
    *(
        "",
        " ",
        "\\N",
        "\\.",
        "\\",
        "\\x41",
        "a\tb\r\nc",
        "it's",
        '"',
        "{{ x }}",
        "$1",
        "%s",
        "NULL",
    ),
    *("größe 🙂", "e\u0301", "\u202e", "a\u0000b", "\u0000", "\ufffd", "x" * 5000, "1e400", "[1,"),
)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_published_texts_are_those_of_the_archive(place: Place, tmp_path: Path) -> None:
    """PostgreSQL cannot hold U+0000: it has U+FFFD there, also in the keys of later changes."""
    data_dir = DataDir(tmp_path / "data")
    listed = [
        record(
            number,
            NOW - HOUR,
            NOW - number,
            job_id=f"{number}-{text}",
            fail_reason=text,
            instance_name=text,
            colour=text,
        )
        for number, text in enumerate(TEXTS)
    ]
    changed = [{**each, "status": "Failed"} for each in listed[::2]]
    for at, tasks in ((NOW, listed), (NOW + DAY, changed)):
        with Emulator(FixedWorld({PROJECT: tasks}), clock=SettableClock(at)) as emulator:
            load(emulator, data_dir.path, at)
        place.publish(data_dir)
    target = parse_target(place.url, place.data_path)
    assert verify_published(data_dir, target, VerifyOptions()).findings == []
    expected, found = local_rows(data_dir), place.rows()
    tables = tuple(f"task_center.{name}" for name in ("tasks", "task_versions", "vanished_tasks"))
    for name in tables:
        rows = expected[name]
        if place.kind == "postgres":
            rows = [
                tuple(
                    each.replace("\0", "\ufffd") if isinstance(each, str) else each for each in row
                )
                for row in rows
            ]
        assert sorted(rows, key=repr) == found[name]
    assert len(found["task_center.tasks"]) == len(TEXTS)
