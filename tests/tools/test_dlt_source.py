"""The dlt source on each destination, and in a Dagster."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld
from gaussdb_tasks.model.tables import LOADED_TABLES
from gaussdb_tasks.model.times import HOUR, now
from tests.support import DATA, ROOT, postgres
from tests.support.documented_destinations import DESTINATIONS, DocumentedDestination
from tests.support.emulator_client import OTHER_PROJECT, PROJECT, record
from tests.support.tool_environments import DLT, environment

_PROGRAM: Final = "from tests.support.dlt_destinations import main; main()"
DAGSTER_EXAMPLE: Final = DATA / "dagster_definitions.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Load four nights into each destination, and compare it with our own database."""
    folder = tmp_path_factory.mktemp("destinations")
    with postgres.server() as server:
        socket = server.run("show unix_socket_directories").strip()
        printed = environment(DLT).answer(
            _PROGRAM, folder, str(folder), socket, PYTHONPATH=str(ROOT)
        )
    return json.loads(printed.splitlines()[-1])


@postgres.needs_postgres
@pytest.mark.parametrize("destination", DESTINATIONS, ids=lambda each: each.name)
def test_a_destination_has_the_rows_of_our_own_database(
    found: Any, destination: DocumentedDestination
) -> None:
    """After nights with new, changed, deleted and returned tasks; and nothing warned."""
    tried = found[destination.name]
    assert tried["noted"] == []
    assert set(tried["different"]) == set(destination.tables)
    for row_count, only_in_ours, only_in_it in tried["different"].values():
        assert row_count > 0
        assert (only_in_ours, only_in_it) == ([], [])


def test_dagster_materializes_the_example(tmp_path: Path) -> None:
    """Each of two runs is a process; the second changes a task and doubles none."""
    dagster = environment(DLT)
    clock = now()
    world = FixedWorld(
        {PROJECT: [record(1, clock - HOUR, None)], OTHER_PROJECT: [record(1, clock - HOUR, clock)]}
    )
    (tmp_path / ".dlt").mkdir()
    with Emulator(world) as emulator:
        projects = json.dumps([PROJECT, OTHER_PROJECT])
        (tmp_path / ".dlt/secrets.toml").write_text(
            f'[sources.task_center]\nproject_id = {projects}\ntoken = "{emulator.token}"\n'
            f'endpoint = "{emulator.endpoint}"\nregion = "eu-de"\n'
        )
        for _ in range(2):
            run = subprocess.run(
                [
                    *(dagster.python.parent / "dagster", "job", "execute"),
                    *("-f", DAGSTER_EXAMPLE, "-j", "nightly"),
                ],
                cwd=tmp_path,
                env=dagster.variables(
                    tmp_path, DAGSTER_HOME=str(tmp_path), DLT_DATA_DIR=str(tmp_path)
                ),
                capture_output=True,
                text=True,
                check=False,
            )
            assert run.returncode == 0, run.stderr
            world.replace(PROJECT, record(1, clock - HOUR, clock))
    with closing(sqlite3.connect(tmp_path / "history/runs/index.db")) as events:
        made = "dagster_event_type = 'ASSET_MATERIALIZATION' group by asset_key"
        per_asset = events.execute(f"select count(*) from event_logs where {made}").fetchall()
    assert per_asset == [(2,)] * len(LOADED_TABLES)
    with duckdb.connect(tmp_path / "audit.duckdb", read_only=True) as connection:
        tasks = "select project_id, status, version_count from gaussdb.tasks order by 1"
        assert connection.execute(tasks).fetchall() == [
            (PROJECT, "Completed", 2),
            (OTHER_PROJECT, "Completed", 1),
        ]
