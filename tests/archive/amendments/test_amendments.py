"""Retention, redaction and renormalisation change only what they report."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.amendments import amendment as amendment_module
from gaussdb_tasks.archive.amendments import rereading
from gaussdb_tasks.archive.amendments.amendment import Amendment, AmendmentReport
from gaussdb_tasks.archive.amendments.redacted_records import without_payload
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.renormalisation import renormalise
from gaussdb_tasks.archive.amendments.rereading import Difference
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
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
from tests.support.loads import load, rows

LATER = NOW + 400 * DAY
SECRET = "Jane Doe broke it"
NEWEST = record(4, NOW + 299 * DAY, NOW + 299 * DAY + MINUTE)
OLD_ROWS = 2 + 1 + 2 + 1 + 1  # sightings and versions of the first two loads, a rejected record


@pytest.fixture(scope="module")
def three_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three loads, to read only: old tasks, one in two states, one rejected, a new task."""
    folder = tmp_path_factory.mktemp("loads")
    first = [
        record(1, NOW - 20 * DAY, NOW - 20 * DAY + HOUR, fail_reason=SECRET, note=SECRET),
        record(2, NOW - HOUR, None),
        {**record(3, NOW - 10 * DAY, NOW - 10 * DAY + HOUR), "created_at": "19 May"},
    ]
    second = [*first[:1], record(2, NOW - HOUR, NOW + HOUR, fail_reason=SECRET), first[2]]
    for at, listed in ((NOW, first), (NOW + DAY, second), (NOW + 300 * DAY, [NEWEST])):
        _load(folder, at, listed)
    return folder


@pytest.fixture(scope="module")
def after_retention(three_loads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the three loads after a retention that keeps only the last one's task, to read only."""
    folder = _copy(three_loads, tmp_path_factory.mktemp("retention"))
    report = _retain_last(folder)
    assert report.rows_removed == OLD_ROWS
    return folder


@pytest.fixture(scope="module")
def after_renormalisation(
    three_loads: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Difference]]:
    """Make the three loads, renormalised by a fixed parser, to read only; with the differences."""
    folder = _copy(three_loads, tmp_path_factory.mktemp("renormalisation"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rereading, "normalise", _fixed_normalise)
        _, differences = renormalise(
            DataDir(folder), _amendment("renormalisation"), is_dry_run=False
        )
    return folder, list(differences)


@pytest.fixture
def loaded(three_loads: Path, tmp_path: Path) -> Path:
    """Copy the three loads."""
    return _copy(three_loads, tmp_path)


def _copy(folder: Path, parent: Path) -> Path:
    return Path(shutil.copytree(folder, parent / "data"))


def _retain_last(folder: Path, *, is_dry_run: bool = False) -> AmendmentReport:
    amendment = _amendment("retention")
    return retain(DataDir(folder), NOW + 200 * DAY, Holds(), amendment, is_dry_run=is_dry_run)


def _load(folder: Path, at: Micros, listed: list[Record]) -> None:
    with Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(at)) as emulator:
        load(emulator, folder, at)


def _amendment(kind: Any = "redaction") -> Amendment:
    return Amendment(kind, LATER, "ticket 4711")


def _is_intact(folder: Path, parser: Any = normalise) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rereading, "normalise", parser)
        return verify(DataDir(folder), VerifyOptions()).is_intact


def _bytes(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def _is_in_parquet(folder: Path, text: str) -> bool:
    return any(
        text in repr(duckdb.sql(f"from '{path}'").fetchall())
        for path in folder.glob("archive/*/*.parquet")
    )


def _job_ids(folder: Path) -> list[str]:
    sql = "select job_id from task_center.tasks order by job_id"
    return [row[0] for row in rows(folder, sql)]


def test_retention_removes_old_tasks_and_keeps_the_rest(
    three_loads: Path, after_retention: Path
) -> None:
    assert _job_ids(after_retention) == [job_id(4)]
    for table, count in (("task_versions", 1), ("rejected_records", 0)):
        assert rows(after_retention, f"select count(*) from task_center.{table}") == [(count,)]
    for sql in ("select count(*) from task_center.load_runs", "from task_center.coverage"):
        assert rows(after_retention, sql) == rows(three_loads, sql)
    assert _is_intact(after_retention)


def test_no_file_holds_removed_rows(three_loads: Path, after_retention: Path) -> None:
    """Neither as bytes, nor compressed in a Parquet file."""
    assert any(job_id(1).encode() in content for content in _bytes(three_loads))
    assert not any(job_id(1).encode() in content for content in _bytes(after_retention))
    assert not _is_in_parquet(after_retention, job_id(1))


def test_a_dry_run_reports_and_changes_no_file(loaded: Path) -> None:
    before = {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()}
    assert _retain_last(loaded, is_dry_run=True).rows_removed == OLD_ROWS
    assert {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "holds",
    [
        Holds(instances=[f"{1:032x}in14"]),
        Holds(time_ranges=[TimeRange(NOW - 21 * DAY, NOW - 19 * DAY)]),
    ],
)
def test_a_legal_hold_keeps_old_tasks(loaded: Path, holds: Holds) -> None:
    retain(DataDir(loaded), NOW + 200 * DAY, holds, _amendment("retention"), is_dry_run=False)
    assert _job_ids(loaded) == [job_id(1), job_id(4)]
    assert _is_intact(loaded)


def test_a_hold_or_a_redaction_of_what_nobody_knows_changes_nothing(loaded: Path) -> None:
    """A typing error beside a right id, too: what is held would go, what is redacted would stay."""
    before = {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()}
    holds = Holds(instances=[f"{1:032x}in14", "orders-prood"])
    with pytest.raises(ConfigurationError, match=r"--hold-instance.*'orders-prood'"):
        retain(DataDir(loaded), NOW + 200 * DAY, holds, _amendment("retention"), is_dry_run=False)
    with pytest.raises(ConfigurationError, match=r"--job-id.*'nope'"):
        redact(DataDir(loaded), [], [job_id(1), "nope"], _amendment(), is_dry_run=False)
    assert {path: path.read_bytes() for path in loaded.rglob("*") if path.is_file()} == before


def test_a_task_that_only_a_rejected_record_names_can_be_redacted(loaded: Path) -> None:
    report = redact(DataDir(loaded), [], [job_id(3)], _amendment(), is_dry_run=False)
    assert report.rows_changed
    assert _is_intact(loaded)


def test_a_task_seen_since_keeps_its_earlier_states(loaded: Path) -> None:
    retain(DataDir(loaded), NOW + DAY // 2, Holds(), _amendment("retention"), is_dry_run=False)
    assert _job_ids(loaded) == [job_id(2), job_id(4)]
    sql = "select version from task_history where job_id like '%2' order by version"
    assert rows(loaded, sql) == [(1,), (2,)]
    assert _is_intact(loaded)


def test_a_period_in_which_the_task_center_may_list_tasks_is_refused(three_loads: Path) -> None:
    with pytest.raises(ConfigurationError, match="62 days at least"):
        retain(
            DataDir(three_loads), LATER - DAY, Holds(), _amendment("retention"), is_dry_run=False
        )


def test_a_second_retention_removes_rows_from_the_file_of_the_first(loaded: Path) -> None:
    retain(DataDir(loaded), NOW + DAY // 2, Holds(), _amendment("retention"), is_dry_run=False)
    later = Amendment("retention", LATER + DAY, None)
    retain(DataDir(loaded), NOW + 200 * DAY, Holds(), later, is_dry_run=False)
    assert _job_ids(loaded) == [job_id(4)]
    assert _is_intact(loaded)


def test_verify_and_tombstones_report_a_removal_on_purpose(
    after_retention: Path, command: Command
) -> None:
    run = command("verify", "--data-dir", after_retention)
    assert run.exit_code == 0
    assert "removed on purpose by 000004-" in run.stderr
    assert "ticket 4711" in run.stderr
    tombstones = sorted(after_retention.glob("archive/000001-*/*.removed.json"))
    removal = json.loads(tombstones[0].read_text())
    assert (removal["kind"], removal["reason"]) == ("retention", "ticket 4711")


@pytest.mark.parametrize("harm", ["unlink", "edit", "put back"])
def test_a_changed_tombstone_or_a_file_put_back_is_a_finding(
    three_loads: Path, after_retention: Path, tmp_path: Path, harm: str
) -> None:
    content = next(three_loads.glob("archive/000001-*/task_versions.parquet")).read_bytes()
    folder = _copy(after_retention, tmp_path)
    tombstone = next(folder.glob("archive/000001-*/task_versions.removed.json"))
    if harm == "unlink":
        tombstone.unlink()
    elif harm == "edit":
        tombstone.write_text(tombstone.read_text().replace("4711", "4712"))
    else:
        tombstone.with_name("task_versions.parquet").write_bytes(content)
    fault = {"unlink": "missing", "edit": "invalid", "put back": "extra"}[harm]
    found = verify(DataDir(folder), VerifyOptions(is_fast=True)).findings
    assert [finding.fault.value for finding in found] == [fault]


def test_redaction_of_a_column(loaded: Path) -> None:
    """The value is removed from column and raw record; the rest stays word for word."""
    before = rows(loaded, "select job_id, version_hash from task_center.task_versions")
    redact(DataDir(loaded), ["fail_reason"], [], _amendment(), is_dry_run=False)
    (reason, raw), *_ = rows(
        loaded, "select fail_reason, raw from task_history where job_id like '%1'"
    )
    assert reason == "[removed]"
    assert json.loads(raw)["fail_reason"] == "[removed]"
    assert json.loads(raw)["note"] == SECRET
    assert rows(loaded, "select job_id, version_hash from task_center.task_versions") == before
    assert rows(loaded, "select fail_reason from tasks where job_id like '%4'") == [(None,)]
    assert _is_intact(loaded)


def test_redaction_of_a_task(loaded: Path) -> None:
    """Identity, times and status stay; other tasks are unchanged."""
    redact(DataDir(loaded), [], [job_id(1)], _amendment(), is_dry_run=False)
    columns = "fail_reason, instance_id, instance_name, extra, status, duration_ms"
    assert rows(loaded, f"select {columns} from task_center.tasks where job_id like '%1'") == [
        ("[removed]", "[removed]", "[removed]", '{"note":"[removed]"}', "Completed", 3_600_000)
    ]
    assert rows(loaded, "select fail_reason from tasks where job_id like '%2'") == [(SECRET,)]
    assert _is_intact(loaded)


def test_no_file_holds_a_redacted_text(loaded: Path) -> None:
    redact(DataDir(loaded), ["fail_reason", "extra"], [], _amendment(), is_dry_run=False)
    assert not any(SECRET.encode() in content for content in _bytes(loaded))
    assert not _is_in_parquet(loaded, SECRET)


def test_the_next_load_finds_a_redacted_task_unchanged(loaded: Path) -> None:
    last = NOW + 300 * DAY
    amendment = Amendment("redaction", last, "x")
    redact(DataDir(loaded), [], [job_id(4)], amendment, is_dry_run=False)
    with Emulator(FixedWorld({PROJECT: [NEWEST]}), clock=SettableClock(last + DAY)) as emulator:
        report = load(emulator, loaded, last + DAY, full=True)
    assert report.total("new_count") + report.total("changed_count") == 0
    sql = "select instance_name from tasks where job_id like '%4'"
    assert rows(loaded, sql) == [("[removed]",)]
    assert _is_intact(loaded)


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
    """Only the columns' fields are replaced; a text that is not a record is replaced completely."""
    assert without_payload(raw, columns) == (raw if left is None else left)


def _fixed_normalise(kept: KeptRecord) -> Task | Rejection:
    """Normalise as a later version might: it reads dates in words, and names in capitals."""
    fields = kept.fields
    if isinstance(fields, dict) and fields.get("created_at") == "19 May":
        fields = {**fields, "created_at": "2026-03-08T12:00:00+0000"}
    read = normalise(kept._replace(content=fields))
    if isinstance(read, Task) and read.instance_name:
        return read._replace(instance_name=read.instance_name.upper())
    return read


def test_a_fixed_parser_corrects_earlier_rows(
    three_loads: Path, after_renormalisation: tuple[Path, list[Difference]]
) -> None:
    """Columns change, a rejected record becomes a task, differences are reported, raw stays."""
    folder, differences = after_renormalisation
    raws = rows(three_loads, "select raw from task_center.task_versions")
    assert ("ORDERS-PROD",) in rows(folder, "select instance_name from tasks")
    assert job_id(3) in _job_ids(folder)
    assert rows(folder, "select count(*) from task_center.rejected_records") == [(0,)]
    assert set(raws) < set(rows(folder, "select raw from task_center.task_versions"))
    assert {(each.column, each.was, each.now) for each in differences} == {
        ("instance_name", "orders-prod", "ORDERS-PROD"),
        (None, 'created_at is not usable: "19 May"', None),
    }
    assert _is_intact(folder, parser=_fixed_normalise)


def test_renormalisation_by_the_same_parser_finds_nothing(
    loaded: Path,
    after_renormalisation: tuple[Path, list[Difference]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    amendment = _amendment("renormalisation")
    report, differences = renormalise(DataDir(loaded), amendment, is_dry_run=False)
    assert (report.rows, report.entry_name, differences) == ((), None, [])
    monkeypatch.setattr(rereading, "normalise", _fixed_normalise)
    folder, _ = after_renormalisation
    _, differences = renormalise(DataDir(folder), amendment, is_dry_run=True)
    assert differences == []


def test_renormalisation_keeps_a_redaction(loaded: Path) -> None:
    redact(DataDir(loaded), [], [], _amendment(), is_dry_run=False)
    amendment = _amendment("renormalisation")
    _, differences = renormalise(DataDir(loaded), amendment, is_dry_run=True)
    assert differences == []


def test_retention_removes_rows_from_renormalised_files_too(
    after_renormalisation: tuple[Path, list[Difference]], tmp_path: Path
) -> None:
    folder = _copy(after_renormalisation[0], tmp_path)
    amendment = Amendment("retention", LATER + DAY, None)
    retain(DataDir(folder), NOW + 200 * DAY, Holds(), amendment, is_dry_run=False)
    assert _job_ids(folder) == [job_id(4)]
    assert not _is_in_parquet(folder, job_id(1))
    assert _is_intact(folder, parser=_fixed_normalise)


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["put_tombstones", "files.publish"])
def test_the_next_load_finishes_an_amendment_killed_after_its_entry_was_added(
    loaded: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        target: Any = amendment_module
        *path, name = step.split(".")
        for part in path:
            target = getattr(target, part)
        patch.setattr(target, name, killed)
        with pytest.raises(KilledError):
            _retain_last(loaded)
    _load(loaded, LATER, [record(5, LATER - HOUR, LATER - MINUTE)])
    assert _job_ids(loaded) == [job_id(4), job_id(5)]
    assert not any(job_id(1).encode() in content for content in _bytes(loaded))
    assert _is_intact(loaded)


def test_loads_continue_after_an_amendment(loaded: Path) -> None:
    """Later loads extend the chain, and are verified and rebuilt with it."""
    redact(DataDir(loaded), ["fail_reason"], [], _amendment(), is_dry_run=False)
    _load(loaded, LATER + DAY, [record(5, LATER, LATER + MINUTE)])
    assert _is_intact(loaded)
    tables = ("from task_center.task_versions", "from task_center.archive_acts")
    before = [rows(loaded, sql) for sql in tables]
    DataDir(loaded).database.unlink()
    _load(loaded, LATER + 2 * DAY, [record(5, LATER, LATER + MINUTE)])
    assert [rows(loaded, sql) for sql in tables] == before
    assert _is_intact(loaded)


@pytest.fixture
def run_in(loaded: Path, command: Command) -> Any:
    """Run a command on the copy of the three loads."""

    def run(*arguments: str) -> Run:
        return command(*arguments, "--data-dir", loaded, "--now", iso(LATER))

    return run


def test_the_commands_report_dry_runs_and_results(run_in: Any) -> None:
    run = run_in("retention", "--keep", "6m", "--dry-run", "--format", "csv")
    assert run.exit_code == 0
    assert run.stdout.splitlines()[0] == "entry,table,rows_removed,rows_changed"
    assert "dry run: 7 rows removed, 0 changed; nothing was written" in run.stderr
    run = run_in("redact", "--job-id", job_id(1), "--reason", "ticket 1")
    assert "0 rows removed, 1 changed; entry 000004-" in run.stderr
    assert "; head " in run.stderr
    run = run_in("retention", "--keep", "sox")
    assert (run.exit_code, "no row matches; nothing was written" in run.stderr) == (0, True)
    run = run_in("rebuild", "--renormalise", "--dry-run")
    assert run.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
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
def test_wrong_options_are_explained(
    three_loads: Path, command: Command, arguments: tuple[str, ...], hint: str
) -> None:
    run = command(*arguments, "--data-dir", three_loads, "--now", iso(LATER))
    assert run.exit_code == 2
    assert hint in run.stderr


def test_an_amendment_is_signed_and_verified(
    loaded: Path, command: Command, tmp_path_factory: Any
) -> None:
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


def test_no_amendment_needs_numpy(loaded: Path) -> None:
    """A plain installation has neither numpy nor pandas."""
    code = f"""
import sys
sys.modules.update(numpy=None, pandas=None)
from gaussdb_tasks.cli import main
for arguments in (
    ("redact", "--job-id", "{job_id(1)}", "--reason", "x", "--now", "{iso(LATER)}"),
    ("retention", "--keep", "6m", "--now", "{iso(LATER + DAY)}"),
    ("rebuild", "--renormalise", "--dry-run", "--now", "{iso(LATER + 2 * DAY)}"),
):
    sys.argv = ["gaussdb-tasks", *arguments, "--data-dir", {str(loaded)!r}]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("; entry 00000") == 2


@pytest.mark.parametrize(
    ("text", "before"),
    [("1d", "2026-03-17"), ("1m", "2026-02-18"), ("2y", "2024-03-18"), ("18M", "2024-09-18")],
)
def test_periods_are_calendar_months_and_years(text: str, before: str) -> None:
    assert iso(parse_period(text, option="--keep").before(NOW)).startswith(before)


@pytest.mark.parametrize("text", ["", "0d", "10", "y", "-1y", "1w", "1.5y", "10000y"])
def test_other_periods_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="10y"):
        parse_period(text, option="--keep")
