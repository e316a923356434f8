"""The dlt source in a user's own pipeline, as documented in pipelines/README.md."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from gaussdb_tasks import task_center, task_center_part
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, to_datetime
from tests.support.emulator_client import NOW, PROJECT, job_id, record

CLOCK = to_datetime(NOW)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run without telemetry and without the machine's settings."""
    set_up_dlt(monkeypatch, tmp_path)


def set_up_dlt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Switch off dlt's telemetry and logs, and work in a folder without dlt settings."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
    monkeypatch.chdir(folder)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve a completed task and a running one."""
    with new_emulator() as served:
        yield served


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run all resources once into a folder that tests read or copy."""
    folder = tmp_path_factory.mktemp("loaded")
    with pytest.MonkeyPatch.context() as monkeypatch, new_emulator() as served:
        set_up_dlt(monkeypatch, folder)
        pipeline_into(folder).run(source(served))
    return folder


def new_emulator() -> Emulator:
    """Make an emulator with a completed task and a running one."""
    world = FixedWorld({PROJECT: [record(1, NOW - DAY), record(2, NOW - HOUR, None)]})
    return Emulator(world, clock=SettableClock(NOW))


def world_of(emulator: Emulator) -> FixedWorld:
    """Return the records of an emulator, to change them."""
    assert isinstance(emulator.world, FixedWorld)
    return emulator.world


def pipeline_into(folder: Path) -> dlt.Pipeline:
    """Make a user's own pipeline."""
    return dlt.pipeline(
        "audit",
        destination=dlt.destinations.duckdb(str(folder / "audit.duckdb")),
        dataset_name="gaussdb",
        pipelines_dir=str(folder / "pipelines"),
    )


def source(emulator: Emulator, now: datetime = CLOCK, **options: Any) -> Any:
    """Make the source for an emulator's project."""
    return task_center(
        PROJECT, endpoint=emulator.endpoint, token=emulator.token, now=now, **options
    )


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query the user's database."""
    with duckdb.connect(folder / "audit.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_it_loads_into_a_users_own_pipeline(loaded_once: Path) -> None:
    """Tasks, versions and coverage are loaded."""
    assert ask(
        loaded_once, "select job_id, status, version_count from gaussdb.tasks order by 1"
    ) == [(job_id(1), "Completed", 1), (job_id(2), "Running", 1)]
    assert ask(loaded_once, "select count(*) from gaussdb.task_versions") == [(2,)]
    assert ask(loaded_once, "select is_complete from gaussdb.coverage") == [(True,)]


def test_it_keeps_its_state_in_dlts_state(
    emulator: Emulator, loaded_once: Path, tmp_path: Path
) -> None:
    """A second run on another machine continues after the first, without duplicates."""
    world_of(emulator).replace(PROJECT, record(2, NOW - HOUR, NOW + HOUR))
    (tmp_path / "audit.duckdb").write_bytes((loaded_once / "audit.duckdb").read_bytes())
    pipeline_into(tmp_path).run(source(emulator, datetime(2026, 3, 19, 2, tzinfo=UTC)))
    assert ask(
        tmp_path, "select job_id, version, status from gaussdb.task_versions order by 1, 2"
    ) == [
        (job_id(1), 1, "Completed"),
        (job_id(2), 1, "Running"),
        (job_id(2), 2, "Completed"),
    ]
    assert ask(tmp_path, "select job_id, status, version_count from gaussdb.tasks order by 1") == [
        (job_id(1), "Completed", 1),
        (job_id(2), "Completed", 2),
    ]


def test_a_task_listed_in_two_states_gets_two_versions(tmp_path: Path) -> None:
    """Three runs of a pipeline that keeps its state in dlt's state give them once."""
    world = FixedWorld({PROJECT: [record(1, NOW - HOUR, NOW), record(1, NOW - HOUR, None)]})
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock) as emulator:
        for number in range(3):
            clock.set(NOW + number * DAY)
            pipeline_into(tmp_path).run(source(emulator, to_datetime(NOW + number * DAY)))
    versions = ask(tmp_path, "select version, status from gaussdb.task_versions order by 1")
    assert versions == [(1, "Running"), (2, "Completed")]
    latest = ask(tmp_path, "select status, version_count from gaussdb.tasks")
    assert latest == [("Completed", 2)]


def test_one_source_object_can_run_twice(emulator: Emulator, tmp_path: Path) -> None:
    """Each run reads the API, and known states are not loaded again."""
    pipeline = pipeline_into(tmp_path)
    reused = source(emulator).with_resources("task_versions", "tasks")
    pipeline.run(reused)
    world_of(emulator).add(PROJECT, record(3, NOW - HOUR))
    pipeline.run(reused)
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(3,)]


@pytest.mark.parametrize("names", [["task_versions"], ["coverage", "tasks"]])
def test_resources_can_be_chosen(emulator: Emulator, tmp_path: Path, names: list[str]) -> None:
    """Any of the tables can be loaded alone, in dlt's usual order of extraction."""
    pipeline_into(tmp_path).run(source(emulator).with_resources(*names))
    if "tasks" in names:
        assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]
    if "task_versions" in names:
        assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]


def test_versions_that_were_not_selected_are_loaded_later(
    emulator: Emulator, tmp_path: Path
) -> None:
    """A run that loads the tasks alone does not record their versions as loaded."""
    pipeline_into(tmp_path).run(source(emulator).with_resources("tasks"))
    assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]
    pipeline_into(tmp_path).run(source(emulator).with_resources("tasks", "task_versions"))
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]
    assert ask(tmp_path, "select count(*) from gaussdb.tasks") == [(2,)]


def test_it_loads_into_files_too(emulator: Emulator, tmp_path: Path) -> None:
    """A filesystem destination gets Parquet files."""
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


def test_a_failed_run_stores_no_state(emulator: Emulator, tmp_path: Path) -> None:
    """After a refusal the next run reads everything."""
    emulator.revoke_tokens()
    with pytest.raises(PipelineStepFailed, match="token is invalid or has expired"):
        pipeline_into(tmp_path).run(source(emulator))
    with Emulator(emulator.world, clock=emulator.clock) as served:
        pipeline_into(tmp_path).run(source(served).with_resources("tasks", "task_versions"))
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
    own = task_center(PROJECT, endpoint=emulator.endpoint, region="eu-de", now=CLOCK)
    pipeline_into(tmp_path).run(own.with_resources("tasks"))
    assert ask(tmp_path, "select distinct region from gaussdb.tasks") == [("eu-de",)]


def part(emulator: Emulator, **options: Any) -> Any:
    """Make the source of a part of an emulator's project."""
    return task_center_part(
        PROJECT, endpoint=emulator.endpoint, token=emulator.token, now=CLOCK, **options
    )


def test_a_part_of_the_list_proves_nothing(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the listed tasks are loaded, and each run replaces them; the log says so."""
    pipeline = pipeline_into(tmp_path)
    pipeline.run(part(emulator, status="Completed", name="CreateGaussDBV5Instance"))
    listed = "select job_id, status, instance_name, remark from gaussdb.listed_tasks"
    assert ask(tmp_path, listed) == [(job_id(1), "Completed", "orders-prod", None)]
    assert "proves nothing" in caplog.text
    world_of(emulator).replace(PROJECT, record(2, NOW - HOUR, NOW, status="Failed"))
    pipeline.run(part(emulator, status="Failed"))
    assert [row[:2] for row in ask(tmp_path, listed)] == [(job_id(2), "Failed")]
    tables = ask(tmp_path, "select table_name from duckdb_tables() where schema_name = 'gaussdb'")
    assert {name for (name,) in tables if not name.startswith("_dlt")} == {"listed_tasks"}
    assert [call.params.get("status") for call in emulator.calls] == ["Completed"] * 2 + [
        "Failed"
    ] * 2


def test_a_part_that_cannot_be_read_replaces_nothing(emulator: Emulator, tmp_path: Path) -> None:
    pipeline = pipeline_into(tmp_path)
    pipeline.run(part(emulator))
    with pytest.raises(PipelineStepFailed, match="status=Nonsense"):
        pipeline.run(part(emulator, status="Nonsense"))
    assert ask(tmp_path, "select count(*) from gaussdb.listed_tasks") == [(2,)]
