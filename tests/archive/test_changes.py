"""The commands changes and evidence."""

import csv
import json
import re
import subprocess
import sys
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import DAY
from tests.support.commands import Command
from tests.support.emulator_client import NOW, job_id


def _changes(command: Command, data_dir: DataDir, *arguments: str) -> list[tuple[Any, ...]]:
    run = command("changes", *arguments, "--format", "csv", "--data-dir", data_dir.path)
    assert run.exit_code == 0, run.stderr
    return [
        (int(row["entry"]), row["job_id"][-1:], row["change"], row["status_before"], row["status"])
        for row in csv.DictReader(run.stdout.splitlines())
    ]


SECOND = [
    (2, "1", "vanished", "Completed", "Completed"),
    (2, "4", "changed", "Running", "Failed"),
    (2, "5", "new", "", "Completed"),
    (2, "6", "new", "", "Completed"),
    (2, "7", "new", "", "Completed"),
]
THIRD = [(3, "1", "reappeared", "Completed", "Completed")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--since", "2", "--until", "2"), SECOND),
        (("--since", "2026-03-19", "--until", "2026-03-19"), SECOND),
        (("--since", "2026-03-19T12:00:00Z", "--until", "2026-03-20T12:00:00Z"), [*SECOND, *THIRD]),
        (("--since", "2026-03-19T12:00:01Z", "--until", "2026-03-21"), THIRD),
        (("--since", "000003-20260320T120000Z-load", "--until", "4"), THIRD),
        (("--since", "4"), [(5, "8", "new", "", "Completed")]),
    ],
)
def test_changes_of_a_range_of_loads(
    data_dir: DataDir,
    command: Command,
    arguments: tuple[str, ...],
    expected: list[tuple[Any, ...]],
) -> None:
    """Both bounds are included, a day has 24 hours, and each state is a row."""
    assert _changes(command, data_dir, *arguments) == expected


def test_rejected_records_are_changes(data_dir: DataDir, command: Command) -> None:
    found = _changes(command, data_dir, "--since", "1", "--until", "1")
    assert (1, "3", "rejected", "", "") in found


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "--since"),
        (("--since", "last week"), "2026-01-31T02:00:00Z, or the number"),
        (("--since", "2026-03-20", "--until", "2026-03-19"), "swap them"),
        (("--since", "3", "--until", "2"), "swap them"),
        (("--since", "3", "--until", "2026-03-18"), "swap them"),
        (("--since", "2026-03-21", "--until", "2"), "swap them"),
        (("--since", "99"), "the newest load is entry 5"),
        (("--since", "2999-01-01"), "in the future"),
    ],
)
def test_wrong_bounds_are_explained(
    data_dir: DataDir, command: Command, arguments: tuple[str, ...], hint: str
) -> None:
    run = command("changes", *arguments, "--data-dir", data_dir.path)
    assert run.exit_code == 2
    assert hint in run.stderr


def test_evidence_of_a_task(data_dir: DataDir, command: Command) -> None:
    """Every state has its raw record and its proof."""
    run = command("evidence", job_id(4), "--data-dir", data_dir.path, "--format", "json")
    assert run.exit_code == 0, run.stderr
    evidence = json.loads(run.stdout)
    (task,) = evidence["tasks"]
    assert [state["state"]["status"] for state in task["states"]] == ["Running", "Failed"]
    assert [state["proof"]["seen_by"][:6] for state in task["states"]] == ["000001", "000002"]
    assert [json.loads(state["state"]["raw"])["status"] for state in task["states"]] == [
        "Running",
        "Failed",
    ]
    assert evidence["is_proved"] is True


@pytest.mark.parametrize(
    "change",
    [
        "ended_at = ended_at + interval 1 second",
        "progress_percent = 1",
        "instance_name = 'x'",
        "version_hash = 'x'",
        "ended_at = 'infinity'",
    ],
)
def test_evidence_of_a_changed_state(data_dir: DataDir, command: Command, change: str) -> None:
    """Each value of the database is compared with the archive's file."""
    with duckdb.connect(data_dir.database) as connection:
        connection.execute(f"update task_center.task_versions set {change}")
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "the file does not hold this record: the database differs" in run.stdout


def test_evidence_of_deletions_and_rejections(data_dir: DataDir, command: Command) -> None:
    """Times of deletion and reappearance are shown; so is a rejected record."""
    run = command("evidence", job_id(1), "--data-dir", data_dir.path)
    assert re.search(r"found deleted +2026-03-19T12:00:00Z, listed again 2026-03-20", run.stdout)
    run = command("evidence", job_id(3), "--data-dir", data_dir.path)
    assert run.exit_code == 0
    assert "rejected record" in run.stdout
    assert "created_at is not usable" in run.stdout


def test_evidence_can_be_checked_without_this_program(data_dir: DataDir, command: Command) -> None:
    """The printed shell commands and Python code run as they are, and find the same."""
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert run.exit_code == 0
    shell, _, python = run.stdout.partition("in a shell:\n")[2].partition("and in Python")
    checked = subprocess.run(  # noqa: S602 - that it runs in a shell is the point
        shell, shell=True, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == 4
    lines = [line.strip() for line in python.splitlines()[1:]]
    read = subprocess.run(
        [sys.executable, "-I", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    assert '"Running"' in read.stdout
    assert "disk full" in read.stdout


def test_a_changed_file_or_database_is_a_mismatch(data_dir: DataDir, command: Command) -> None:
    """The exit code is 1."""
    with duckdb.connect(data_dir.database) as connection:
        connection.execute(
            "update task_center.task_versions set fail_reason = 'x' where status = 'Failed'"
        )
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "the database differs" in run.stdout
    path = next(data_dir.archive.glob("000001-*/task_versions.parquet"))
    path.write_bytes(path.read_bytes().swapcase())
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert "the file does not match its digest" in run.stdout
    assert "NOT everything is proved" in run.stdout


def test_evidence_after_a_redaction(data_dir: DataDir, command: Command) -> None:
    """The entry of the amendment proves the rest."""
    amendment = Amendment("redaction", NOW + 100 * DAY, "x")
    redact(data_dir, ["fail_reason"], [job_id(4)], amendment, is_dry_run=False)
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert run.exit_code == 0
    assert "000006-20260626T120000Z-redaction/task_versions.parquet" in run.stdout
    assert "disk full" not in run.stdout


def test_an_unknown_task_is_refused(data_dir: DataDir, command: Command) -> None:
    """Similar ids are suggested."""
    run = command("evidence", job_id(4)[:-1] + "x", "--data-dir", data_dir.path)
    assert run.exit_code == 2
    assert "did you mean" in run.stderr


@pytest.mark.parametrize(
    "change",
    [
        "delete from task_center.task_versions where version = 1",
        "delete from task_center.task_versions where version = 2",
        "update task_center.tasks set status = 'Completed'",
        "update task_center.tasks set version_count = 1000000000000000000",
    ],
)
def test_evidence_that_omits_or_changes_a_state(
    data_dir: DataDir, command: Command, change: str
) -> None:
    """The states that are left are proved, but they are not all."""
    with duckdb.connect(data_dir.database) as connection:
        connection.execute(
            f"{change}{' and' if 'where' in change else ' where'} job_id = ?", [job_id(4)]
        )
    run = command("evidence", job_id(4), "--data-dir", data_dir.path)
    assert run.exit_code == 1


def test_evidence_in_a_file_that_is_a_link(data_dir: DataDir, command: Command) -> None:
    """What a link leads to is not part of the archive."""
    file = min(data_dir.archive.glob("*/task_versions.parquet"))
    elsewhere = file.rename(data_dir.path / "elsewhere.parquet")
    file.symlink_to(elsewhere)
    run = command("evidence", job_id(1), "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "the file cannot be read: it is a link, or not a file" in run.stdout + run.stderr


def test_changes_of_a_database_with_other_objects_are_refused(
    data_dir: DataDir, command: Command
) -> None:
    """A table of its own could answer in place of the real one."""
    with duckdb.connect(data_dir.database) as connection:
        connection.execute("create schema hidden")
        connection.execute("create table hidden.versions as from task_center.task_versions")
        connection.execute("drop table task_center.task_versions")
        connection.execute("create view task_center.task_versions as from hidden.versions")
    run = command("changes", "--since", "1", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "objects that no load creates" in run.stderr
