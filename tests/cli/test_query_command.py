"""``query`` and ``status``: data on stdout in each format, read-only."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import open_for_queries, run_query
from gaussdb_tasks.database.saved_questions import saved_questions
from gaussdb_tasks.database.sql_files import THEMES, view_files
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load three tasks once for all tests of this module."""
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


def test_a_table_byte_by_byte(command: Command, loaded: Path) -> None:
    """Numbers right, texts left, NULL visible, brackets as they are, a line end escaped."""
    run = command("query", SQL, "--data-dir", loaded)
    assert run.stdout == (
        "status      duration   fail_reason          is_failed   created_at\n"
        "───────────────────────────────────────────────────────────────────────────\n"
        "Completed        1 h   NULL                 false       2026-03-17 12:00:00\n"
        'Failed           1 h   no "space"\\n[left]   true        2026-03-17 12:00:00\n'
        "Running         NULL   NULL                 false       2026-03-18 11:00:00\n"
    )


def test_csv(command: Command, loaded: Path) -> None:
    """A missing value is an empty field."""
    run = command("query", SQL, "--data-dir", loaded, "--format", "csv")
    assert list(csv.reader(io.StringIO(run.stdout))) == [
        ["status", "duration_seconds", "fail_reason", "is_failed", "created_at"],
        ["Completed", "3600.0", "", "false", "2026-03-17 12:00:00"],
        ["Failed", "3600.0", 'no "space"\n[left]', "true", "2026-03-17 12:00:00"],
        ["Running", "", "", "false", "2026-03-18 11:00:00"],
    ]


def test_json(command: Command, loaded: Path) -> None:
    """An array of objects; a missing value is null."""
    run = command("query", SQL, "--data-dir", loaded, "--format", "json")
    completed, failed, running = json.loads(run.stdout)
    assert completed["duration_seconds"] == 3600
    assert failed["fail_reason"] == 'no "space"\n[left]'
    assert running["duration_seconds"] is None
    assert running["created_at"] == "2026-03-18T11:00:00"


def test_parquet(command: Command, loaded: Path) -> None:
    """Parquet on stdout is a complete file."""
    run = command("query", SQL, "--data-dir", loaded, "--format", "parquet")
    table = parquet.read_table(io.BytesIO(run.stdout_bytes))
    assert table["status"].to_pylist() == ["Completed", "Failed", "Running"]


def test_csv_distinguishes_an_empty_text_from_null(command: Command, loaded: Path) -> None:
    """An empty text is quoted, null is empty; DuckDB reads both back."""
    sql = "select null as a, '' as b, 'a,b' as c, 0.1::double as d"
    run = command("query", sql, "--data-dir", loaded, "--format", "csv")
    assert run.stdout == 'a,b,c,d\n,"","a,b",0.1\n'
    Path("answer.csv").write_text(run.stdout)
    reading = "from read_csv('answer.csv', header = true, allow_quoted_nulls = false)"
    assert duckdb.sql(reading).fetchall() == [(None, "", "a,b", 0.1)]


def test_json_lines(command: Command, loaded: Path) -> None:
    """One object per line, with the values of the JSON array; without rows no line."""
    lines = command("query", SQL, "--data-dir", loaded, "--format", "jsonl").stdout.splitlines()
    array = command("query", SQL, "--data-dir", loaded, "--format", "json").stdout
    assert [json.loads(line) for line in lines] == json.loads(array)
    assert len(lines) == 3
    none = command("query", "from tasks where false", "--data-dir", loaded, "--format", "jsonl")
    assert none.stdout == ""


def test_markdown(command: Command, loaded: Path) -> None:
    """Numbers right, NULL visible; HTML and Markdown in texts are escaped."""
    sql = "select 1.5::double as n, '<b>|*x*' as t union all select null, e'a\\nb\\x1b' order by t"
    run = command("query", sql, "--data-dir", loaded, "--format", "markdown")
    assert run.stdout.splitlines() == [
        "| n | t |",
        "| ---: | --- |",
        r"| 1.5 | &lt;b&gt;\|\*x\* |",
        r"| NULL | a\\nb\\x1b |",
    ]


@pytest.mark.parametrize("output_format", ["json", "jsonl", "parquet"])
def test_repeated_column_names_are_refused_if_one_would_be_lost(
    command: Command, loaded: Path, output_format: str
) -> None:
    """JSON and Parquet would drop a column; CSV has both."""
    sql = "select 1 as a, 2 as a"
    run = command("query", sql, "--data-dir", loaded, "--format", output_format)
    assert (run.exit_code, run.stdout) == (2, "")
    assert "more than one column a" in run.stderr
    assert command("query", sql, "--data-dir", loaded, "--format", "csv").stdout == "a,a\n1,2\n"


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "md", "parquet", "txt"])
def test_a_file_has_the_same_content_as_stdout(command: Command, loaded: Path, suffix: str) -> None:
    """The suffix sets the format; stdout is empty, and an existing file is replaced."""
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


@pytest.mark.parametrize("name", ["answer.csv", "answer.parquet"])
def test_a_file_is_written_completely_or_not_at_all(
    command: Command, loaded: Path, name: str
) -> None:
    """A query that fails after some rows leaves the old file, and no other; the query is blamed."""
    path = Path(name)
    path.write_text("old")
    question = "select case when i = 200000 then error('odd') else i end from range(300000) t(i)"
    run = command("query", question, "--data-dir", loaded, "--output", path)
    assert run.exit_code == 2
    assert "cannot answer" in run.stderr
    assert path.read_text() == "old"
    assert list(Path.cwd().iterdir()) == [path.absolute()]


def test_a_file_that_cannot_be_written(command: Command, loaded: Path) -> None:
    """The message names the file and the cause."""
    run = command("query", "tasks", "--data-dir", loaded, "--output", "no/such/folder.csv")
    assert run.exit_code == 2
    assert "no/such/folder.csv: the folder no/such does not exist" in run.stderr


def test_the_list_names_views_and_saved_questions(command: Command, loaded: Path) -> None:
    """One line each with its meaning; every name can be queried."""
    run = command("query", "--list", "--data-dir", loaded, "--format", "jsonl")
    meanings = {
        line["name"]: line["what_it_answers"] for line in map(json.loads, run.stdout.splitlines())
    }
    assert meanings["tasks"].startswith("One row per task")
    assert meanings["stuck_now"].endswith("?")
    assert "--set month=" in meanings["is_month_complete"]
    with open_for_queries(DataDir(loaded).database) as connection:
        for name in meanings:
            run_query(connection, name).fetchall()


def test_the_list_takes_no_question(command: Command, loaded: Path) -> None:
    run = command("query", "--list", "tasks", "--data-dir", loaded)
    assert run.exit_code == 2
    assert "--list" in run.stderr


def test_the_list_has_a_heading_for_each_theme(command: Command, loaded: Path) -> None:
    """Each view and question stands once, below the theme of its file; views come first."""
    run = command("query", "--list", "--data-dir", loaded, env={"COLUMNS": "1000"})
    blocks = [block.splitlines() for block in run.stdout.split("\n\n")[1:]]
    names = {theme: [line.partition(" ")[0] for line in lines] for theme, *lines in blocks}
    views = [(file.name, file.theme) for file in view_files()]
    questions = [(question.name, question.theme) for question in saved_questions()]
    assert names == {
        theme: [name for name, own_theme in views + questions if own_theme == theme]
        for theme in THEMES[:-1]
    }


def test_parameters_of_a_question_can_be_set(command: Command, loaded: Path) -> None:
    """--set works for saved questions and SQL; an unknown name or a missing value is an error."""

    def asked(*arguments: str) -> tuple[int, str]:
        run = command("query", *arguments, "--data-dir", loaded, "--format", "csv")
        return run.exit_code, run.stdout or run.stderr

    assert asked("select getvariable('x') as x", "--set", "x=a=b'c") == (0, "x\na=b'c\n")
    assert "no such instance" in asked("instance_history", "--set", "instance=nobody")[1]
    assert "no such task" in asked("task_states", "--set", "job=nobody")[1]
    for arguments, words in (
        (["stuck_now", "--set", "x=1"], "in stuck_now, nothing can be set"),
        (["is_month_complete", "--set", "mnth=1"], "in is_month_complete, month can be set"),
        (["select 1", "--set", "x"], "NAME=VALUE"),
        (["select 1", "--set", "x y=1"], "letters, digits"),
    ):
        exit_code, message = asked(*arguments)
        assert exit_code == 2
        assert words in message


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stuck-now", "stuck_now"),
        ("stuck now", "stuck_now"),
        ("Running Tasks", "running_tasks"),
        ("main.running-tasks", "running_tasks"),
        ("runing-tasks", "running_tasks"),
    ],
)
def test_a_name_that_is_written_otherwise_is_suggested(
    command: Command, loaded: Path, typed: str, meant: str
) -> None:
    """Words with dashes or blanks are not taken for SQL."""
    run = command("query", typed, "--data-dir", loaded)
    assert run.exit_code == 2
    assert f"did you mean {meant}" in run.stderr
    assert "arser" not in run.stderr


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select * from stuck_now", "stuck_now is a saved question, not a view"),
        ('select * from tasks where status = "Failed"', "single quotes: 'Failed'"),
        ("select * from read_csv('tasks.csv')", "reads only the database"),
        ("select job from tasks", "Candidate bindings"),
    ],
)
def test_a_mistake_in_sql_has_a_hint(command: Command, loaded: Path, sql: str, hint: str) -> None:
    run = command("query", sql, "--data-dir", loaded)
    assert run.exit_code == 2
    assert hint in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_name_may_end_with_a_semicolon(command: Command, loaded: Path) -> None:
    """As a statement of SQL does."""
    answers = [command("query", name, "--data-dir", loaded) for name in ("tasks;", "tasks")]
    assert answers[0] == answers[1]


def test_sql_from_stdin(command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads the SQL from stdin; without a query the message lists the ways to give one."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1 as one;\n"))
    run = command("query", "-", "--data-dir", loaded, "--format", "csv")
    assert run.stdout == "one\n1\n"
    run = command("query", "--data-dir", loaded)
    assert run.exit_code == 2
    assert "--list" in run.stderr


def test_views_have_their_own_order(command: Command, loaded: Path) -> None:
    """Tasks are listed newest first."""
    run = command("query", "tasks", "--data-dir", loaded, "--format", "csv")
    starts = [row["created_at"] for row in csv.DictReader(io.StringIO(run.stdout))]
    assert starts == sorted(starts, reverse=True)


def test_an_unknown_suffix_is_refused(command: Command, loaded: Path) -> None:
    """The message asks for --format; with it any name is accepted."""
    run = command("query", SQL, "--data-dir", loaded, "--output", "answer.tsv")
    assert run.exit_code == 2
    assert ".parquet" in run.stderr
    assert list(Path.cwd().iterdir()) == []
    options = ("--data-dir", loaded, "--output", "answer.tsv", "--format", "csv")
    assert command("query", SQL, *options).exit_code == 0


def test_a_dash_is_stdout_as_for_a_report(command: Command, loaded: Path) -> None:
    here = ("query", SQL, "--data-dir", loaded)
    for arguments in ((), ("--format", "csv")):
        assert (
            command(*here, *arguments, "--output", "-").stdout == command(*here, *arguments).stdout
        )
    assert not Path("-").exists()


def test_blanks_around_a_parameter_are_ignored(command: Command, loaded: Path) -> None:
    run = command(*("query", "instances_without_backup", "--set", "days = 7"), "--data-dir", loaded)
    assert run.exit_code == 0, run.stderr


def test_a_table_in_a_file_has_all_rows(command: Command, loaded: Path) -> None:
    """On stdout a table ends after 1,000 rows, with a note; in a file it does not."""
    sql = "select range as n from range(1500)"
    shown = command("query", sql, "--data-dir", loaded)
    assert len(shown.stdout.splitlines()) == 1002
    assert "500 more rows" in shown.stderr
    run = command("query", sql, "--data-dir", loaded, "--output", "n.txt")
    assert len(Path("n.txt").read_text().splitlines()) == 1502
    assert run.stderr == ""


def test_now_is_the_same_in_every_time_zone(command: Command, loaded: Path) -> None:
    """The machine's time zone does not change the result."""
    sql = (
        "select created_at::timestamptz::varchar as t, current_setting('TimeZone') as z from tasks"
    )
    arguments = ["query", f"{sql} order by 1", "--data-dir", str(loaded), "--format", "csv"]
    elsewhere = subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", *arguments],
        env={**os.environ, "TZ": "America/Los_Angeles"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout == command(*arguments).stdout
    assert "+00" in elsewhere.stdout


@pytest.mark.parametrize(("reader", "exit_code"), [("| head -n 1", 0), ("> /dev/full", 1)])
def test_stdout_may_close_or_be_full(loaded: Path, reader: str, exit_code: int) -> None:
    """A closed pipe is not an error; a full disk is one, reported in one sentence."""
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
    """A list in a CSV field is JSON, not Python."""
    sql = "select [1, null] as a, {'b': 'x'} as c"
    run = command("query", sql, "--data-dir", loaded, "--format", "csv")
    assert list(csv.reader(io.StringIO(run.stdout)))[1] == ["[1,null]", '{"b":"x"}']


def test_long_names_are_split_before_a_column_is_left_out(
    command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are split at underscores; fractions have the same number of digits."""
    monkeypatch.setenv("COLUMNS", "30")
    sql = "select 1.5::double as first_long_name, 2::double as second_long_name"
    sql = f"{sql} union all select 2, 3.25 order by 1"
    run = command("query", sql, "--data-dir", loaded)
    assert run.stdout.splitlines() == [
        "first_long_name   second_",
        "                    long_",
        "                     name",
        "─────────────────────────",
        "            1.5      2.00",
        "            2.0      3.25",
    ]


def test_a_result_without_rows(command: Command, loaded: Path) -> None:
    """stdout has the column names, stderr a note."""
    run = command("query", "select job_id from tasks where false", "--data-dir", loaded)
    assert run.exit_code == 0
    assert run.stdout.startswith("job_id")
    assert run.stderr == "no rows\n"
    empty = command("query", "from tasks where false", "--data-dir", loaded, "--format", "json")
    assert json.loads(empty.stdout) == []


def test_rows_as_in_the_database_are_lists_if_a_table_is_too_wide(
    command: Command, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --raw no column is left out; else the message names those that are."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("query", "tasks", "--data-dir", loaded, "--raw").stdout.splitlines()
    assert lines.count("--- row 1") == lines.count("--- row 3") == 1
    assert any(re.fullmatch(r"duration_seconds +3600", line) for line in lines)
    assert max(map(len, lines)) <= 80
    run = command("query", "tasks", "--data-dir", loaded)
    left_out = re.fullmatch(r"no room for: (.*); .*\n", run.stderr)
    assert left_out is not None
    names = run.stdout.splitlines()[0].split()
    assert len(left_out[1].split(", ")) + len(names) == 27


def test_a_view_is_found_by_name(command: Command, loaded: Path) -> None:
    """In lower or upper case, with or without its schema."""
    for name in ("tasks", "TASKS", "main.tasks"):
        assert command("query", name, "--data-dir", loaded, "--format", "csv").exit_code == 0


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("task", ["no view", "'task'", "tasks"]),
        ("nothing_like_it", ["no saved question", "query --list"]),
        ("select nothing", ["cannot answer", "nothing"]),
        ("select 1; select 2", ["not one SELECT"]),
        ("", ["the value is empty"]),
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
def test_a_query_can_only_read_the_database(
    command: Command, loaded: Path, question: str, words: list[str]
) -> None:
    """Writing, other files, the network and second statements: one sentence, exit 2."""
    run = command("query", question, "--data-dir", loaded)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert all(word in run.stderr for word in words)
    assert list(Path.cwd().iterdir()) == []


def test_an_error_among_the_rows_is_one_sentence(command: Command, loaded: Path) -> None:
    """A query that fails after it started ends without a traceback.

    How many rows came before depends on DuckDB's threads.
    """
    question = "select case when i = 500000 then error('odd') else i end from range(1000000) t(i)"
    run = command("query", question, "--data-dir", loaded, "--format", "csv")
    assert run.exit_code == 2
    assert "cannot answer" in run.last_line
    assert "odd" in run.last_line


def test_before_the_first_load_there_is_no_database(command: Command) -> None:
    """The message shows the command that creates it."""
    for name in ("query", "status"):
        run = command(name, *(["tasks"] if name == "query" else []))
        assert run.exit_code == 2
        assert "gaussdb-tasks load" in run.stderr
        assert list(Path.cwd().iterdir()) == []


def test_status(command: Command, loaded: Path) -> None:
    """One row per project, with the nights left at --now."""
    run = command("status", "--data-dir", loaded, "--now", iso(NOW + 3 * DAY), "--format", "json")
    (project,) = json.loads(run.stdout)
    assert project["project_id"] == PROJECT
    assert (project["nights_left"], project["open_task_count"], project["task_count"]) == (27, 1, 3)


def test_status_shows_gaps(command: Command, loaded: Path, tmp_path: Path) -> None:
    """Time that no load covered is listed below the projects."""
    shutil.copytree(loaded, tmp_path / "data")
    later = NOW + 40 * DAY
    with Emulator(FixedWorld({PROJECT: []}), clock=SettableClock(later)) as emulator:
        load(emulator, tmp_path / "data", later)
    run = command("status", "--now", iso(later))
    gap = run.stdout.partition("not covered:")[2]
    assert "2026-03-18 12:00:00" in gap
    assert "2026-03-28 12:00:00" in gap
