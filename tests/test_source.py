"""The dlt source in a user's own pipeline, as documented in pipelines/README.md."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from gaussdb_tasks import task_center, task_center_part
from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, HOUR, to_datetime
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, record

CLOCK = to_datetime(NOW)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run without telemetry and without the machine's settings; dlt must warn of nothing."""
    set_up_dlt(monkeypatch, tmp_path)
    warned: list[str] = []
    handler = logging.Handler(logging.WARNING)
    monkeypatch.setattr(handler, "emit", lambda log: warned.append(log.getMessage()))
    logging.getLogger("dlt").addHandler(handler)
    yield
    logging.getLogger("dlt").removeHandler(handler)
    assert not warned


def set_up_dlt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Switch off dlt's telemetry, and work in a folder without dlt settings."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
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


def pipeline_into(folder: Path, destination: Any = None) -> dlt.Pipeline:
    """Make a user's own pipeline; into DuckDB if there is no other destination."""
    return dlt.pipeline(
        "audit",
        destination=destination or dlt.destinations.duckdb(str(folder / "audit.duckdb")),
        dataset_name="gaussdb",
        pipelines_dir=str(folder / "pipelines"),
    )


def source(emulator: Emulator, now: datetime = CLOCK, **options: Any) -> Any:
    """Make the source for an emulator's project."""
    return task_center(
        **{"project_id": PROJECT, **options},
        endpoint=emulator.endpoint,
        token=emulator.token,
        now=now,
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


def pipeline_into_files(folder: Path) -> dlt.Pipeline:
    """Make a pipeline into plain files, which can only append."""
    return pipeline_into(folder, dlt.destinations.filesystem((folder / "lake").as_uri()))


def test_plain_files_get_the_tables_that_are_never_merged(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Two runs append versions, and replace the documented kinds."""
    without = source(emulator).with_resources("task_versions", "task_types")
    for _ in range(2):
        pipeline_into_files(tmp_path).run(without)

    def count(table: str) -> object:
        files = str(tmp_path / f"lake/gaussdb/{table}/*.parquet")
        return duckdb.execute(f"select count(*) from '{files}'").fetchone()

    assert count("task_versions") == (2,)
    assert count("task_types") == (len(TASK_TYPES),)


def test_plain_files_refuse_the_tables_that_must_be_merged(
    emulator: Emulator, tmp_path: Path
) -> None:
    """The message names them and both ways to go on; no call was made, and nothing was written."""
    with pytest.raises(PipelineStepFailed) as refused:
        pipeline_into_files(tmp_path).run(source(emulator))
    message = str(refused.value)
    assert (
        "can only append, and tasks and vanished_tasks would get a row for each change" in message
    )
    assert "table_format='delta' or table_format='iceberg'" in message
    others = "'task_versions', 'coverage', 'load_runs', 'rejected_records', 'task_types'"
    assert f".with_resources({others})" in message
    assert not list(emulator.calls)
    assert not list((tmp_path / "lake").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("destination", "stored"),
    [("postgres", "a\ufffdb"), ("redshift", "a\ufffdb"), ("duckdb", "a\0b")],
)
def test_a_destination_without_u_0000_gets_another_character(
    tmp_path: Path, destination: str, stored: str
) -> None:
    """Else dlt would try the same package again in each run."""
    world = FixedWorld({PROJECT: [record(1, job_id="a\0b", fail_reason="a\0b")]})
    chosen = getattr(dlt.destinations, destination)("postgresql://user:any@localhost/tasks")
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        pipeline_into(tmp_path, chosen).extract(source(emulator))
    files = str(tmp_path / "pipelines/**/tasks.*.parquet")
    rows = duckdb.execute(f"select job_id, fail_reason from '{files}'").fetchall()
    assert rows == [(stored, stored)]


def test_a_user_may_append_where_nothing_can_be_merged(emulator: Emulator, tmp_path: Path) -> None:
    """A function as a destination gets the changed rows, if the user asks for them."""
    taken = set()

    @dlt.destination
    def sink(_items: object, table: Any) -> None:
        taken.add(table["name"])

    pipeline = dlt.pipeline("sink", destination=sink, pipelines_dir=str(tmp_path / "pipelines"))
    own = source(emulator).with_resources("tasks")
    with pytest.raises(PipelineStepFailed, match="can only append, and tasks would get a row"):
        pipeline.run(own)
    own.tasks.apply_hints(write_disposition="append")
    pipeline.run(own)
    assert taken == {"tasks"}


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


def test_missing_credentials_are_named_as_in_a_pipeline(tmp_path: Path) -> None:
    """Settings instead of the command's options."""
    with pytest.raises(PipelineStepFailed, match="with os_cloud ") as failed:
        pipeline_into(tmp_path).run(task_center(PROJECT, now=CLOCK))
    assert "--" not in str(failed.value)


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


@pytest.fixture
def two_projects() -> Iterator[Emulator]:
    """Serve two projects, each with a task of the same id."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(1), record(2)]})
    with Emulator(world, clock=SettableClock(NOW)) as served:
        yield served


COUNTS = "select project_id, count(*) from gaussdb.{} group by all order by 1"


def test_several_projects_are_read_in_one_run(two_projects: Emulator, tmp_path: Path) -> None:
    """Each continues after its own last run, also if another run read only one of them."""
    pipeline = pipeline_into(tmp_path)

    def run(*projects: str) -> None:
        own = source(two_projects, project_id=projects)
        pipeline.run(own.with_resources("tasks", "task_versions", "load_runs"))

    run(PROJECT)
    run(PROJECT, OTHER_PROJECT)
    world_of(two_projects).add(PROJECT, record(3))
    run(PROJECT, OTHER_PROJECT)
    for table in ("tasks", "task_versions"):
        assert ask(tmp_path, COUNTS.format(table)) == [(PROJECT, 2), (OTHER_PROJECT, 2)]
    numbers = "select project_id, load_number from gaussdb.load_runs order by 2, 1"
    assert ask(tmp_path, numbers) == [
        *((PROJECT, 1), (PROJECT, 2), (OTHER_PROJECT, 2)),
        *((PROJECT, 3), (OTHER_PROJECT, 3)),
    ]


def test_two_sources_in_one_run_share_the_state(two_projects: Emulator, tmp_path: Path) -> None:
    """Nothing is doubled: neither tasks nor the documented kinds, nor the numbers of loads."""
    pipeline = pipeline_into(tmp_path)
    tables = ("tasks", "task_versions", "load_runs", "task_types")
    for _ in range(2):
        sources = [source(two_projects, project_id=id_) for id_ in (PROJECT, OTHER_PROJECT)]
        pipeline.run([each.with_resources(*tables) for each in sources])
    for table in ("tasks", "task_versions"):
        assert ask(tmp_path, COUNTS.format(table)) == [(PROJECT, 1), (OTHER_PROJECT, 2)]
    assert ask(tmp_path, "select count(*) from gaussdb.task_types") == [(len(TASK_TYPES),)]
    numbers = ask(tmp_path, "select load_number from gaussdb.load_runs order by 1")
    assert numbers == [(1,), (2,), (3,), (4,)]


def test_a_project_that_fails_is_recorded_and_logged(
    two_projects: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other project is loaded: a pipeline has no exit code for that."""
    unknown = "0" * 32
    own = source(two_projects, project_id=[PROJECT, unknown])
    pipeline_into(tmp_path).run(own.with_resources("load_runs"))
    outcomes = ask(tmp_path, "select project_id, outcome from gaussdb.load_runs order by 1")
    assert outcomes == [(unknown, "failed"), (PROJECT, "complete")]
    assert f"project {unknown}: outcome failed: " in caplog.text


def test_a_project_stays_in_its_region(emulator: Emulator, tmp_path: Path) -> None:
    """Another region is refused, and the refusal does not become part of the state."""
    pipeline = pipeline_into(tmp_path)
    versions = "task_versions"
    pipeline.run(source(emulator, region="eu-de").with_resources(versions))
    with pytest.raises(PipelineStepFailed, match="set region to eu-de, or every task would be"):
        pipeline.run(source(emulator, region="eu-nl"))
    pipeline.run(source(emulator, region="eu-de").with_resources(versions))
    regions = "select region, count(*) from gaussdb.task_versions group by 1"
    assert ask(tmp_path, regions) == [("eu-de", 2)]


def test_a_wrong_clock_covers_nothing_that_was_not_read(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A pipeline compares the machine's clock with the service's, as the command does."""
    own = task_center(PROJECT, endpoint=emulator.endpoint, token=emulator.token)
    pipeline_into(tmp_path).run(own.with_resources("load_runs"))
    ((outcome, error),) = ask(tmp_path, "select outcome, error from gaussdb.load_runs")
    assert outcome == "incomplete"
    assert "clock is" in error
    assert "ahead of the service's" in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"refresh": "drop_resources"},
        pytest.param({"refresh": "drop_data"}, marks=pytest.mark.thorough),
        {"write_disposition": "replace"},
    ],
    ids=str,
)
def test_tables_that_are_emptied_are_filled_again(
    emulator: Emulator, loaded_once: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """The state goes with the versions that it speaks of."""
    (tmp_path / "audit.duckdb").write_bytes((loaded_once / "audit.duckdb").read_bytes())
    own = source(emulator).with_resources("tasks", "task_versions")
    pipeline_into(tmp_path).run(own, **options)
    for table in ("tasks", "task_versions"):
        assert ask(tmp_path, f"select count(*) from gaussdb.{table}") == [(2,)]


def test_a_pipeline_of_0_1_0_goes_on(emulator: Emulator, tmp_path: Path) -> None:
    """Its state is taken over from its former place."""
    pipeline = pipeline_into(tmp_path)
    pipeline.run(source(emulator).with_resources("task_versions"))
    with pipeline.managed_state() as state:
        own = state["sources"]["task_center"]
        own["projects"] = own.pop("resources")["task_versions"]["projects"]
    pipeline.run(source(emulator).with_resources("task_versions"))
    assert ask(tmp_path, "select count(*) from gaussdb.task_versions") == [(2,)]
    assert "projects" not in pipeline.state["sources"]["task_center"]


def write_settings(folder: Path, name: str, **values: object) -> None:
    """Write a file of dlt's settings."""
    (folder / ".dlt").mkdir(exist_ok=True)
    lines = (f"{key} = {json.dumps(value)}" for key, value in values.items())
    (folder / ".dlt" / name).write_text("\n".join(["[sources.task_center]", *lines, ""]))


_RUN_BOTH: Final = """
import datetime, sys
import dlt
from gaussdb_tasks import task_center, task_center_part
clock = datetime.datetime.fromisoformat(sys.argv[1])
pipeline = dlt.pipeline("audit", destination="duckdb", dataset_name="gaussdb")
pipeline.run(task_center(now=clock))
pipeline.run(task_center_part(sys.argv[2], status="Completed", now=clock))
"""


def test_settings_come_from_dlts_files(two_projects: Emulator, tmp_path: Path) -> None:
    """Both sources take the same section; an argument comes first."""
    projects = [PROJECT, OTHER_PROJECT]
    address = {"endpoint": two_projects.endpoint, "region": "eu-de"}
    write_settings(tmp_path, "config.toml", project_id=projects, status="Failed", **address)
    write_settings(tmp_path, "secrets.toml", token=two_projects.token)
    run = subprocess.run(
        [sys.executable, "-c", _RUN_BOTH, CLOCK.isoformat(), OTHER_PROJECT],
        cwd=tmp_path,
        env={"DLT_DATA_DIR": str(tmp_path), "RUNTIME__DLTHUB_TELEMETRY": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert ask(tmp_path, COUNTS.format("tasks")) == [(PROJECT, 1), (OTHER_PROJECT, 2)]
    assert ask(tmp_path, "select distinct region from gaussdb.tasks") == [("eu-de",)]
    assert ask(tmp_path, COUNTS.format("listed_tasks")) == [(OTHER_PROJECT, 2)]


def test_settings_come_from_variables_of_their_section_only(
    two_projects: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable such as NAME, TOKEN or REGION belongs to something else."""
    for name, value in {
        "SOURCES__TASK_CENTER__PROJECT_ID": json.dumps([PROJECT, OTHER_PROJECT]),
        "SOURCES__TASK_CENTER__ENDPOINT": two_projects.endpoint,
        "SOURCES__TASK_CENTER__TOKEN": two_projects.token,
        "SOURCES__TASK_CENTER__REGION": "eu-de",
        **dict.fromkeys(("NAME", "STATUS", "REGION", "TOKEN", "PROJECT_ID", "OS_CLOUD"), "other"),
        "SOURCES__NAME": "other",
        "FULL": "true",
        "NOW": "2020-01-01T00:00:00Z",
    }.items():
        monkeypatch.setenv(name, value)
    pipeline = pipeline_into(tmp_path)
    pipeline.run([task_center(now=CLOCK).with_resources("tasks"), task_center_part(now=CLOCK)])
    for table in ("tasks", "listed_tasks"):
        assert ask(tmp_path, COUNTS.format(table)) == [(PROJECT, 1), (OTHER_PROJECT, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "t"}, "token is set, but not what it is for; set project_id, and region"),
        ({"token": "t", "project_id": PROJECT}, "set project_id, and region or endpoint too"),
        ({"token": "t", "os_cloud": "otc"}, "token and os_cloud are both set; set one of them"),
        ({"project_id": 12}, "project_id is 12; write a text or a list of texts"),
        ({"os_cloud": ["otc", None]}, "os_cloud is .*; write a text or a list of texts"),
        ({"project_id": "[1"}, "project_id is .*; write a text or a list of texts"),
        ({"region": ["eu-de"]}, "region is not a text, but of the type list; write a text"),
        ({"endpoint": 8280}, "endpoint is not a text, but of the type int; write a text"),
        ({"token": b"secret"}, "token is not a text, but of the type bytes; write a text"),
        ({"now": CLOCK.isoformat()}, "now is '.*'; give a datetime with a timezone, such as UTC"),
        ({"now": CLOCK.replace(tzinfo=None)}, "now is .*; give a datetime with a timezone"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    options: dict[str, Any], message: str
) -> None:
    """Before a pipeline runs, in one sentence."""
    for source in (task_center, task_center_part):
        with pytest.raises(ConfigurationError, match=message):
            source(**options)


def test_the_state_is_not_larger_after_a_year(tmp_path: Path) -> None:
    """It holds what can still be listed, whatever gaps, odd records and projects there were."""
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: [record(1)]})
    pipeline = pipeline_into(tmp_path)
    sizes = []
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock) as emulator:
        for month in range(9):
            now = NOW + month * 40 * DAY  # the first ten days of each are lost
            clock.set(now)
            numbers = range(100 * month, 100 * month + 20)
            world.add(PROJECT, *(record(n, now - HOUR, now if n % 2 else None) for n in numbers))
            if month:
                world.remove(PROJECT, job_id(5_000 + month - 1))
            world.add(PROJECT, {**record(5_000 + month), "created_at": None})
            projects = [PROJECT] if month else [PROJECT, OTHER_PROJECT]
            pipeline.extract(source(emulator, to_datetime(now), project_id=projects))
            sizes.append(len(json.dumps(pipeline.state["sources"])))
    assert sizes[0] > 20 * 150  # its tasks are in it
    assert sizes[-1] - sizes[2] < 10  # the number of the load has another digit
    stored = pipeline.state["sources"]["task_center"]["resources"]["task_versions"]["projects"]
    assert [len(state["tasks"]) for state in stored.values()] == [20, 0]  # the other is not read
