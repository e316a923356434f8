"""A database made by demo loads, at the path of the documented commands."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.made_once import made_once
from tests.support.tool_environments import PINNED, Environment, environment

_CLOCK = "2026-03-18T12:00:00Z"


def load_demo(environment: Environment, folder: Path) -> None:
    """Run three demo loads into ``data`` in a folder."""
    run = environment.shell(
        f"{environment.python} -m gaussdb_tasks demo --data-dir data --now {_CLOCK}"
        " --nights 3 --tasks-per-day 15 --seed 3",
        folder,
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demo loads once for all tests that only read the database."""
    return made_once(tmp_path_factory, "archive", partial(load_demo, environment(PINNED)))
