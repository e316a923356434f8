"""Retention, redaction and renormalisation: on the record, and nothing but what they say."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.amendments import amendment as amendment_module
from gaussdb_tasks.archive.amendments import renormalisation
from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact, without_payload
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record as KeptRecord
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, iso, parse_period
from tests.support.commands import Command, Run
from tests.support.emulator_client import NOW, PROJECT, Record, job_id, record
from tests.support.equal_databases import everything
from tests.support.loads import load, rows

LATER = NOW + 400 * DAY
SECRET = "Jane Doe broke it"


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    """Make a directory with three nights: old tasks, one in two states, one rejected, new tasks."""
    first = [
        record(1, NOW - 20 * DAY, NOW - 20 * DAY + HOUR, fail_reason=SECRET, note=SECRET),
        record(2, NOW - HOUR, None),
        {**record(3, NOW - 10 * DAY, NOW - 10 * DAY + HOUR), "created_at": "19 May"},
    ]
    second = [*first[:1], record(2, NOW - HOUR, NOW + HOUR, fail_reason=SECRET), first[2]]
    third = [record(4, NOW + 299 * DAY, NOW + 299 * DAY + MINUTE)]
    for at, listed in ((NOW, first), (NOW + DAY, second), (NOW + 300 * DAY, third)):
        _load(tmp_path, at, listed)
    return tmp_path


def _load(folder: Path, at: Micros, listed: list[Record]) -> None:
    with Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(at)) as emulator:
        load(emulator, folder, at)


def _act(kind: Any = "redaction") -> Amendment:
    return Amendment(kind, LATER, "as was asked for")


def _is_whole(folder: Path) -> bool:
    return verify(DataDir(folder), Demands()).is_whole


def _bytes(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def _job_ids(folder: Path) -> list[str]:
    sql = "select job_id from task_center.tasks order by job_id"
    return [row[0] for row in rows(folder, sql)]


def test_retention_removes_what_is_old_and_keeps_the_rest(loaded: Path) -> None:
    """Tasks not seen since go with all their states; later ones, loads and coverage stay."""
    runs = rows(loaded, "select count(*) from task_center.load_runs")
    covered = rows(loaded, "from task_center.coverage")
    effects = retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=False)
    assert effects.rows_removed == 2 + 1 + 2 + 1 + 1  # sightings and versions of two nights, reject
    assert _job_ids(loaded) == [job_id(4)]
    assert rows(loaded, "select count(*) from task_center.task_versions") == [(1,)]
    assert rows(loaded, "select count(*) from task_center.rejected_records") == [(0,)]
    assert rows(loaded, "select count(*) from task_center.load_runs") == runs
    assert rows(loaded, "from task_center.coverage") == covered
    assert _is_whole(loaded)


def test_what_was_removed_is_nowhere(loaded: Path) -> None:
    """No file of the data directory holds the bytes of what went, packed ones aside."""
    assert any(job_id(1).encode() in content for content in _bytes(loaded))
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=False)
    assert not any(job_id(1).encode() in content for content in _bytes(loaded))
    for path in loaded.glob("archive/*/*.parquet"):
        held = duckdb.sql(f"from '{path}'").fetchall()
        assert job_id(1) not in repr(held)


def test_a_dry_run_changes_nothing(loaded: Path) -> None:
    """It says what would go, by night and table, and every file stays as it was."""
    before = {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()}
    effects = retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=True)
    assert effects.rows_removed == 7
    assert {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "holds",
    [
        Holds(instances=[f"{1:032x}in14"]),
        Holds(time_ranges=[TimeRange(NOW - 21 * DAY, NOW - 19 * DAY)]),
    ],
)
def test_what_is_held_stays(loaded: Path, holds: Holds) -> None:
    """A legal hold, by instance or by time, keeps a task however old it is."""
    retain(DataDir(loaded), NOW + 200 * DAY, holds, _act("retention"), is_dry_run=False)
    assert _job_ids(loaded) == [job_id(1), job_id(4)]
    assert _is_whole(loaded)


def test_a_task_seen_since_stays_whole(loaded: Path) -> None:
    """A task whose last state came after the limit keeps its earlier states too."""
    retain(DataDir(loaded), NOW + DAY // 2, Holds(), _act("retention"), is_dry_run=False)
    assert _job_ids(loaded) == [job_id(2), job_id(4)]
    sql = "select version from task_history where job_id like '%2' order by version"
    assert rows(loaded, sql) == [(1,), (2,)]
    assert _is_whole(loaded)


def test_a_period_that_the_task_center_remembers_is_refused(loaded: Path) -> None:
    """What it may still list would come back with the next load."""
    with pytest.raises(ConfigurationError, match="62 days at least"):
        retain(DataDir(loaded), LATER - DAY, Holds(), _act("retention"), is_dry_run=False)


def test_a_second_retention_goes_on(loaded: Path) -> None:
    """What an earlier act kept in its own file can go by a later one."""
    retain(DataDir(loaded), NOW + DAY // 2, Holds(), _act("retention"), is_dry_run=False)
    later = Amendment("retention", LATER + DAY, None)
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), later, is_dry_run=False)
    assert _job_ids(loaded) == [job_id(4)]
    assert _is_whole(loaded)


def test_verify_says_removed_on_purpose(loaded: Path, command: Command) -> None:
    """Nothing is missing: who, when, why and how much is told, by the tombstones too."""
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=False)
    run = command("verify", "--data-dir", loaded)
    assert run.exit_code == 0
    assert "removed on purpose by 000004-" in run.stderr
    assert "as was asked for" in run.stderr
    tombstones = sorted(loaded.glob("archive/000001-*/*.removed.json"))
    said = json.loads(tombstones[0].read_text())
    assert (said["kind"], said["reason"]) == ("retention", "as was asked for")


@pytest.mark.parametrize("harm", ["unlink", "edit", "put back"])
def test_tombstones_are_verified(loaded: Path, harm: str) -> None:
    """One that is gone or says otherwise, or a file that is back, is a finding."""
    file = next(loaded.glob("archive/000001-*/task_versions.parquet"))
    content = file.read_bytes()
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=False)
    tombstone = file.with_name("task_versions.removed.json")
    if harm == "unlink":
        tombstone.unlink()
    elif harm == "edit":
        tombstone.write_text(tombstone.read_text().replace("asked", "never asked"))
    else:
        file.write_bytes(content)
    fault = {"unlink": "missing", "edit": "invalid", "put back": "extra"}[harm]
    found = verify(DataDir(loaded), Demands(is_fast=True)).findings
    assert [finding.fault.value for finding in found] == [fault]


def test_redaction_of_a_column(loaded: Path) -> None:
    """What a column held is gone from column, raw record and file; the rest stays word for word."""
    before = rows(loaded, "select job_id, version_hash from task_center.task_versions")
    redact(DataDir(loaded), ["fail_reason"], [], _act(), is_dry_run=False)
    (reason, raw), *_ = rows(
        loaded, "select fail_reason, raw from task_history where job_id like '%1'"
    )
    assert reason == "[removed]"
    assert json.loads(raw)["fail_reason"] == "[removed]"
    assert json.loads(raw)["note"] == SECRET
    assert rows(loaded, "select job_id, version_hash from task_center.task_versions") == before
    assert rows(loaded, "select fail_reason from tasks where job_id like '%4'") == [(None,)]
    assert _is_whole(loaded)


def test_redaction_of_a_task(loaded: Path) -> None:
    """All that one task told is gone but when it ran and how it ended; others are untouched."""
    redact(DataDir(loaded), [], [job_id(1)], _act(), is_dry_run=False)
    columns = "fail_reason, instance_id, instance_name, extra, status, duration_ms"
    assert rows(loaded, f"select {columns} from task_center.tasks where job_id like '%1'") == [
        ("[removed]", "[removed]", "[removed]", '{"note":"[removed]"}', "Completed", 3_600_000)
    ]
    assert rows(loaded, "select fail_reason from tasks where job_id like '%2'") == [(SECRET,)]
    assert _is_whole(loaded)


def test_a_redacted_text_is_nowhere(loaded: Path) -> None:
    """Neither in the database's file nor in a segment."""
    redact(DataDir(loaded), ["fail_reason", "extra"], [], _act(), is_dry_run=False)
    assert not any(SECRET.encode() in content for content in _bytes(loaded))
    for path in loaded.glob("archive/*/*.parquet"):
        assert SECRET not in repr(duckdb.sql(f"from '{path}'").fetchall())


def test_a_redacted_task_is_no_news(tmp_path: Path) -> None:
    """The next load, which still sees the record as it was, adds no version."""
    listed = [record(1, NOW - DAY, NOW - DAY + HOUR, fail_reason=SECRET)]
    _load(tmp_path, NOW, listed)
    redact(DataDir(tmp_path), [], [job_id(1)], Amendment("redaction", NOW, "x"), is_dry_run=False)
    with Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(NOW + DAY)) as emulator:
        report = load(emulator, tmp_path, NOW + DAY, full=True)
    assert report.total("new_count") + report.total("changed_count") == 0
    assert rows(tmp_path, "select fail_reason from tasks") == [("[removed]",)]
    assert _is_whole(tmp_path)


@pytest.mark.parametrize(
    ("raw", "columns", "left"),
    [
        ('{"a": 1.0, "fail_reason": "x"}', ["fail_reason"], '{"a":1.0,"fail_reason":"[removed]"}'),
        ('{"fail_reason": null, "a": 10e5}', ["fail_reason"], None),
        ('{"fail_reason": ""}', ["fail_reason"], None),
        ('{"instance_info": {"instance_name": "x", "b": 1}}', ["fail_reason"], None),
        (
            '{"instance_info": {"instance_name": "x", "b": 1}}',
            ["instance_name"],
            '{"instance_info":{"instance_name":"[removed]","b":1}}',
        ),
        ('{"instance_info": "x"}', ["instance_name"], '{"instance_info":"[removed]"}'),
        ('{"job_id": "1", "b": {"c": 2}}', ["extra"], '{"job_id":"1","b":"[removed]"}'),
        ("[1, 2]", ["extra"], "[removed]"),
        ("nonsense", ["fail_reason"], "[removed]"),
    ],
)
def test_a_record_without_payload(raw: str, columns: list[str], left: str | None) -> None:
    """Only what is meant goes from a record; what cannot be read goes whole. None: as it was."""
    assert without_payload(raw, columns) == (raw if left is None else left)


def _mended(kept: KeptRecord) -> Task | Rejection:
    """Normalise as a later version might: it reads dates in words, and names in capitals."""
    fields = kept.fields
    if isinstance(fields, dict) and fields.get("created_at") == "19 May":
        fields = {**fields, "created_at": "2026-03-08T12:00:00+0000"}
    read = normalise(kept._replace(fields=fields))
    if isinstance(read, Task) and read.instance_name:
        return read._replace(instance_name=read.instance_name.upper())
    return read


def test_a_mended_parser_repairs_the_past(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns change, a rejected record becomes a task, differences are told, raw stays."""
    raws = rows(loaded, "select raw from task_center.task_versions")
    monkeypatch.setattr(renormalisation, "normalise", _mended)
    act = _act("renormalisation")
    _, differences = renormalisation.renormalise(DataDir(loaded), act, is_dry_run=False)
    assert ("ORDERS-PROD",) in rows(loaded, "select instance_name from tasks")
    assert job_id(3) in _job_ids(loaded)
    assert rows(loaded, "select count(*) from task_center.rejected_records") == [(0,)]
    assert set(raws) < set(rows(loaded, "select raw from task_center.task_versions"))
    assert {(each.column, each.was, each.now) for each in differences} == {
        ("instance_name", "orders-prod", "ORDERS-PROD"),
        (None, 'created_at is not usable: "19 May"', None),
    }
    assert _is_whole(loaded)


def test_renormalising_again_finds_nothing(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was repaired is as today's parser reads it; without a mend nothing differs at all."""
    act = _act("renormalisation")
    effects, differences = renormalisation.renormalise(DataDir(loaded), act, is_dry_run=False)
    assert (effects.rows, effects.entry_name, differences) == ((), None, [])
    monkeypatch.setattr(renormalisation, "normalise", _mended)
    renormalisation.renormalise(DataDir(loaded), act, is_dry_run=False)
    _, differences = renormalisation.renormalise(DataDir(loaded), act, is_dry_run=False)
    assert differences == []


def test_redaction_holds_when_records_are_read_again(loaded: Path) -> None:
    """Today's parser makes of a redacted record what the redaction left."""
    redact(DataDir(loaded), [], [], _act(), is_dry_run=False)
    act = _act("renormalisation")
    _, differences = renormalisation.renormalise(DataDir(loaded), act, is_dry_run=True)
    assert differences == []


def test_retention_after_a_repair(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that holds an old task loses it: the first one, and that of the repair."""
    monkeypatch.setattr(renormalisation, "normalise", _mended)
    renormalisation.renormalise(DataDir(loaded), _act("renormalisation"), is_dry_run=False)
    act = Amendment("retention", LATER + DAY, None)
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), act, is_dry_run=False)
    assert _job_ids(loaded) == [job_id(4)]
    for path in loaded.glob("archive/*/*.parquet"):
        assert job_id(1) not in repr(duckdb.sql(f"from '{path}'").fetchall())
    assert _is_whole(loaded)


class KilledError(Exception):
    """A process that ends here."""


@pytest.mark.parametrize("place", ["put_tombstones", "files.publish"])
def test_an_act_that_was_killed_is_finished(
    loaded: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Killed once its entry is in the archive, the next load carries it out to the end."""

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        target: Any = amendment_module
        *path, name = place.split(".")
        for part in path:
            target = getattr(target, part)
        # The workshop looks for unfinished acts, too: only what follows the entry is cut off.
        if name == "put_tombstones":
            patch.setattr(
                target, name, lambda _archive, chain: killed() if len(chain) > 3 else None
            )
        else:
            patch.setattr(target, name, killed)
        with pytest.raises(KilledError):
            retain(DataDir(loaded), NOW + 200 * DAY, Holds(), _act("retention"), is_dry_run=False)
    _load(loaded, LATER, [record(5, LATER - HOUR, LATER - MINUTE)])
    assert _job_ids(loaded) == [job_id(4), job_id(5)]
    assert not any(job_id(1).encode() in content for content in _bytes(loaded))
    assert _is_whole(loaded)


def test_loads_go_on_after_acts(loaded: Path) -> None:
    """The chain goes on, and what is loaded afterwards is verified and rebuilt with the rest."""
    redact(DataDir(loaded), ["fail_reason"], [], _act(), is_dry_run=False)
    _load(loaded, LATER + DAY, [record(5, LATER, LATER + MINUTE)])
    assert _is_whole(loaded)
    database = DataDir(loaded).database
    before = everything(database)
    database.unlink()
    _load(loaded, LATER + 2 * DAY, [record(5, LATER, LATER + MINUTE)])
    after = everything(database)
    assert after["task_center.task_versions"] == before["task_center.task_versions"]
    assert after["task_center.archive_acts"] == before["task_center.archive_acts"]
    assert _is_whole(loaded)


@pytest.fixture
def run_in(loaded: Path, command: Command) -> Any:
    """Run a command on the directory with three nights."""

    def run(*arguments: str) -> Run:
        return command(*arguments, "--data-dir", loaded, "--now", iso(LATER))

    return run


def test_the_commands(run_in: Any) -> None:
    """Each says what it would do, does it, and says the head."""
    run = run_in("retention", "--keep", "6m", "--dry-run", "--format", "csv")
    assert run.exit_code == 0
    assert run.stdout.splitlines()[0] == "entry,table,rows_removed,rows_changed"
    assert "would be: 7 rows removed, 0 changed; nothing was done" in run.stderr
    run = run_in("redact", "--job-id", job_id(1), "--reason", "ticket 1")
    assert "0 rows removed, 1 changed; entry 000004-" in run.stderr
    assert "; head " in run.stderr
    run = run_in("retention", "--keep", "sox")
    assert (run.exit_code, "there was nothing to do" in run.stderr) == (0, True)
    run = run_in("rebuild", "--renormalise", "--dry-run")
    assert run.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("retention",), "--keep"),
        (("retention", "--keep", "ten years"), "90d, 18m, 10y"),
        (("retention", "--keep", "10d"), "62 days"),
        (("redact", "--reason", "x"), "--job-id ID, --column NAME"),
        (("redact", "--job-id", "x"), "--reason"),
        (("redact", "--column", "status", "--reason", "x"), "fail_reason"),
        (("rebuild", "--dry-run"), "--renormalise"),
    ],
)
def test_wrong_options(run_in: Any, arguments: tuple[str, ...], told: str) -> None:
    """What is wrong is said, with what would be right."""
    run = run_in(*arguments)
    assert run.exit_code == 2
    assert told in run.stderr


def test_acts_are_signed(loaded: Path, command: Command, tmp_path_factory: Any) -> None:
    """An act's entry is signed with the key that is given, and verified with the public one."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    keys = tmp_path_factory.mktemp("keys")
    private = Ed25519PrivateKey.generate()
    (keys / "private.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    os.chmod(keys / "private.pem", 0o600)  # noqa: PTH101
    (keys / "public.pem").write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    arguments = ("--job-id", job_id(1), "--reason", "x", "--signing-key", keys / "private.pem")
    assert command("redact", "--data-dir", loaded, *arguments).exit_code == 0
    run = command("verify", "--data-dir", loaded, "--public-key", keys / "public.pem")
    assert run.exit_code == 0, run.stdout


@pytest.mark.parametrize(
    ("text", "before"),
    [("1d", "2026-03-17"), ("1m", "2026-02-18"), ("2y", "2024-03-18"), ("18M", "2024-09-18")],
)
def test_periods_go_by_the_calendar(text: str, before: str) -> None:
    """Months and years are those of the calendar."""
    assert iso(parse_period(text, option="--keep").before(NOW)).startswith(before)


@pytest.mark.parametrize("text", ["", "0d", "10", "y", "-1y", "1w", "1.5y", "10000y"])
def test_what_is_no_period(text: str) -> None:
    """Anything else is refused, with an example."""
    with pytest.raises(ConfigurationError, match="10y"):
        parse_period(text, option="--keep")
