"""Every command works with the built wheel without extras, in a separate environment."""

import subprocess
from pathlib import Path

import pytest

from gaussdb_tasks.cli import cli
from tests.support import ROOT
from tests.support.every_command import LINES, OPTIONAL_PACKAGES, SERVER, task_center
from tests.support.tool_environments import PLAIN, Environment, environment


@pytest.fixture(scope="module")
def plain() -> Environment:
    return environment(PLAIN)


def test_no_optional_package_is_installed(plain: Environment, tmp_path: Path) -> None:
    """The program does not come from the checkout either."""
    program = (
        "import importlib.util, sys, gaussdb_tasks\n"
        "print(gaussdb_tasks.__file__)\n"
        "print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))\n"
    )
    location, found = plain.answer(program, tmp_path, *OPTIONAL_PACKAGES).splitlines()
    assert not Path(location).is_relative_to(ROOT / "pipelines")
    assert found == ""


def test_every_command_runs(plain: Environment, tmp_path: Path) -> None:
    assert {line.arguments[0] for line in LINES} | {SERVER} == {
        command.name for command in cli.subcommands
    }
    program = plain.python.with_name("gaussdb-tasks")
    with task_center() as center:
        for line in LINES:
            run = subprocess.run(
                [program, *line.arguments],
                cwd=tmp_path,
                env=plain.variables(tmp_path, **center.prepare(line)),
                capture_output=True,
                text=True,
                check=False,
            )
            assert run.returncode == line.exit_code, f"{line}: {run.stderr}"
            assert "Traceback" not in run.stderr, line


def test_the_emulator_serves(plain: Environment, tmp_path: Path) -> None:
    """It prints the settings of a load."""
    program = plain.python.with_name("gaussdb-tasks")
    with subprocess.Popen(
        [program, SERVER, "--port", "0"],
        cwd=tmp_path,
        env=plain.variables(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "GAUSSDB_TASKS_ENDPOINT" in process.stdout.readline()
        process.terminate()
