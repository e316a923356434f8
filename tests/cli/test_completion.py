"""Completion by the shell: its values, its speed, and its silence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.emulator import Emulator, FixedWorld
from tests.support.commands import Command, Run, token_env
from tests.support.emulator_client import PROJECT

CLOUDS = """
clouds:
  otc-prod: {auth: {password: very-secret}}
  otc-test: {}
  "two words": {}
  "es\\ecape": {}
"""


def ask(command: Command, line: str, **env: str) -> Run:
    """Ask for the completions of the last word of a line, as click's script for bash does."""
    protocol = {
        "_GAUSSDB_TASKS_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return command(env={**protocol, **env})


def values(run: Run) -> set[str]:
    """Return the values of a run."""
    return {line.partition(",")[2] for line in run.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gaussdb-tasks l", {"load", "list"}),
        ("gaussdb-tasks keys r", {"rotate"}),
        ("gaussdb-tasks load --all", {"--all-projects"}),
        ("gaussdb-tasks load --log-format ", {"text", "json"}),
        ("gaussdb-tasks query stuck", {"stuck_now"}),
        ("gaussdb-tasks query running", {"running_tasks"}),
        ("gaussdb-tasks list --status ", {"Running", "Completed", "Failed"}),
        ("gaussdb-tasks list --name ", {kind.name for kind in TASK_TYPES}),
        ("gaussdb-tasks list --name creategauss", {"CreateGaussDBV5Instance"}),
        ("gaussdb-tasks check --os-cloud ", {"otc-prod", "otc-test"}),
        ("gaussdb-tasks --os-cloud otc-p", {"otc-prod"}),
        ("gaussdb-tasks schedule ", {"systemd", "cron", "kubernetes", "github", "airflow"}),
        ("gaussdb-tasks completion ", {"bash", "zsh", "fish"}),
        ("gaussdb-tasks xyzzy lo", {"load"}),
    ],
)
def test_what_is_completed(command: Command, line: str, expected: set[str]) -> None:
    """A name that a shell cannot take as one word is left out; no secret is shown."""
    Path("clouds.yaml").write_text(CLOUDS)
    run = ask(command, line)
    assert (run.exit_code, run.stderr) == (0, "")
    found = values(run)
    if line.endswith("schedule "):
        assert expected & found
    else:
        assert found - {"--log-format"} == expected
    assert "secret" not in run.stdout


@pytest.mark.parametrize("folder", [".", ".config/openstack", "xdg/openstack"])
def test_clouds_are_found_where_a_sign_in_finds_them(command: Command, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "clouds.yaml").write_text(CLOUDS)
    env = {"XDG_CONFIG_HOME": str(Path("xdg").absolute())} if "xdg" in folder else {}
    assert "otc-prod" in values(ask(command, "gaussdb-tasks list --os-cloud ", **env))


@pytest.mark.parametrize(
    "broken", ["clouds: [", "clouds: 3", "a: b", "\0", "", "clouds: {3: {}}", "- x"]
)
def test_a_broken_file_disturbs_no_line(command: Command, broken: str) -> None:
    """Neither clouds.yaml nor the settings file; wrong variables do not either."""
    Path("clouds.yaml").write_text(broken)
    Path("gaussdb_tasks.toml").write_text(broken)
    env = {"GAUSSDB_TASKS_FROM": "nonsense", "GAUSSDB_TASKS_UMASK": "9"}
    for line in ("gaussdb-tasks list --os-cloud ", "gaussdb-tasks load --fu"):
        run = ask(command, line, **env)
        assert (run.exit_code, run.stderr) == (0, "")
    assert values(run) == {"--full"}


def test_no_call_is_made(command: Command) -> None:
    """Whatever the settings of the sign-in."""
    with Emulator(FixedWorld({PROJECT: []})) as emulator:
        for line in ("gaussdb-tasks list --project-id ", "gaussdb-tasks check --"):
            assert ask(command, line, **token_env(emulator)).exit_code == 0
        assert len(emulator.calls) == 0


def test_a_shell_that_is_not_known_runs_no_command(command: Command) -> None:
    run = command("status", env={"_GAUSSDB_TASKS_COMPLETE": "dash_complete"})
    assert (run.exit_code, run.stdout, run.stderr) == (1, "", "")


def test_completing_a_command_imports_no_command() -> None:
    """The answer comes while one types."""
    script = (
        "import contextlib, io, json, sys\n"
        "from gaussdb_tasks.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(json.dumps([name for name in sys.modules]))"
    )
    env = {
        "_GAUSSDB_TASKS_COMPLETE": "bash_complete",
        "COMP_WORDS": "gaussdb-tasks lo",
        "COMP_CWORD": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {name.partition(".")[0] for name in json.loads(run.stdout)}
    heavy = {"dlt", "duckdb", "pyarrow", "openstack", "keystoneauth1", "requests", "rich", "yaml"}
    assert modules & heavy == set()
    assert not any(
        name.startswith("gaussdb_tasks.cli.commands.") for name in json.loads(run.stdout)
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(command: Command, shell: str) -> None:
    run = command("completion", shell)
    assert run.exit_code == 0
    assert f"_GAUSSDB_TASKS_COMPLETE={shell}_complete" in run.stdout
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=run.stdout, text=True, check=True)


def test_a_shell_that_has_no_script(command: Command) -> None:
    assert command("completion", "dash").exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_script(command: Command, tmp_path: Path) -> None:
    """The script is read by bash, which calls the program for a line."""
    (tmp_path / "script").write_text(command("completion", "bash").stdout)
    program = tmp_path / "gaussdb-tasks"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -m gaussdb_tasks\n")
    program.chmod(0o755)
    lines = (
        "source ./script\n"
        "complete -p gaussdb-tasks\n"
        "COMP_WORDS=(gaussdb-tasks list --status R) COMP_CWORD=3\n"
        "_gaussdb_tasks_completion ./gaussdb-tasks\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    run = subprocess.run(
        ["bash", "--norc", "-c", lines],  # noqa: S607 - that of the user
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    assert run.stdout.splitlines()[1:] == ["Running"]
