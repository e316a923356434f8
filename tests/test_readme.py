"""The README is true: its example runs, its commands exist, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import click
import duckdb
import pytest

from gaussdb_tasks.cli import cli
from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.emulator import Emulator, FixedWorld
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.model.times import now
from tests.support import DATA, ROOT, readme_blocks
from tests.support.emulator_client import PROJECT, record

README = (ROOT / "README.md").read_text()
EXAMPLE = DATA / "own_pipeline.py"


def test_the_example_of_a_pipeline_runs(tmp_path: Path) -> None:
    """The example, as it stands in the README, loads from a cloud of clouds.yaml."""
    assert EXAMPLE.read_text().partition('"""\n\n')[2].rstrip() in README
    world = FixedWorld({PROJECT: [record(1, now() - 10**9, now())]}, names={PROJECT: "shop"})
    with Emulator(world) as emulator:
        (tmp_path / "clouds.yaml").write_text(
            f"""
clouds:
  otc-prod:
    region_name: eu-de
    gaussdb_endpoint_override: {emulator.endpoint}
    auth:
      auth_url: {emulator.auth_url}
      username: {emulator.account.user}
      password: {emulator.account.password}
      user_domain_name: {emulator.account.domain}
      project_id: {PROJECT}
"""
        )
        run = subprocess.run(
            [sys.executable, str(EXAMPLE)],
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "DLT_DATA_DIR": str(tmp_path),
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    with duckdb.connect(tmp_path / "audit.duckdb", read_only=True) as connection:
        assert connection.execute("select count(*) from gaussdb.tasks").fetchone() == (1,)


def test_every_command_that_it_shows_exists() -> None:
    """Commands and long options in the README are the program's, or of the system's own tools."""
    assert isinstance(cli, LazyGroup)
    context = click.Context(cli)
    options = {option for parameter in cli.params for option in parameter.opts}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        options |= {option for parameter in command.params for option in parameter.opts}
    own = README.replace(readme_blocks.written("tools"), "")
    own = re.sub(r"^(useradd|systemctl) .*", "", own, flags=re.MULTILINE)
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", own))
    assert shown - options <= {"--help"}
    commands = set(re.findall(r"^(?:\$ )?gaussdb-tasks ([a-z]+)", README, re.MULTILINE))
    assert commands <= set(cli.list_commands(context))


def test_every_make_target_that_it_shows_exists() -> None:
    """What the README says to make can be made."""
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE)) == {
        pair
        for pair in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE)
        if (pair[0] or pair[1]) in targets
    }


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    """Each code has its meaning and its mend."""
    assert f"| {code.value} |" in readme_blocks.written("exit_codes")
