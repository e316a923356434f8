"""Messages, log lines and progress: foreign text in them is escaped, and cannot forge a line."""

import io
import json
import logging
import os
import warnings
from pathlib import Path

import pytest

from gaussdb_tasks.cli import cli, console
from gaussdb_tasks.cli.console import log_as_json
from gaussdb_tasks.emulator import Emulator, FixedWorld
from gaussdb_tasks.emulator.fault_injection import Script, answers
from gaussdb_tasks.emulator.http import Response
from gaussdb_tasks.errors import ServiceError, worst_of
from gaussdb_tasks.known_secrets import remember
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.monitoring.heartbeat import Heartbeat
from tests.support.commands import Command, token_env
from tests.support.emulator_client import PROJECT
from tests.support.hostile_text import FILE_NAME, HOSTILE, LETTERS, invisible_in

NOT_UTF_8 = os.fsdecode(b"\xff")

MISTAKES = [
    (HOSTILE,),
    ("query", HOSTILE),
    ("query", f'select 1 from "{HOSTILE}"'),
    ("query", f"select error('{HOSTILE}')"),
    ("query", f"select '{NOT_UTF_8}'"),
    ("query", "select getvariable('a')", "--set", f"a={NOT_UTF_8}"),
    ("evidence", NOT_UTF_8),
    ("redact", "--job-id", "a", "--reason", NOT_UTF_8, "--dry-run"),
    ("redact", "--job-id", NOT_UTF_8, "--reason", "a"),
    ("retention", "--keep", "1d", "--reason", NOT_UTF_8),
    ("retention", "--keep", "1d", "--hold-instance", NOT_UTF_8),
    ("load", "--region", NOT_UTF_8, "--project-id", NOT_UTF_8, "--endpoint", "http://127.0.0.1:9"),
    ("load", "--os-cloud", NOT_UTF_8),
    ("load", "--data-dir", NOT_UTF_8),
    ("status", "--data-dir", NOT_UTF_8),
    ("query", "tasks", f"--{HOSTILE}"),
    ("query", "tasks", "--format", HOSTILE),
    ("query", "tasks", "--set", HOSTILE),
    ("query", "tasks", "--set", f"{HOSTILE}=1"),
    ("query", "tasks", "--output", HOSTILE),
    ("query", "tasks", "--output", f"{FILE_NAME}/a.csv"),
    ("status", "--data-dir", f"{FILE_NAME}/b"),
    ("status", "--check", "--data-dir", f"{FILE_NAME}/b"),
    ("status", "--now", HOSTILE),
    ("status", "--warning-nights", HOSTILE),
    ("status", "--config", FILE_NAME),
    ("changes", "--since", HOSTILE),
    ("changes", "--since", "2026-03-01", "--until", HOSTILE),
    ("evidence", HOSTILE),
    ("verify", "--archive", FILE_NAME),
    ("verify", "--expect-head", HOSTILE),
    ("verify", "--public-key", FILE_NAME),
    ("rebuild", "--from", f"file:///{FILE_NAME}"),
    ("redact", "--reason", HOSTILE, "--job-id", HOSTILE),
    ("redact", "--reason", HOSTILE, "--column", HOSTILE),
    ("retention", "--keep", HOSTILE),
    ("report", f"{FILE_NAME}/r.html"),
    ("config", HOSTILE),
    ("config", "load", f"--{HOSTILE}", "1"),
    ("load", "--umask", HOSTILE),
    ("load", "--endpoint", HOSTILE),
    ("load", "--archive-url", HOSTILE),
    ("load", "--os-cloud", HOSTILE),
    ("check", "--os-cloud", HOSTILE),
    ("schedule", HOSTILE),
    ("schedule", "cron", "--at", HOSTILE),
    ("schedule", "cron", "--user", "root\n* * * * * root evil"),
    ("schedule", "systemd", "--region", HOSTILE),
    ("schedule", "kubernetes", "--image", HOSTILE),
    ("emulator", "--clock", HOSTILE),
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=lambda each: ascii(" ".join(each))[:40])
def test_the_message_of_a_mistake_is_one_line(
    command: Command, original: Path, arguments: tuple[str, ...]
) -> None:
    """Line ends of the user's value are escaped like all else."""
    run = command(*arguments, env={"GAUSSDB_TASKS_DATA_DIR": str(original)})
    assert run.exit_code != 0 or arguments[0] == "redact"
    assert invisible_in(run.stdout + run.stderr) == set()
    lines = run.stderr.splitlines()
    assert len(lines) <= 1 + (arguments[0] == "redact")
    assert all(len(line) < 2_500 for line in lines)


def error_body(text: str) -> bytes:
    return json.dumps({"error_code": text, "error_msg": text}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body", [error_body(HOSTILE), HOSTILE.encode(), HOSTILE.encode("latin-1", "replace")]
)
@pytest.mark.parametrize("status", [400, 403])
def test_an_error_body_of_the_service_cannot_forge_a_log_line(
    command: Command, status: int, body: bytes
) -> None:
    """Each line of the log is the program's own; JSON lines hold the text as a value."""
    response = Response(status, body, (("Content-Type", "application/json"),))
    faults = Script(dict.fromkeys(range(1, 99), answers(response)))
    with Emulator(FixedWorld({PROJECT: []}), faults=[faults]) as emulator:
        env = token_env(emulator)
        text = command("load", env=env)
        as_json = command("load", "--log-format", "json", env=env)
        checked = command("check", env=env)
    assert text.exit_code in {1, 2}
    for run in (text, as_json, checked):
        assert invisible_in(run.stdout + run.stderr) == set()
    assert all(line.startswith("gaussdb-tasks: ") for line in text.stderr.splitlines())
    assert all(json.loads(line)["message"] for line in as_json.stderr.splitlines())


def test_a_long_error_body_is_cut(command: Command) -> None:
    body = error_body("x" * 500_000)
    faults = Script(dict.fromkeys(range(1, 99), answers(Response(400, body, ()))))
    with Emulator(FixedWorld({PROJECT: []}), faults=[faults]) as emulator:
        run = command("load", env=token_env(emulator))
        checked = command("check", env=token_env(emulator))
    assert len(run.stderr) < 2_500
    assert len(checked.stdout) < 10_000


@pytest.mark.parametrize("run_id", [None, "run-1"])
def test_log_records_and_warnings_of_libraries_are_messages(
    command: Command, monkeypatch: pytest.MonkeyPatch, run_id: str | None
) -> None:
    """Libraries quote headers and bodies; as JSON, each message is one object."""
    name = f"library_of_{run_id}"

    def main(**_options: object) -> None:
        log_as_json(run_id)
        logger = logging.getLogger(name)
        logger.propagate = False  # pytest has handlers at the root
        logger.warning("header %s", HOSTILE)
        warnings.simplefilter("always")
        warnings.warn(HOSTILE, stacklevel=1)

    monkeypatch.setattr(cli, "main", main)
    run = command()
    logged, warned = run.stderr.splitlines()
    assert invisible_in(run.stderr) == set()
    assert rf"{name}: header \x1b[31mred" in logged or run_id
    assert r"UserWarning: \x1b[31mred" in warned or run_id
    if run_id is not None:
        assert json.loads(logged)["message"] == f"{name}: header {HOSTILE}"
        assert json.loads(warned)["message"] == f"UserWarning: {HOSTILE}"


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_shows_the_name_of_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own sequences move the cursor; those of the name are escaped, and not markup either."""
    console.log_as_json(None)
    buffer = io.BytesIO()
    with _Terminal(buffer, encoding="utf-8", write_through=True) as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("COLUMNS", "1000")
        monkeypatch.setenv("TERM", "xterm")
        with console.progress() as show:
            show(ProjectKey("eu-de", f"[red]{HOSTILE}[/red]"), 1, 2)
        drawn = buffer.getvalue().decode()
    assert r"[red]\x1b[31mred" in drawn
    assert not {"\u202e", "\x07", "\x9b", "\u2028"} & set(drawn)
    assert "\x1b[31mred" not in drawn


def test_errors_that_are_joined_have_a_line_each(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line ends between them are the program's own; those inside are escaped."""

    def fail(**_options: object) -> None:
        raise worst_of([ServiceError("a\nforged"), ServiceError("b"), ServiceError("b")])

    monkeypatch.setattr(cli, "main", fail)
    assert command().stderr == "gaussdb-tasks: a\\nforged\nb\n"


def test_the_line_for_monitoring_has_one_bar(command: Command) -> None:
    """A bar in a name would begin the figures of a monitoring plugin."""
    run = command("status", "--check", "--data-dir", "a|b=1")
    assert "|" not in run.stdout
    assert "a/b=1" in run.stdout


def test_a_heartbeat_has_no_invisible_character(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service of the switch shows it to people."""
    bodies: list[str] = []
    monkeypatch.setattr(Heartbeat, "_send", lambda _self, _path, body: bodies.append(body))
    body = error_body(HOSTILE)
    faults = Script(dict.fromkeys(range(1, 99), answers(Response(400, body, ()))))
    with Emulator(FixedWorld({PROJECT: []}), faults=[faults]) as emulator:
        command("load", "--ping-url", "http://127.0.0.1:9/x", env=token_env(emulator))
    start, failure = bodies
    assert start == ""
    assert r"\x1b[31mred" in failure
    assert invisible_in(failure) == set()
    assert "\n" not in failure


def test_lines_on_stdout_are_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, encoding="ascii") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        console.write_lines([LETTERS])
        assert buffer.getvalue() == f"{LETTERS}\n".encode()


def test_fields_of_json_lines_are_cut_and_masked_like_messages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also inside of lists and objects."""
    console.log_as_json("run-1")
    url = "https://user:open-sesame@host.test/"
    remember("caravan-79")
    projects = [{"error": "x" * 1_000 + "caravan-79" + "y" * 5_000_000, "seen": 1}]
    console.warn("a", error=url, projects=projects)
    console.log_as_json(None)
    line = capsys.readouterr().err
    assert "open-sesame" not in line
    assert "caravan-79" not in line
    assert "x***y" in line
    assert len(line) < 2_500
    assert json.loads(line)["projects"][0]["seen"] == 1
