"""The command line as a whole: help, variables, start-up, the demo, the emulator."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gaussdb_tasks.cli import cli
from gaussdb_tasks.cli.group import LazyGroup
from tests.support.commands import Command
from tests.support.loads import rows

assert isinstance(cli, LazyGroup)
NAMES = cli.list_commands(click.Context(cli))


def command_named(name: str) -> click.Command:
    """Import a command."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", [None, *NAMES])
def test_help_is_everywhere(command: Command, name: str | None, flag: str) -> None:
    """Each command explains itself, on stdout, and that is no error."""
    run = command(*([name] if name else []), flag)
    assert run.exit_code == 0
    assert run.stdout.startswith("Usage: gaussdb-tasks")
    assert run.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_the_groups_help_says_what_the_command_says(name: str) -> None:
    """The line in the list of commands is the first of the command's own help."""
    assert isinstance(cli, LazyGroup)
    listed = {each.name: each.short_help for each in cli.subcommands}
    assert (command_named(name).help or "").partition("\n")[0] == listed[name]


_WITH_FORMATS_OF_THEIR_OWN = frozenset({"load", "verify", "evidence"})


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_help_and_a_variable(name: str) -> None:
    """GAUSSDB_TASKS_<OPTION> sets what --<option> sets."""
    for parameter in command_named(name).params:
        if isinstance(parameter, click.Option):
            long_name = max(parameter.opts, key=len)
            expected = "GAUSSDB_TASKS_" + long_name.removeprefix("--").replace("-", "_").upper()
            if (
                name in {"load", "verify", "evidence"} and long_name == "--format"
            ):  # formats of their own
                expected = f"GAUSSDB_TASKS_{name.upper()}_FORMAT"
            assert parameter.envvar == expected
            assert parameter.help


def test_a_variable_sets_an_option(command: Command) -> None:
    """GAUSSDB_TASKS_DATA_DIR leads to the directory."""
    run = command("status", env={"GAUSSDB_TASKS_DATA_DIR": "elsewhere"})
    assert "elsewhere/gaussdb_tasks.duckdb" in run.stderr


def test_an_unknown_command_is_one_sentence(command: Command) -> None:
    """What is not there is named, with where to look."""
    run = command("lode")
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert "lode" in run.stderr
    assert "gaussdb-tasks -h" in run.stderr


def test_version(command: Command) -> None:
    """--version tells which one it is."""
    assert re.fullmatch(r"gaussdb-tasks, version \d+\.\d+\.\d+\n", command("--version").stdout)


HEAVY = {
    *("dlt", "duckdb", "pyarrow", "openstack", "keystoneauth1", "requests", "rich", "sqlglot"),
}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["-h"], set()),
        (["query", "-h"], {"duckdb", "pyarrow"}),
        (["report", "-h"], {"duckdb", "pyarrow"}),
        (["load", "-h"], {"duckdb", "pyarrow", "keystoneauth1", "requests"}),
        (["emulator", "-h"], set()),
    ],
)
def test_starting_imports_nothing_heavy(arguments: list[str], allowed: set[str]) -> None:
    """Help waits for none of the libraries that only the work needs."""
    script = (
        "import sys\n"
        "from gaussdb_tasks.cli import cli\n"
        f"cli.main({arguments!r}, standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(run.stderr.split()) & HEAVY <= allowed


def test_the_demo_shows_the_main_job(command: Command) -> None:
    """Three nights, durations, failure rates and what is running; then what to try next."""
    run = command("demo", "--nights", "3", "--now", "2026-03-18", "--tasks-per-day", "10")
    assert run.exit_code == 0
    assert re.findall(r"night of (\S+):", run.stderr) == [
        "2026-03-15T02:00:00Z",
        "2026-03-16T02:00:00Z",
        "2026-03-17T02:00:00Z",
    ]
    for title in ("How long tasks take", "How often they fail", "What is running", "Try next:"):
        assert title in run.stdout
    assert "Manual backup" in run.stdout
    assert rows(
        Path("data/demo"), "select count(distinct observed_at) from task_center.load_runs"
    ) == [(3,)]


def test_the_demo_is_the_same_each_time(command: Command) -> None:
    """The same seed and clock give the same tables."""
    options = ("demo", "--nights", "1", "--now", "2026-03-18", "--tasks-per-day", "5")
    assert command(*options).stdout == command(*options).stdout


def test_the_demo_never_touches_a_real_database(command: Command, tmp_path: Path) -> None:
    """A directory with a database that no demo made is refused."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/gaussdb_tasks.duckdb").write_text("evidence")
    run = command("demo", "--data-dir", "real")
    assert run.exit_code == 2
    assert "was not made by a demo" in run.stderr
    assert (tmp_path / "real/gaussdb_tasks.duckdb").read_text() == "evidence"


def test_the_emulator_can_be_loaded_from(tmp_path: Path, command: Command) -> None:
    """What it prints is what a load needs; Ctrl-C ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", "gaussdb_tasks", "emulator", "--port", "0", "--tasks-per-day", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as emulator:
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline() for _ in range(3)]
        exports = dict(re.findall(r"export (\w+)='?([^'\n]+)", "".join(lines)))
        run = command("load", env=exports)
        emulator.send_signal(signal.SIGINT)
        assert emulator.wait() == 0
    assert run.exit_code == 0
    assert rows(tmp_path / "data", "select count(*) > 10 from tasks") == [(True,)]


@pytest.mark.parametrize("first_call_to_wait", [1, 4])
def test_a_load_that_is_stopped_leaves_nothing(tmp_path: Path, first_call_to_wait: int) -> None:
    """SIGTERM while one call or many are kept waiting: exit 143, soon, and no scratch."""
    script = (
        "import os, signal, sys, threading\n"
        "from gaussdb_tasks.emulator import *\n"
        "world = InventedWorld(tasks_per_day=40)\n"
        "first = int(sys.argv[1])\n"
        "wait = Script(dict.fromkeys(range(first, 99), too_many_requests(retry_after=600)))\n"
        "with Emulator(world, faults=[wait]) as emulator:\n"
        "    os.environ.update(OS_TOKEN=emulator.token, OS_PROJECT_ID=emulator.project_ids[0])\n"
        "    kill = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    threading.Timer(2.0, kill).start()\n"
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
        timeout=120,
    )
    assert run.returncode == 143
    assert "stopped" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [".lock"]
