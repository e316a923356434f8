"""``query`` and ``status``: data on stdout in each format, and nothing but reading."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from command_runs import Command
from emulator_client import NOW, PROJECT, record
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.instants import DAY, HOUR, iso
from nights import load


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one night in it."""
    folder = tmp_path_factory.mktemp("loaded")
    tasks = [
        record(1, NOW - DAY, NOW - DAY + HOUR),
        record(2, NOW - HOUR, None),
        record(3, NOW - DAY, NOW - DAY + HOUR, status="Failed", fail_reason='no "space"\n[left]'),
    ]
    with Emulator(FixedWorld({PROJECT: tasks}), clock=SettableClock(NOW)) as emulator:
        load(emulator, folder, NOW)
    return folder


SQL = "select status, duration_seconds, fail_reason, is_failed, created_at from tasks order by 1"


def test_a_table_is_to_the_byte(command: Command, loaded: Path) -> None:
    """Numbers right, words left, NULL visible, brackets taken for text."""
    run = command("query", SQL, "--data-dir", loaded)
    assert run.stdout == (
        "status      duration_seconds   fail_reason   is_failed   created_at\n"
        "────────────────────────────────────────────────────────────────────────────\n"
        "Completed               3600   NULL          false       2026-03-17 12:00:00\n"
        'Failed                  3600   no "space"    true        2026-03-17 12:00:00\n'
        "                               [left]\n"
        "Running                 NULL   NULL          false       2026-03-18 11:00:00\n"
    )


def test_csv(command: Command, loaded: Path) -> None:
    """CSV as a spreadsheet reads it; a missing value is an empty field."""
    run = command("query", SQL, "--data-dir", loaded, "--format", "csv")
    assert list(csv.reader(io.StringIO(run.stdout))) == [
        ["status", "duration_seconds", "fail_reason", "is_failed", "created_at"],
        ["Completed", "3600.0", "", "false", "2026-03-17 12:00:00"],
        ["Failed", "3600.0", 'no "space"\n[left]', "true", "2026-03-17 12:00:00"],
        ["Running", "", "", "false", "2026-03-18 11:00:00"],
    ]


def test_json(command: Command, loaded: Path) -> None:
    """JSON is an array of objects; a missing value is null."""
    run = command("query", SQL, "--data-dir", loaded, "--format", "json")
    completed, failed, running = json.loads(run.stdout)
    assert completed["duration_seconds"] == 3600
    assert failed["fail_reason"] == 'no "space"\n[left]'
    assert running["duration_seconds"] is None
    assert running["created_at"] == "2026-03-18T11:00:00"


def test_parquet(loaded: Path, tmp_path: Path) -> None:
    """Parquet on stdout, redirected into a file, opens anywhere."""
    answer = run_to_file(["query", SQL, "--data-dir", str(loaded), "--format", "parquet"], tmp_path)
    table = parquet.read_table(answer)
    assert table["status"].to_pylist() == ["Completed", "Failed", "Running"]


def run_to_file(arguments: list[str], folder: Path) -> Path:
    """Run the command in a process of its own, its stdout a file."""
    answer = folder / "answer"
    with answer.open("wb") as out:
        subprocess.run([sys.executable, "-m", "gaussdb_tasks", *arguments], stdout=out, check=True)
    return answer


def test_no_rows(command: Command, loaded: Path) -> None:
    """Nothing found is said on stderr; on stdout are the columns."""
    run = command("query", "select job_id from tasks where false", "--data-dir", loaded)
    assert run.exit_code == 0
    assert run.stdout.startswith("job_id")
    assert run.stderr == "no rows\n"
    empty = command("query", "from tasks where false", "--data-dir", loaded, "--format", "json")
    assert json.loads(empty.stdout) == []


def test_wide_rows_turn_into_lists(
    command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a table does not fit, each row is a list of names and values."""
    monkeypatch.setenv("COLUMNS", "80")
    run = command("query", "tasks", "--data-dir", loaded)
    lines = run.stdout.splitlines()
    assert lines[0] == "--- row 1"
    assert any(line.startswith("task_name") and line.endswith("Instance") for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_view_is_found_by_name(command: Command, loaded: Path) -> None:
    """A view's name is enough, in any case, with its schema or without."""
    for name in ("tasks", "TASKS", "main.tasks"):
        assert command("query", name, "--data-dir", loaded, "--format", "csv").exit_code == 0


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("task", ["no view 'task'", "tasks"]),
        ("nothing_like_it", ["there are", "archive_status"]),
        ("select nothing", ["cannot answer", "nothing"]),
        ("select 1; select 2", ["not one SELECT"]),
        ("", ["not one SELECT"]),
        ("delete from task_center.tasks", ["not one SELECT"]),
        ("copy tasks to 'out.csv'", ["not one SELECT"]),
        ("attach 'other.duckdb'", ["not one SELECT"]),
        ("set memory_limit = '1GB'", ["not one SELECT"]),
        ("install httpfs", ["not one SELECT"]),
        ("select * from read_text('/etc/hostname')", ["cannot answer"]),
        ("select * from 'http://127.0.0.1:9/x.csv'", ["cannot answer"]),
        ("select * from glob('/*')", ["cannot answer"]),
        ("import database '/tmp'", ["cannot answer"]),
    ],
)
def test_a_question_can_only_read_the_database(
    command: Command, loaded: Path, question: str, words: list[str]
) -> None:
    """No writing, no other file, no network, no second statement: one sentence, exit 2."""
    run = command("query", question, "--data-dir", loaded)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert all(word in run.stderr for word in words)
    assert list(Path.cwd().iterdir()) == []


def test_an_error_among_the_rows_is_one_sentence(command: Command, loaded: Path) -> None:
    """An answer that breaks off after thousands of rows ends in a sentence, not in a traceback."""
    question = "select case when i = 500000 then error('odd') else i end from range(1000000) t(i)"
    run = command("query", question, "--data-dir", loaded, "--format", "csv")
    assert run.exit_code == 2
    assert "cannot answer" in run.last_line
    assert "odd" in run.last_line


def test_there_is_no_database_yet(command: Command) -> None:
    """Before the first load, the sentence says how to make one."""
    for name in ("query", "status"):
        run = command(name, *(["tasks"] if name == "query" else []))
        assert run.exit_code == 2
        assert "gaussdb-tasks load" in run.stderr
        assert list(Path.cwd().iterdir()) == []


def test_status(command: Command, loaded: Path) -> None:
    """One row a project, and the nights left at a clock."""
    run = command("status", "--data-dir", loaded, "--now", iso(NOW + 3 * DAY), "--format", "json")
    (project,) = json.loads(run.stdout)
    assert project["project_id"] == PROJECT
    assert (project["nights_left"], project["open_task_count"], project["task_count"]) == (27, 1, 3)


def test_status_shows_gaps(command: Command, tmp_path: Path) -> None:
    """A stretch that was lost is listed below."""
    with Emulator(FixedWorld({PROJECT: []}), clock=SettableClock(NOW)) as emulator:
        load(emulator, tmp_path / "data", NOW - 40 * DAY)
        load(emulator, tmp_path / "data", NOW)
    run = command("status", "--now", iso(NOW))
    assert "not covered:" in run.stdout
    assert "2026-02-06 12:00:00" in run.stdout
