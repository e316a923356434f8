"""No command lets foreign text act: on a terminal, in a log, in a table, in the report."""

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from pyarrow import parquet

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support.commands import Command, Run, isolated, run_command, token_env
from tests.support.emulator_client import NOW, PROJECT, job_id, record
from tests.support.every_command import LINES, Line, task_center
from tests.support.hostile_text import FILE_NAME, HOSTILE, LETTERS, invisible_in

TEXTS = {
    "name": HOSTILE,
    "fail_reason": HOSTILE,
    "status": HOSTILE,
    "instance_info": {"instance_id": HOSTILE, "instance_name": HOSTILE, "instance_status": HOSTILE},
    HOSTILE: {HOSTILE: [HOSTILE]},
}
"""Fields of a record in which every text is hostile."""


_WITHOUT_DATA = frozenset({"schedule", "demo"})
"""Commands with no foreign text; a schedule refuses such a folder."""


REGION = {"GAUSSDB_TASKS_REGION": HOSTILE}


class Done(NamedTuple):
    """A command line that was run, and its result."""

    line: Line
    run: Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / HOSTILE.replace("[", "(")
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> list[Done]:
    """Run every command on hostile records, in a folder with a hostile name."""
    with isolated(folder), task_center(**TEXTS) as center:
        env = {
            "GAUSSDB_TASKS_DATA_DIR": str(folder / "data"),
            "GAUSSDB_TASKS_METRICS_FILE": "load.prom",
        }
        return [
            Done(line, run_command(*line.arguments, env={**center.prepare(line), **env, **REGION}))
            for line in LINES
            if line.arguments[0] not in _WITHOUT_DATA
        ]


def texts_of(run: Run) -> str:
    return run.stdout + run.stderr


def test_no_command_prints_an_invisible_character(done: list[Done]) -> None:
    for line, run in done:
        assert run.exit_code == line.exit_code, (line.arguments, run.stderr)
        if not {"csv", "tasks.parquet"} & set(line.arguments):
            assert invisible_in(texts_of(run)) == set(), line.arguments
            assert "\n2026-03-18T00:00:00Z intact" not in texts_of(run), line.arguments


def test_the_texts_are_shown_with_their_escapes(done: list[Done]) -> None:
    shown = "\n".join(texts_of(run) for _, run in done)
    for part in (r"\x1b[31mred", r"\n2026-03-18T00:00:00Z intact", r"\u202egnp"):
        assert part in shown
    assert LETTERS in shown


def test_the_report_shows_them_too(done: list[Done], folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert done
    assert invisible_in(page) == set()
    assert r"\x1b[31mred" in page
    assert LETTERS in page


def test_the_metrics_too(done: list[Done], folder: Path) -> None:
    metrics = (folder / "load.prom").read_text()
    assert done
    assert invisible_in(metrics) == set()
    assert r"\x1b[31mred" in metrics.replace("\\\\", "\\")


FORMATS = {
    f"GAUSSDB_TASKS_{name}": "json" for name in ("FORMAT", "VERIFY_FORMAT", "EVIDENCE_FORMAT")
}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("status",),
        ("query", "tasks"),
        ("query", "--list"),
        ("verify",),
        ("changes", "--since", "2025-01-01"),
        ("evidence", job_id(3)),
        ("redact", "--job-id", job_id(3), "--reason", HOSTILE, "--dry-run"),
        ("retention", "--keep", "90d", "--dry-run"),
        ("rebuild", "--renormalise", "--dry-run"),
        ("config",),
    ],
    ids=" ".join,
)
def test_json_of_every_command_can_be_parsed(
    done: list[Done], folder: Path, command: Command, arguments: tuple[str, ...]
) -> None:
    assert done
    run = command(*arguments, env={"GAUSSDB_TASKS_DATA_DIR": str(folder / "data"), **FORMATS})
    assert invisible_in(texts_of(run)) == set()
    json.loads(run.stdout)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load a task with hostile texts, and a record that is rejected."""
    data_dir = tmp_path_factory.mktemp("texts") / "data"
    tasks = [record(1, NOW - DAY, NOW - HOUR, **TEXTS), {**record(2), "created_at": HOSTILE}]
    world = FixedWorld({PROJECT: tasks})
    with (
        isolated(data_dir.parent),
        Emulator(world, clock=SettableClock(NOW)) as emulator,
    ):
        run = run_command("load", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 3, run.stderr
    assert invisible_in(texts_of(run)) == set()
    return data_dir


def value_of(run: Run, output_format: str, name: str) -> object:
    """Return a column of the only row in a machine format."""
    if output_format == "parquet":
        value: object = parquet.read_table(io.BytesIO(run.stdout_bytes))[name][0].as_py()
    elif output_format == "csv":
        (row,) = csv.DictReader(io.StringIO(run.stdout, newline=""))
        value = row[name]
    else:
        document = json.loads(run.stdout)
        value = (document[0] if isinstance(document, list) else document)[name]
    return value


@pytest.mark.parametrize("output_format", ["json", "jsonl", "csv", "parquet"])
def test_machine_formats_have_the_same_values(
    command: Command, data_dir: Path, output_format: str
) -> None:
    """Of a cell and of a column's name; JSON has no invisible character for that."""
    with duckdb.connect(str(data_dir / "gaussdb_tasks.duckdb"), read_only=True) as connection:
        (raw,) = connection.execute("select raw from task_center.task_versions").fetchall()[0]
    sql = f"""select fail_reason as "{HOSTILE}", raw from task_history"""
    run = command("query", sql, "--data-dir", data_dir, "--format", output_format)
    assert run.exit_code == 0, run.stderr
    assert value_of(run, output_format, HOSTILE) == HOSTILE
    assert value_of(run, output_format, "raw") == raw
    if output_format.startswith("json"):
        assert invisible_in(run.stdout) == set()


@pytest.mark.parametrize("width", ["1000", "40"])
def test_the_name_of_a_column_is_shown(command: Command, data_dir: Path, width: str) -> None:
    """In a grid, in a list, and in Markdown, where it cannot be markup either."""
    sql = f"""select 1 as "{HOSTILE}<b>|", 2 as b"""
    run = command("query", sql, "--data-dir", data_dir, env={"COLUMNS": width})
    assert r"\x1b[31mred" in "".join(run.stdout.split("\n"))
    assert invisible_in(run.stdout) == set()
    markdown = command("query", sql, "--data-dir", data_dir, "--format", "markdown").stdout
    assert r"\\x1b\[31mred" in markdown
    assert r"&lt;b&gt;\|" in markdown
    assert len(markdown.splitlines()) == 3


def test_evidence_is_escaped_for_people_and_word_for_word_for_machines(
    command: Command, data_dir: Path
) -> None:
    text = command("evidence", job_id(1), "--data-dir", data_dir)
    assert text.exit_code == 0
    assert invisible_in(text.stdout) == set()
    run = command("evidence", job_id(1), "--data-dir", data_dir, "--format", "json")
    assert invisible_in(run.stdout) == set()
    (task,) = json.loads(run.stdout)["tasks"]
    assert task["task"]["fail_reason"] == HOSTILE
    assert json.loads(task["states"][0]["state"]["raw"])[HOSTILE] == TEXTS[HOSTILE]


def test_a_view_of_a_stranger_is_listed_in_one_line(
    command: Command, data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir, tmp_path / "data")
    with duckdb.connect(str(tmp_path / "data/gaussdb_tasks.duckdb")) as connection:
        connection.execute(f'create view main."{HOSTILE}" as select 1 as n')
        connection.execute(f"""comment on view main."{HOSTILE}" is '{HOSTILE}'""")
    run = command("query", "--list", env={"COLUMNS": "2000"})
    assert invisible_in(run.stdout) == set()
    assert run.stdout.count(r"\x1b[31mred") == 2


def toml_text(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@pytest.fixture
def hostile_settings(tmp_path: Path) -> str:
    """Write a settings file with a hostile value and a hostile name."""
    name = "settings" + FILE_NAME + ".toml"
    (tmp_path / name).write_text(f"region = {toml_text(HOSTILE)}\nproject-id = ['a']\n")
    return name


def test_config_shows_values_of_a_settings_file(command: Command, hostile_settings: str) -> None:
    run = command("config", "--config", hostile_settings, env={"COLUMNS": "2000"})
    assert invisible_in(run.stdout) == set()
    assert r"\x1b[31mred" in run.stdout
    written = command("config", "--config", hostile_settings, "--format", "json").stdout
    region = next(row for row in json.loads(written) if row["setting"] == "region")
    assert region == {"setting": "region", "value": HOSTILE, "source": f"file {hostile_settings}"}
    as_csv = command("config", "--config", hostile_settings, "--format", "csv").stdout_bytes
    assert os.fsencode(hostile_settings) in as_csv.replace(b'""', b'"')


def test_help_shows_a_default_of_the_settings_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(f"data-dir = {toml_text(HOSTILE)}\n")
    run = command("status", "--config", "s.toml", "-h")
    assert r"\x1b[31mred" in run.stdout.replace("\n", "").replace(" ", "")
    assert invisible_in(run.stdout) == set()


def test_a_settings_file_with_a_hostile_name_of_an_option_is_refused_in_one_line(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text(f"{toml_text(HOSTILE)} = 1\n")
    run = command("status", "--config", "s.toml")
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert invisible_in(run.stderr) == set()
