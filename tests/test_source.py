"""The dlt source in a pipeline of one's own, as pipelines/README.md shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from gaussdb_tasks import task_center
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, to_datetime
from tests.support.emulator_client import NOW, PROJECT, job_id, record

TONIGHT = to_datetime(NOW)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No telemetry, and none of the machine's settings."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A finished task and one in flight."""
    world = FixedWorld({PROJECT: [record(1, NOW - DAY), record(2, NOW - HOUR, None)]})
    with Emulator(world, clock=SettableClock(NOW)) as served:
        yield served


def pipeline_into(folder: Path) -> dlt.Pipeline:
    """Make a pipeline of a user's own."""
    return dlt.pipeline(
        "audit",
        destination=dlt.destinations.duckdb(str(folder / "audit.duckdb")),
        dataset_name="gaussdb",
        pipelines_dir=str(folder / "pipelines"),
    )


def source(emulator: Emulator, now: datetime = TONIGHT, **options: Any) -> Any:
    """Make the source for an emulator's project."""
    return task_center(
        PROJECT, endpoint=emulator.endpoint, token=emulator.token, now=now, **options
    )


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the user's database."""
    with duckdb.connect(folder / "audit.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_it_loads_into_a_pipeline_of_ones_own(emulator: Emulator, tmp_path: Path) -> None:
    """Tasks, versions and coverage arrive, typed and with nothing lost."""
    pipeline_into(tmp_path).run(source(emulator))
    assert ask(tmp_path, "select job_id, status, version_count from gaussdb.tasks order by 1") == [
        (job_id(1), "Completed", 1),
        (job_id(2), "Running", 1),
    ]
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]
    assert ask(tmp_path, "select is_complete from gaussdb.coverage") == [(True,)]


def test_it_remembers_in_dlts_own_state(emulator: Emulator, tmp_path: Path) -> None:
    """A second run on another machine reads on where the first ended, and doubles nothing."""
    pipeline_into(tmp_path).run(source(emulator))
    assert isinstance(emulator.world, FixedWorld)
    emulator.world.replace(PROJECT, record(2, NOW - HOUR, NOW + HOUR))
    emulator.calls.clear()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "audit.duckdb").rename(elsewhere / "audit.duckdb")
    pipeline_into(elsewhere).run(source(emulator, datetime(2026, 3, 19, 2, tzinfo=UTC)))
    assert ask(
        elsewhere, "select job_id, version, status from gaussdb.task_versions order by 1, 2"
    ) == [
        (job_id(1), 1, "Completed"),
        (job_id(2), 1, "Running"),
        (job_id(2), 2, "Completed"),
    ]
    assert ask(elsewhere, "select job_id, status, version_count from gaussdb.tasks order by 1") == [
        (job_id(1), "Completed", 1),
        (job_id(2), "Completed", 2),
    ]


def test_one_source_object_can_run_twice(emulator: Emulator, tmp_path: Path) -> None:
    """Each run reads anew, and what is known is not loaded again."""
    pipeline, reused = pipeline_into(tmp_path), source(emulator)
    pipeline.run(reused)
    assert isinstance(emulator.world, FixedWorld)
    emulator.world.add(PROJECT, record(3, NOW - HOUR))
    pipeline.run(reused)
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(3,)]


@pytest.mark.parametrize("names", [["tasks"], ["task_versions"], ["coverage", "tasks"]])
def test_resources_can_be_chosen(emulator: Emulator, tmp_path: Path, names: list[str]) -> None:
    """Any of the tables can be had alone, in dlt's usual order of extraction."""
    pipeline_into(tmp_path).run(source(emulator).with_resources(*names))
    if "tasks" in names:
        assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]
    if "task_versions" in names:
        assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]


def test_versions_that_were_not_taken_are_not_remembered(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Who loads the tasks alone first has every version all the same once they are asked for."""
    pipeline_into(tmp_path).run(source(emulator).with_resources("tasks"))
    pipeline_into(tmp_path).run(source(emulator))
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]
    assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]


def test_it_loads_into_files_too(emulator: Emulator, tmp_path: Path) -> None:
    """A destination without a database gets Parquet or JSON lines."""
    pipeline = dlt.pipeline(
        "audit",
        destination=dlt.destinations.filesystem((tmp_path / "lake").as_uri()),
        dataset_name="gaussdb",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    pipeline.run(source(emulator), loader_file_format="parquet")
    files = list((tmp_path / "lake/gaussdb/task_versions").glob("*.parquet"))
    counts = f"select count(*) from read_parquet({[str(file) for file in files]})"
    assert duckdb.execute(counts).fetchone() == (2,)


def test_a_failed_run_remembers_nothing(emulator: Emulator, tmp_path: Path) -> None:
    """After a refusal the next run reads everything."""
    emulator.revoke_tokens()
    with pytest.raises(PipelineStepFailed, match="token is invalid or has expired"):
        pipeline_into(tmp_path).run(source(emulator))
    with Emulator(emulator.world, clock=emulator.clock) as served:
        pipeline_into(tmp_path).run(source(served))
    assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]


def test_it_signs_in_with_a_cloud(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a token the OS_* variables or clouds.yaml are used."""
    for name, value in {
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": emulator.account.user,
        "OS_PASSWORD": emulator.account.password,
        "OS_USER_DOMAIN_NAME": emulator.account.domain,
    }.items():
        monkeypatch.setenv(name, value)
    pipeline_into(tmp_path).run(
        task_center(PROJECT, endpoint=emulator.endpoint, region="eu-de", now=TONIGHT)
    )
    assert ask(tmp_path, "select distinct region from gaussdb.tasks") == [("eu-de",)]
