"""Verify recomputes amendments: an account that is false is a finding, though every hash fits."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gaussdb_tasks.archive.amendments import rereading
from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.renormalisation import renormalise
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.archive.amendments.rewrites import RowChange
from gaussdb_tasks.archive.archive_tables import (
    COVERAGE,
    OBSERVATIONS,
    REJECTED_RECORDS,
    TASK_VERSIONS,
    ArchiveTable,
)
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify import verify, verify_copy
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY
from tests.support.commands import Command
from tests.support.emulator_client import NOW
from tests.support.forged_archive import Document, ForgedArchive
from tests.support.made_once import made_once

LATER = NOW + 400 * DAY
AMENDED = 6  # the sequence number of the amendment, after five loads
FAILED = {TASK_VERSIONS: RowChange(replaced={"status": "'Failed'"})}


def amendment(kind: EntryKind) -> Amendment:
    """Describe an amendment after all loads."""
    return Amendment(kind, LATER, "ticket 4711")


@pytest.fixture(scope="module")
def redacted(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Redact the archive of five loads."""

    def make(folder: Path) -> None:
        shutil.copytree(original, folder, dirs_exist_ok=True)
        redact(DataDir(folder), [], [], amendment("redaction"), is_dry_run=False)

    return made_once(tmp_path_factory, "redacted", make)


@pytest.fixture(scope="module")
def retained(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Remove what only the first two loads saw."""

    def make(folder: Path) -> None:
        shutil.copytree(original, folder, dirs_exist_ok=True)
        before, kind = NOW + 3 * DAY // 2, amendment("retention")
        retain(DataDir(folder), before, Holds(), kind, is_dry_run=False)

    return made_once(tmp_path_factory, "retained", make)


def copied(folder: Path, tmp_path: Path) -> DataDir:
    """Copy a data directory, so that a test can change it."""
    return DataDir(Path(shutil.copytree(folder, tmp_path / "amended")))


def details(found: Verification) -> list[str]:
    """Return the findings about amendments."""
    return [each.detail for each in found.findings if each.fault is Fault.AMENDMENT]


@pytest.mark.parametrize("name", ["redacted", "retained"])
def test_an_honest_amendment_is_recomputed(name: str, request: pytest.FixtureRequest) -> None:
    found = verify(DataDir(request.getfixturevalue(name)), VerifyOptions())
    assert found.findings == []
    (account,) = found.amendments
    manifest = account.entry.manifest
    assert account.is_recomputed
    assert account.rows_removed == sum(each.rows_removed for each in manifest.restates)
    assert account.rows_changed == manifest.rows_changed
    assert account.rows_removed + account.rows_changed > 0


def forge(
    data_dir: DataDir, kind: EntryKind, changes: dict[ArchiveTable, RowChange], *, is_removing: bool
) -> list[str]:
    """Append an amendment with these changes; return the findings about amendments."""
    archive = ForgedArchive(data_dir)
    archive.add_amendment(kind, LATER, changes, is_removing=is_removing)
    return details(verify_copy(data_dir.archive, VerifyOptions()))


def test_a_renormalisation_that_restates_every_status(data_dir: DataDir) -> None:
    """The database follows it, and every hash fits; the records say otherwise."""
    found = forge(data_dir, "renormalisation", FAILED, is_removing=False)
    assert any("its records say what the rows said before" in detail for detail in found), found


def test_a_renormalisation_that_drops_a_task(data_dir: DataDir) -> None:
    changes = {TASK_VERSIONS: RowChange(is_kept="version > 1")}
    found = forge(data_dir, "renormalisation", changes, is_removing=False)
    assert any("does not remove rows" in detail for detail in found), found
    assert any("rejected records it made" in detail for detail in found), found


def test_a_renormalisation_that_removes_files(data_dir: DataDir) -> None:
    found = forge(data_dir, "renormalisation", FAILED, is_removing=True)
    assert any("restates none of its rows" in detail for detail in found), found


def test_a_redaction_that_changes_the_status_too(data_dir: DataDir) -> None:
    found = forge(data_dir, "redaction", FAILED, is_removing=True)
    assert any("status is not what its record says" in detail for detail in found), found


def test_a_redaction_that_hides_a_failure(data_dir: DataDir) -> None:
    """It changes the record, too, and removes something: only the digest of the load shows it."""
    raw = """replace(replace(raw, '"Failed"', '"Completed"'), 'disk full', '[removed]')"""
    hidden = {
        "status": "case status when 'Failed' then 'Completed' else status end",
        "fail_reason": "replace(fail_reason, 'disk full', '[removed]')",
        "raw": raw,
    }
    found = forge(
        data_dir, "redaction", {TASK_VERSIONS: RowChange(replaced=hidden)}, is_removing=True
    )
    assert found
    assert all("it changed columns that a redaction leaves" in detail for detail in found), found


def test_a_redaction_that_changes_a_record_without_removing_from_it(data_dir: DataDir) -> None:
    raw = "replace(raw, 'disk full', 'all is well')"
    changes = {TASK_VERSIONS: RowChange(replaced={"raw": raw})}
    found = forge(data_dir, "redaction", changes, is_removing=True)
    assert any("version_hash is not the hash of raw" in detail for detail in found), found


def test_a_retention_that_changes_rows(data_dir: DataDir) -> None:
    found = forge(data_dir, "retention", FAILED, is_removing=True)
    assert any("does not change rows" in detail for detail in found), found


def test_an_amendment_of_coverage(data_dir: DataDir) -> None:
    changes = {COVERAGE: RowChange(replaced={"distinct_count": "distinct_count + 1"})}
    found = forge(data_dir, "redaction", changes, is_removing=True)
    assert "a redaction does not change coverage" in found


def _first(document: Document, table: str = "task_versions") -> Document:
    """Return the first restatement of a table with an effect."""
    return next(
        each
        for each in document["restates"]
        if each["table"] == table and each["rows_removed"] + each["rows_changed"]
    )


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("retained", lambda d: _first(d).update(rows_removed=0), "it says that it removed 0 rows"),
        ("retained", lambda d: _first(d).update(rows_changed=1), "does not change rows"),
        ("retained", lambda d: d["removes"].pop(), "which holds the rows before"),
        ("retained", lambda d: d["removes"].append(d["removes"][0]), "removes a file twice"),
        ("retained", lambda d: d["restates"].pop(), "without a word"),
        ("retained", lambda d: d["removes"][0].update(rows_removed=99), "the counts of"),
        ("redacted", lambda d: _first(d).update(rows_changed=0), "it says that it changed nothing"),
        ("redacted", lambda d: _first(d).update(rows_changed=99), "more than there are"),
        ("redacted", lambda d: _first(d).update(rows_removed=1), "does not remove rows"),
        ("redacted", lambda d: d["restates"].append(d["restates"][0]), "the same rows twice"),
        ("redacted", lambda d: d.update(kind="retention"), "a retention does not change rows"),
    ],
)
@pytest.mark.parametrize("is_fast", [True, False])
def test_counts_that_are_false(  # noqa: PLR0913 - parameters and fixtures
    name: str,
    change: Callable[[Document], None],
    expected: str,
    *,
    is_fast: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """The chain shows it, so the fast level does, too."""
    data_dir = copied(request.getfixturevalue(name), tmp_path)
    ForgedArchive(data_dir).change_manifest(AMENDED, change)
    found = details(verify_copy(data_dir.archive, VerifyOptions(is_fast=is_fast)))
    assert any(expected in detail for detail in found), found


@pytest.mark.parametrize(
    ("name", "table", "statement"),
    [
        *(
            (name, TASK_VERSIONS, f"update changed_rows set {change}")
            for name in ("redacted", "retained")
            for change in (
                "status = 'Failed' where status = 'Completed'",
                "created_at = created_at + interval 1 hour",
                "raw = replace(raw, 'Completed', 'Failed')",
            )
        ),
        # The hash of a redacted record stays; the record that it is of is gone.
        ("retained", TASK_VERSIONS, "update changed_rows set version_hash = sha256('x')"),
        ("redacted", REJECTED_RECORDS, "update changed_rows set reason = 'none'"),
    ],
)
def test_rows_that_are_left_account_for_themselves(
    name: str, table: ArchiveTable, statement: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """An insider changes rows of the amendment's file, and recomputes everything after."""
    data_dir = copied(request.getfixturevalue(name), tmp_path)
    ForgedArchive(data_dir).change_rows(AMENDED, table, statement)
    assert not verify_copy(data_dir.archive, VerifyOptions()).is_intact


def test_a_row_smuggled_into_the_file_of_an_amendment(redacted: Path, tmp_path: Path) -> None:
    data_dir = copied(redacted, tmp_path)
    ForgedArchive(data_dir).change_rows(
        AMENDED, TASK_VERSIONS, "insert into changed_rows from changed_rows limit 1"
    )
    assert not verify_copy(data_dir.archive, VerifyOptions()).is_intact


def test_more_redacted_rows_than_it_says(redacted: Path, tmp_path: Path) -> None:
    data_dir = copied(redacted, tmp_path)
    archive = ForgedArchive(data_dir)

    def claim(document: Document) -> None:
        for restated in document["restates"]:
            restated["rows_changed"] = min(restated["rows_changed"], 1)
        document["removes"] = [{**each, "rows_changed": 1} for each in document["removes"]]

    archive.change_manifest(AMENDED, claim)
    found = details(verify_copy(data_dir.archive, VerifyOptions()))
    assert any("rows are redacted" in detail for detail in found), found


def test_a_renormalisation_by_another_parser(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a finding that says what to do, and that cures it."""

    def other_parser(record: Record) -> Task | Rejection:
        read = normalise(record)
        return read._replace(instance_name="x") if isinstance(read, Task) else read

    with monkeypatch.context() as patch:
        patch.setattr(rereading, "normalise", other_parser)
        renormalise(data_dir, amendment("renormalisation"), is_dry_run=False)
        assert verify(data_dir, VerifyOptions()).findings == []
    ForgedArchive(data_dir).change_manifest(AMENDED, lambda d: d.update(tool_version="0.0.9"))
    found = details(verify_copy(data_dir.archive, VerifyOptions()))
    assert found
    assert all("version 0.0.9 wrote it" in detail for detail in found)
    assert all("rebuild --renormalise" in detail for detail in found)
    ForgedArchive(data_dir).restore_database()
    renormalise(data_dir, Amendment("renormalisation", LATER + DAY, None), is_dry_run=False)
    assert verify(data_dir, VerifyOptions()).findings == []


def test_every_amendment_is_listed_by_name_and_after_the_head(
    retained: Path, command: Command
) -> None:
    """Loads may be a count, amendments never."""
    data_dir = DataDir(retained)
    head = ForgedArchive(data_dir).entry(AMENDED - 1).read().sha256
    folder = ("--data-dir", data_dir.path, "--expect-head", head)
    run = command("verify", *folder, "--format", "json")
    assert run.exit_code == 0
    (listed,) = json.loads(run.stdout)["amendments"]
    assert listed["entry"].startswith("000006-")
    assert listed["is_after_expected_head"]
    assert listed["is_recomputed"]
    assert (listed["kind"], listed["reason"]) == ("retention", "ticket 4711")
    assert listed["rows_removed"] > 0
    assert f"after the expected head: removed on purpose by {listed['entry']}" in run.stderr
    assert "0 later loads, 1 later amendments" in run.stderr
    run = command("verify", "--data-dir", data_dir.path, "--fast")
    assert "amendments were compared by row counts only" in run.stderr
    assert OBSERVATIONS.name in {
        each.table for each in ForgedArchive(data_dir).entry(AMENDED).read().manifest.restates
    }
