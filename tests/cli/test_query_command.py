"""``query`` and ``status``: data on stdout in each format, and nothing but reading."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load


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


def test_csv_tells_an_empty_text_from_none(command: Command, loaded: Path) -> None:
    """An empty text is a quoted field, null is nothing between the commas; so DuckDB reads them."""
    sql = "select null as a, '' as b, 'a,b' as c, 0.1::double as d"
    run = command("query", sql, "--data-dir", loaded, "--format", "csv")
    assert run.stdout == 'a,b,c,d\n,"","a,b",0.1\n'
    Path("answer.csv").write_text(run.stdout)
    reading = "from read_csv('answer.csv', header = true, allow_quoted_nulls = false)"
    assert duckdb.sql(reading).fetchall() == [(None, "", "a,b", 0.1)]


def test_json_lines(command: Command, loaded: Path) -> None:
    """One object a line, with the values that the JSON array has; no row, no line."""
    lines = command("query", SQL, "--data-dir", loaded, "--format", "jsonl").stdout.splitlines()
    array = command("query", SQL, "--data-dir", loaded, "--format", "json").stdout
    assert [json.loads(line) for line in lines] == json.loads(array)
    assert len(lines) == 3
    none = command("query", "from tasks where false", "--data-dir", loaded, "--format", "jsonl")
    assert none.stdout == ""


def test_markdown(command: Command, loaded: Path) -> None:
    """Numbers right, NULL visible; what would be HTML, a column or a line is text."""
    sql = "select 1.5::double as n, '<b>|*x*' as t union all select null, e'a\\nb\\x1b' order by t"
    run = command("query", sql, "--data-dir", loaded, "--format", "markdown")
    assert run.stdout.splitlines() == [
        "| n | t |",
        "| ---: | --- |",
        r"| 1.5 | &lt;b&gt;\|\*x\* |",
        r"| NULL | a<br>b\\x1b |",
    ]


@pytest.mark.parametrize("output_format", ["json", "jsonl", "parquet"])
def test_columns_of_one_name_are_refused_where_one_would_be_lost(
    command: Command, loaded: Path, output_format: str
) -> None:
    """JSON and Parquet would drop a column; CSV, which need not, has both."""
    sql = "select 1 as a, 2 as a"
    run = command("query", sql, "--data-dir", loaded, "--format", output_format)
    assert (run.exit_code, run.stdout) == (2, "")
    assert "more than one column a" in run.stderr
    assert command("query", sql, "--data-dir", loaded, "--format", "csv").stdout == "a,a\n1,2\n"


def test_a_table_hides_no_control_characters(command: Command, loaded: Path) -> None:
    """What would colour the terminal or turn the writing around is spelt out."""
    sql = "select e'\\x1b[31mred' as a, chr(8238) || 'abc' as b"
    run = command("query", sql, "--data-dir", loaded)
    assert r"\x1b[31mred" in run.stdout
    assert r"\u202eabc" in run.stdout
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "md", "parquet", "txt"])
def test_a_file_has_what_stdout_would_have(command: Command, loaded: Path, suffix: str) -> None:
    """The suffix says the format; nothing goes to stdout, and what was there is replaced."""
    output_format = {"md": "markdown", "txt": "table"}.get(suffix, suffix)
    path = Path(f"answer.{suffix}")
    path.write_text("older and longer" * 1000)
    assert command("query", SQL, "--data-dir", loaded, "--output", path).stdout == ""
    if suffix == "parquet":
        assert parquet.read_table(path).num_rows == 3
    else:
        shown = command("query", SQL, "--data-dir", loaded, "--format", output_format).stdout
        assert path.read_text() == shown
    command("query", SQL, "--data-dir", loaded, "--output", path, "--format", "jsonl")
    assert path.read_text().startswith("{")


def test_a_file_is_written_whole_or_not(command: Command, loaded: Path) -> None:
    """A question that breaks off among its rows leaves the old file, and nothing beside it."""
    path = Path("answer.csv")
    path.write_text("last night's")
    question = "select case when i = 500000 then error('odd') else i end from range(1000000) t(i)"
    assert command("query", question, "--data-dir", loaded, "--output", path).exit_code == 2
    assert path.read_text() == "last night's"
    assert list(Path.cwd().iterdir()) == [path.absolute()]


def test_a_file_that_cannot_be_written(command: Command, loaded: Path) -> None:
    """The sentence names the file and what is in the way."""
    run = command("query", "tasks", "--data-dir", loaded, "--output", "no/such/folder.csv")
    assert run.exit_code == 2
    assert "no/such/folder.csv cannot be written (No such file or directory)" in run.stderr


def test_the_list_names_views_and_saved_questions(command: Command, loaded: Path) -> None:
    """One line each with what it answers; every name on it can be asked."""
    run = command("query", "--list", "--data-dir", loaded, "--format", "jsonl")
    meanings = {
        line["name"]: line["what_it_answers"] for line in map(json.loads, run.stdout.splitlines())
    }
    assert meanings["tasks"].startswith("One row per task")
    assert meanings["stuck_now"].endswith("?")
    assert "--set month=" in meanings["is_month_complete"]
    for name in meanings:
        assert command("query", name, "--data-dir", loaded).exit_code == 0, name


def test_what_a_question_leaves_open_can_be_set(command: Command, loaded: Path) -> None:
    """--set reaches saved questions and SQL; what cannot be set there, or has no value, is said."""

    def asked(*arguments: str) -> tuple[int, str]:
        run = command("query", *arguments, "--data-dir", loaded, "--format", "csv")
        return run.exit_code, run.stdout or run.stderr

    assert asked("select getvariable('x') as x", "--set", "x=a=b'c") == (0, "x\na=b'c\n")
    assert asked("instance_history", "--set", "instance=nobody")[1].count("\n") == 1
    for arguments, words in (
        (["stuck_now", "--set", "x=1"], "in stuck_now, nothing can be set"),
        (["is_month_complete", "--set", "mnth=1"], "in is_month_complete, month can be set"),
        (["select 1", "--set", "x"], "NAME=VALUE"),
        (["select 1", "--set", "x y=1"], "letters, digits"),
    ):
        exit_code, said = asked(*arguments)
        assert exit_code == 2
        assert words in said


def test_sql_comes_from_stdin_too(
    command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dash reads the question from stdin; nothing at all is a mistake that says what to do."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1 as one;\n"))
    run = command("query", "-", "--data-dir", loaded, "--format", "csv")
    assert run.stdout == "one\n1\n"
    run = command("query", "--data-dir", loaded)
    assert run.exit_code == 2
    assert "--list" in run.stderr


def test_views_come_in_the_order_they_are_read_in(command: Command, loaded: Path) -> None:
    """Each view that says its order can be sorted so; tasks come with the newest first."""
    run = command("query", "tasks", "--data-dir", loaded, "--format", "csv")
    starts = [row["created_at"] for row in csv.DictReader(io.StringIO(run.stdout))]
    assert starts == sorted(starts, reverse=True)


def test_a_suffix_that_says_nothing_is_refused(command: Command, loaded: Path) -> None:
    """Rather than guess, the command asks for the format; with it, any name will do."""
    run = command("query", SQL, "--data-dir", loaded, "--output", "answer.tsv")
    assert run.exit_code == 2
    assert ".parquet" in run.stderr
    assert list(Path.cwd().iterdir()) == []
    options = ("--data-dir", loaded, "--output", "answer.tsv", "--format", "csv")
    assert command("query", SQL, *options).exit_code == 0


def test_a_table_in_a_file_is_whole(command: Command, loaded: Path) -> None:
    """On a terminal a table ends after a thousand rows and says so; in a file it does not."""
    sql = "select range as n from range(1500)"
    shown = command("query", sql, "--data-dir", loaded)
    assert len(shown.stdout.splitlines()) == 1002
    assert "500 more rows" in shown.stderr
    run = command("query", sql, "--data-dir", loaded, "--output", "n.txt")
    assert len(Path("n.txt").read_text().splitlines()) == 1502
    assert run.stderr == ""


def test_now_is_the_same_in_every_time_zone(loaded: Path) -> None:
    """The machine's zone does not get into now(), nor into what is compared with it."""
    sql = (
        "select created_at::timestamptz::varchar as t, current_setting('TimeZone') as z from tasks"
    )
    arguments = ["query", f"{sql} order by 1", "--data-dir", str(loaded), "--format", "csv"]
    shown = {
        subprocess.run(
            [sys.executable, "-m", "gaussdb_tasks", *arguments],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone in ("UTC", "Asia/Shanghai", "America/Los_Angeles")
    }
    (only,) = shown
    assert "+00" in only


@pytest.mark.parametrize(("reader", "exit_code"), [("| head -n 1", 0), ("> /dev/full", 1)])
def test_stdout_may_close_or_be_full(loaded: Path, reader: str, exit_code: int) -> None:
    """Who has read enough is no error; a disk that is full is one, in one sentence."""
    command_line = (
        f"{sys.executable} -m gaussdb_tasks query 'select range from range(1000000)'"
        f" --format csv --data-dir {loaded} {reader}"
    )
    run = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command_line],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == exit_code
    assert run.stderr.count("\n") == exit_code
    assert "Traceback" not in run.stderr


def test_nested_values_are_json(command: Command, loaded: Path) -> None:
    """A list in a field is JSON, not Python."""
    sql = "select [1, null] as a, {'b': 'x'} as c"
    run = command("query", sql, "--data-dir", loaded, "--format", "csv")
    assert list(csv.reader(io.StringIO(run.stdout)))[1] == ["[1,null]", '{"b":"x"}']


def test_long_names_are_broken_before_a_table_is_given_up(
    command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names fold where their words meet; fractions have the same number of digits."""
    monkeypatch.setenv("COLUMNS", "30")
    sql = "select 1.5::double as first_long_name, 2::double as second_long_name"
    sql = f"{sql} union all select 2, 3.25 order by 1"
    run = command("query", sql, "--data-dir", loaded)
    assert run.stdout.splitlines() == [
        "first_   second_",
        " long_     long_",
        "  name      name",
        "────────────────",
        "   1.5      2.00",
        "   2.0      3.25",
    ]


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
        ("task", ["no view", "'task'", "tasks"]),
        ("nothing_like_it", ["no saved question", "query --list"]),
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
        ("import database '/tmp'", []),
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
