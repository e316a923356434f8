"""The command line: help, variables, the demo, the emulator, stop signals."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.demo_loads import nights_before
from gaussdb_tasks.model.times import iso, parse_time
from tests.support.commands import Command, contexts
from tests.support.watched_terminal import WatchedTerminal

PROGRAM, *COMMANDS = contexts()


def ids(context: click.Context) -> str:
    """Name a test after the command."""
    return context.command_path


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("context", [PROGRAM, *COMMANDS], ids=ids)
def test_every_command_has_help(command: Command, context: click.Context, flag: str) -> None:
    """Help goes to stdout, with exit code 0."""
    run = command(*context.command_path.split()[1:], flag)
    assert run.exit_code == 0
    assert run.stdout.startswith(f"Usage: {context.command_path}")
    assert run.stderr == ""


@pytest.mark.parametrize("context", COMMANDS, ids=ids)
def test_the_short_help_is_the_first_line_of_the_help(context: click.Context) -> None:
    """The list of commands and the help of a command agree."""
    assert context.parent is not None
    assert isinstance(context.parent.command, LazyGroup)
    listed = {each.name: each.short_help for each in context.parent.command.subcommands}
    assert (context.command.help or "").partition("\n")[0] == listed[str(context.info_name)]


_WITH_OWN_FORMATS = frozenset({"load", "verify", "evidence", "publish", "views"})


@pytest.mark.parametrize("context", COMMANDS, ids=ids)
def test_every_option_has_help_and_a_variable(context: click.Context) -> None:
    """GAUSSDB_TASKS_<OPTION> sets what --<option> sets."""
    name = str(context.info_name)
    for parameter in context.command.params:
        if isinstance(parameter, click.Option):
            long_name = max(parameter.opts, key=len)
            expected = "GAUSSDB_TASKS_" + long_name.removeprefix("--").replace("-", "_").upper()
            if name in _WITH_OWN_FORMATS and long_name == "--format":
                expected = f"GAUSSDB_TASKS_{name.upper()}_FORMAT"
            assert parameter.envvar == expected
            assert parameter.help


def test_a_variable_sets_an_option(command: Command) -> None:
    """GAUSSDB_TASKS_DATA_DIR sets --data-dir."""
    run = command("status", env={"GAUSSDB_TASKS_DATA_DIR": "elsewhere"})
    assert "elsewhere/gaussdb_tasks.duckdb" in run.stderr


def test_a_variable_of_another_command_or_program_is_no_mistake(command: Command) -> None:
    """Kubernetes sets the others for a service ``gaussdb-tasks``."""
    others = {
        "GAUSSDB_TASKS_SHARDS": "3",
        "GAUSSDB_TASKS_PING_URL_FILE": "ping_url",
        "GAUSSDB_TASKS_SERVICE_PORT": "8280",
        "GAUSSDB_TASKS_PORT_8280_TCP_ADDR": "10.0.0.1",
    }
    run = command("load", "--shard", "4/3", env=others)
    assert "shards count from" in run.stderr


def test_a_tilde_is_the_home_directory(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shells replace it only where a word begins, and never in a variable or a settings file."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("tilde.toml").write_text('data-dir = "~/tasks"\n')
    there = f"{tmp_path}/home/tasks/gaussdb_tasks.duckdb"
    assert there in command("status", "--data-dir=~/tasks").stderr
    assert there in command("status", env={"GAUSSDB_TASKS_DATA_DIR": "~/tasks"}).stderr
    assert there in command("status", "--config", "tilde.toml").stderr
    copy = command("verify", "--data-dir", "any", "--archive=~/copy").stderr
    assert f"{tmp_path}/home/copy" in copy
    assert f"{tmp_path}/home/none" in command("report", "~/none/report.html").stderr


def test_an_unknown_command_is_one_sentence(command: Command) -> None:
    """The message names the command and the help."""
    run = command("lode")
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert "lode" in run.stderr
    assert "gaussdb-tasks -h" in run.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lode", "load"),
        ("Status", "status"),
        ("verfiy", "verify"),
        ("tasks", "gaussdb-tasks query tasks"),
        ("running_tasks", "gaussdb-tasks query running_tasks"),
        ("running-tasks", "gaussdb-tasks query running_tasks"),
        ("stuck-now", "gaussdb-tasks query stuck_now"),
        ("failure_reason", "gaussdb-tasks query failure_reasons"),
        ("questions", "gaussdb-tasks query --list"),
    ],
)
def test_a_mistyped_command_is_suggested(command: Command, typed: str, meant: str) -> None:
    """Also a view or a saved question that is given as a command."""
    run = command(typed)
    assert run.exit_code == 2
    assert f"Did you mean '{meant}'" in run.stderr


def test_a_word_like_no_command_gets_no_suggestion(command: Command) -> None:
    assert "mean" not in command("xyzzy").stderr
    assert "mean" not in command("keys", "tasks").stderr
    assert "'gaussdb-tasks query' with this SQL" in command("select * from tasks").stderr


def test_version(command: Command) -> None:
    """--version prints name and version."""
    assert re.fullmatch(r"gaussdb-tasks, version \d+\.\d+\.\d+\n", command("--version").stdout)


def test_the_demo_shows_the_main_views(command: Command) -> None:
    """Durations, failure rates and running tasks; the same seed and clock give the same tables."""
    options = ("demo", "--nights", "1", "--now", "2026-03-18", "--tasks-per-day", "5")
    run = command(*options)
    assert run.exit_code == 0
    assert "night of 2026-03-17T02:00:00Z:" in run.stderr
    for title in ("How long tasks take", "How often they fail", "Running tasks", "Try next:"):
        assert title in run.stdout
    assert "Manual backup" in run.stdout
    assert command(*options).stdout == run.stdout


def test_the_last_lines_of_the_demo_can_be_pasted(command: Command) -> None:
    """The report is there, the questions have answers, and the watch shows tasks that run."""
    run = command("demo", "--nights", "1", "--tasks-per-day", "5", "--data-dir", "demo data")
    pasted = [line.strip() for line in run.stdout.splitlines() if line.startswith("  ")]
    opened, *questions, watch = pasted
    assert Path(shlex.split(opened)[1]).read_bytes().startswith(b"<!doctype html>")
    for question in questions:
        answer = command(*shlex.split(question)[1:])
        assert answer.exit_code == 0, answer.stderr
        assert answer.stdout
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with WatchedTerminal(Path.cwd(), watch, {"PATH": path}) as terminal:
        terminal.wait_for("Running")
        terminal.wait_for("Ctrl-C ends")
        assert terminal.interrupt() == 0


def test_the_emulator_ends_with_its_command(command: Command) -> None:
    """With its exit code; the sign-in of the user is not that of the command."""
    given = "'OS_TOKEN' in os.environ and 'OS_CLOUD' not in os.environ"
    script = f"import os, sys; sys.exit(7 if {given} else 1)"
    options = ("emulator", "--port", "0", "--tasks-per-day", "1", "--")
    run = command(*options, sys.executable, "-c", script, env={"OS_CLOUD": "otc-prod"})
    assert run.exit_code == 7
    run = command(*options, "no-such-program")
    assert run.exit_code == 2
    assert "no-such-program: it cannot be run" in run.stderr


def test_the_demo_loads_the_last_nights() -> None:
    """At 02:00 UTC, oldest first."""
    now = parse_time("2026-03-18T12:00:00Z", option="now")
    assert [iso(night) for night in nights_before(now, 3)] == [
        "2026-03-16T02:00:00Z",
        "2026-03-17T02:00:00Z",
        "2026-03-18T02:00:00Z",
    ]


def test_the_demo_never_replaces_real_data(command: Command, tmp_path: Path) -> None:
    """A directory with a database that no demo made is refused."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/gaussdb_tasks.duckdb").write_text("evidence")
    run = command("demo", "--data-dir", "real")
    assert run.exit_code == 2
    assert "was not made by a demo" in run.stderr
    assert (tmp_path / "real/gaussdb_tasks.duckdb").read_text() == "evidence"


def test_the_emulator_prints_the_settings_of_a_load(command: Command) -> None:
    """A check with them succeeds; Ctrl-C stops the emulator."""
    with subprocess.Popen(
        [sys.executable, "-m", "gaussdb_tasks", "emulator", "--port", "0", "--tasks-per-day", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as emulator:
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline() for _ in range(3)]
        exports = dict(re.findall(r"export (\w+)='?([^'\n]+)", "".join(lines)))
        run = command("check", env=exports)
        emulator.send_signal(signal.SIGINT)
        assert emulator.wait() == 0
    assert run.exit_code == 0
    assert re.search(r"lists \d{2,} tasks", run.stdout)


@pytest.mark.parametrize("first_call_to_wait", [1, 4])
def test_a_load_that_is_stopped_leaves_nothing(tmp_path: Path, first_call_to_wait: int) -> None:
    """SIGTERM while one call or many wait: exit 143 without delay, and no scratch folder."""
    script = (
        "import faulthandler, os, signal, sys, threading, time\n"
        "faulthandler.dump_traceback_later(600, exit=True)\n"
        "from gaussdb_tasks.emulator import *\n"
        "world = InventedWorld(tasks_per_day=40)\n"
        "first = int(sys.argv[1])\n"
        "wait = Script(dict.fromkeys(range(first, 99), too_many_requests(retry_after=600)))\n"
        "with Emulator(world, faults=[wait]) as emulator:\n"
        "    os.environ.update(OS_TOKEN=emulator.token, OS_PROJECT_ID=emulator.project_ids[0])\n"
        "    def stop_when_waiting():\n"
        "        while len(emulator.calls) < first:\n"
        "            time.sleep(0.01)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Thread(target=stop_when_waiting, daemon=True).start()\n"
        "    sys.argv = ['gaussdb-tasks', 'load', '--endpoint', emulator.endpoint]\n"
        "    from gaussdb_tasks.cli import main\n"
        "    main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(first_call_to_wait)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert run.returncode == 143, run.stderr
    assert "stopped" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".lock"]
