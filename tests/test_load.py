"""A load is a transaction: it publishes everything or nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from gaussdb_tasks import load as load_module
from gaussdb_tasks.api.deadline import Deadline
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.state import read_state
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.emulator import (
    Behaviour,
    Emulator,
    FailsAfter,
    FixedWorld,
    InventedWorld,
    Script,
    SettableClock,
    answers,
    service_error,
)
from gaussdb_tasks.errors import (
    AccessError,
    CheckFailedError,
    ConfigurationError,
    DatabaseError,
    ExitCode,
    LockedError,
    ServiceError,
)
from gaussdb_tasks.extract.project_tables import Outcome, ProjectExtraction
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND, Micros, iso, to_datetime
from tests.support.commands import Command
from tests.support.emulator_client import (
    NOW,
    OTHER_PROJECT,
    PROJECT,
    Record,
    job_id,
    record,
    written,
)
from tests.support.loads import load, load_request, published, rows


def emulator_of(*records: Record, **options: Any) -> Emulator:
    """Make a task center with these records in one project."""
    clock = SettableClock(NOW)
    return Emulator(FixedWorld({PROJECT: records}), clock=clock, **options)


@pytest.fixture(scope="module")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load one task, at ``NOW``."""
    folder = tmp_path_factory.mktemp("first")
    with emulator_of(days_ago(1, 3)) as emulator:
        load(emulator, folder, NOW)
    return folder


@pytest.fixture
def loaded(first_load: Path, tmp_path: Path) -> Path:
    """Copy the data directory with the first load."""
    folder = tmp_path / "loaded"
    shutil.copytree(first_load, folder)
    return folder


def days_ago(number: int, days: float, **fields: object) -> Record:
    """Make a record that was created some days before NOW."""
    at = NOW - int(days * DAY) // SECOND * SECOND
    return record(number, at, at + 10 * MINUTE, **fields)


def test_a_first_load_fills_every_table(tmp_path: Path) -> None:
    """Tasks with their raw JSON, coverage and the run are recorded."""
    with emulator_of(days_ago(1, 3), days_ago(2, 20)) as emulator:
        report = load(emulator, tmp_path, NOW)
    assert report.exit_code is ExitCode.DONE
    assert rows(tmp_path, "select job_id from tasks order by created_at desc") == [
        (job_id(1),),
        (job_id(2),),
    ]
    ((raw,),) = rows(tmp_path, f"select raw from task_history where job_id = '{job_id(1)}'")
    assert json.loads(raw) == days_ago(1, 3)
    counts = "select seen_count, new_count, call_count, outcome from task_center.load_runs"
    assert rows(tmp_path, counts) == [(2, 2, 3, "complete")]
    assert rows(tmp_path, "select count(*) from task_center.task_types") == [(10,)]
    assert rows(tmp_path, "select is_complete, distinct_count from task_center.coverage") == [
        (True, 2)
    ]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".lock",
        "archive",
        "gaussdb_tasks.duckdb",
    ]


def test_a_repeated_load_adds_no_rows(tmp_path: Path) -> None:
    """This also holds for a load that reads the full horizon."""
    with emulator_of(days_ago(1, 3), record(2, NOW - HOUR, None)) as emulator:
        load(emulator, tmp_path, NOW)
        load(emulator, tmp_path, NOW)
        report = load(emulator, tmp_path, NOW + HOUR, full=True)
    assert (report.total("new_count"), report.total("changed_count")) == (0, 0)
    for table in ("tasks", "task_versions"):
        assert rows(tmp_path, f"select count(*) from task_center.{table}") == [(2,)]


def test_every_state_is_kept(tmp_path: Path) -> None:
    """Running, Failed, Running give three versions in order; `tasks` has the latest."""
    with emulator_of() as emulator:
        world = emulator.world
        assert isinstance(world, FixedWorld)
        states = [("Running", None), ("Failed", "no space"), ("Running", None)]
        for number, (status, reason) in enumerate(states):
            state = record(1, NOW - HOUR, None, status=status, fail_reason=reason)
            (world.replace if number else world.add)(PROJECT, state)
            load(emulator, tmp_path, NOW + number * DAY)
    assert rows(
        tmp_path,
        "select version, status, fail_reason, valid_to is null from task_history order by 1",
    ) == [(1, "Running", None, False), (2, "Failed", "no space", False), (3, "Running", None, True)]
    assert rows(
        tmp_path, "select status, version_count, first_seen_at < last_changed_at from tasks"
    ) == [("Running", 3, True)]


def test_two_states_in_one_load_are_two_versions(tmp_path: Path) -> None:
    """A task is Running in the sweep and Completed in the window; `tasks` has the second."""
    with emulator_of(record(1, NOW - HOUR, None)) as emulator:
        world = emulator.world
        assert isinstance(world, FixedWorld)

        @emulator.before_page
        def end_it(_query: object) -> None:
            if len(emulator.calls) == 1:
                world.replace(PROJECT, record(1, NOW - HOUR, NOW))

        load(emulator, tmp_path, NOW)
    assert rows(tmp_path, "select status from task_history order by version") == [
        ("Running",),
        ("Completed",),
    ]
    assert rows(tmp_path, "select status, version_count from tasks") == [("Completed", 2)]


def test_a_record_that_is_not_a_task_is_kept_once(tmp_path: Path) -> None:
    """A record without a usable created_at is kept with its reason; the first load exits with 3."""
    odd: Record = {"job_id": "odd", "created_at": "some day", "status": "Completed"}
    with emulator_of(days_ago(1, 1), odd) as emulator:
        report = load(emulator, tmp_path, NOW)
        assert report.exit_code is ExitCode.NEEDS_ATTENTION
        again = load(emulator, tmp_path, NOW + DAY, full=True)
    assert again.exit_code is ExitCode.DONE
    ((reason, job, raw),) = rows(
        tmp_path, "select reason, job_id, raw from task_center.rejected_records"
    )
    assert reason == 'created_at is not usable: "some day"'
    assert job == "odd"
    assert json.loads(raw) == odd
    assert rows(tmp_path, "select count(*) from tasks") == [(1,)]


def test_a_deleted_rejected_record_costs_calls_only_once(tmp_path: Path) -> None:
    """The first load after the deletion reads everything; the next expects the new count."""
    tasks = [days_ago(number, number / 50) for number in range(1, 1_200)]
    odd: Record = {"name": "odd", "created_at": written(NOW - 2 * DAY)}
    calls = []
    with emulator_of(*tasks, odd) as emulator:
        world = emulator.world
        assert isinstance(world, FixedWorld)
        for number in range(3):
            if number == 1:
                world.remove(PROJECT, "None")
            calls.append(load(emulator, tmp_path, NOW + number * DAY).total("call_count"))
    assert calls[1] > 12
    assert calls[2] <= 4
    assert rows(tmp_path, "select count(*) from task_center.rejected_records") == [(1,)]


def test_a_deleted_record_is_marked_and_kept(tmp_path: Path) -> None:
    """A task that a user deleted is kept and marked; its return is recorded too."""
    with emulator_of(*(days_ago(number, number / 5) for number in range(1, 120))) as emulator:
        world = emulator.world
        assert isinstance(world, FixedWorld)
        load(emulator, tmp_path, NOW)
        world.remove(PROJECT, job_id(50))
        report = load(emulator, tmp_path, NOW + DAY)
        assert report.total("vanished_count") == 1
        vanished = "select job_id from tasks where vanished_at is not null"
        assert rows(tmp_path, vanished) == [(job_id(50),)]
        world.add(PROJECT, days_ago(50, 10))
        load(emulator, tmp_path, NOW + 2 * DAY)
    assert rows(tmp_path, vanished) == []
    assert rows(tmp_path, "select count(reappeared_at) from task_center.vanished_tasks") == [(1,)]
    assert rows(tmp_path, "select count(*) from tasks") == [(119,)]


def test_readers_keep_their_snapshot(loaded: Path) -> None:
    """An open reader keeps the old data while a load publishes; the next reader sees the new."""
    reader = (
        "import sys, duckdb\n"
        "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "for _ in sys.stdin:\n"
        "    print(connection.execute('select count(*) from tasks').fetchone()[0], flush=True)\n"
    )
    with (
        emulator_of(days_ago(1, 3), days_ago(2, 0.1)) as emulator,
        subprocess.Popen(
            [sys.executable, "-c", reader, str(DataDir(loaded).database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):

        def count() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("?\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert count() == "1"
        load(emulator, loaded, NOW + HOUR)
        assert count() == "1"
        process.terminate()
    assert rows(loaded, "select count(*) from tasks") == [(2,)]


def test_a_service_that_dies_changes_nothing(loaded: Path) -> None:
    """The API fails during the load: the database is byte for byte unchanged, no files are left."""
    before = DataDir(loaded).database.read_bytes()
    records = [days_ago(number, number / 30) for number in range(1, 800)]
    with (
        emulator_of(*records, faults=[FailsAfter(5)]) as emulator,
        pytest.raises(ServiceError, match="503"),
    ):
        load(emulator, loaded, NOW + HOUR, full=True)
    assert DataDir(loaded).database.read_bytes() == before
    assert not (loaded / ".scratch").exists()


def test_a_failed_check_changes_nothing(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that fail a check are not published."""
    before = DataDir(loaded).database.read_bytes()

    def double(connection: duckdb.DuckDBPyConnection, **_options: bool) -> None:
        connection.execute("insert into task_center.tasks select * from task_center.tasks")
        apply_views(connection)

    monkeypatch.setattr(load_module, "apply_views", double)
    with (
        emulator_of(days_ago(1, 3), days_ago(2, 0.1)) as emulator,
        pytest.raises(CheckFailedError, match="duplicate_task"),
    ):
        load(emulator, loaded, NOW + HOUR)
    assert DataDir(loaded).database.read_bytes() == before


def test_two_loads_at_once(tmp_path: Path) -> None:
    """A second load is refused while the first one runs, and has no effect on it."""
    with emulator_of(days_ago(1, 3)) as emulator:
        refusals: list[str] = []

        @emulator.before_page
        def another(_query: object) -> None:
            with pytest.raises(LockedError) as refusal:
                load(emulator, tmp_path, NOW)
            refusals.append(str(refusal.value))

        load(emulator, tmp_path, NOW)
    assert len(refusals) == 3
    assert rows(tmp_path, "select count(*) from tasks") == [(1,)]


@pytest.fixture
def two_projects() -> Emulator:
    """Make a task center with two projects."""
    world = FixedWorld({PROJECT: [days_ago(1, 3)], OTHER_PROJECT: [days_ago(2, 3)]})
    return Emulator(world, clock=SettableClock(NOW))


def test_a_project_that_fails_does_not_stop_the_other(
    two_projects: Emulator, tmp_path: Path
) -> None:
    """A project without permission is reported and recorded; the other one is loaded."""
    with Emulator(
        two_projects.world, clock=two_projects.clock, forbidden_projects=[OTHER_PROJECT]
    ) as emulator:
        report = load(emulator, tmp_path, NOW)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert [project.outcome for project in report.projects] == [Outcome.COMPLETE, Outcome.FAILED]
    assert rows(tmp_path, "select project_id from tasks") == [(PROJECT,)]
    ((error,),) = rows(tmp_path, "select error from task_center.load_runs where outcome = 'failed'")
    assert OTHER_PROJECT in error
    assert rows(
        tmp_path,
        "select project_id, last_outcome, covered_to is null from archive_status order by 2",
    ) == [
        (PROJECT, "complete", False),
        (OTHER_PROJECT, "failed", True),
    ]


def test_a_project_that_fails_halfway_keeps_its_tasks(tmp_path: Path) -> None:
    """Tasks read before the refusal are kept, but their time range is not covered."""
    refusal = answers(service_error(403, "DBS.280015", "You do not have the permission."))
    clock = SettableClock(NOW)
    with Emulator(InventedWorld(), clock=clock, faults=[Script({6: refusal})]) as emulator:
        report = load(emulator, tmp_path, NOW)
        # The projects are read at the same time: either of them can make the sixth call.
        by_outcome = {project.outcome: project.key.project_id for project in report.projects}
        first, second = by_outcome[Outcome.FAILED], by_outcome[Outcome.COMPLETE]
        complete = "select project_id, bool_and(is_complete) from task_center.coverage group by 1"
        assert rows(tmp_path, complete) == [(second, True)]
        again = load(emulator, tmp_path, NOW + HOUR, project_ids=[first])
    assert again.projects[0].outcome is Outcome.COMPLETE
    assert rows(tmp_path, f"select * from coverage_gaps where project_id = '{first}'") == []


def test_if_no_project_can_be_read_nothing_is_published(tmp_path: Path) -> None:
    """The error names all projects."""
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: []})
    forbidden = [PROJECT, OTHER_PROJECT]
    with (
        Emulator(world, clock=SettableClock(NOW), forbidden_projects=forbidden) as emulator,
        pytest.raises(AccessError, match=rf"{PROJECT}.*\n.*{OTHER_PROJECT}"),
    ):
        load(emulator, tmp_path, NOW)
    assert not DataDir(tmp_path).database.exists()


def test_a_lost_gap_is_reported_once(loaded: Path) -> None:
    """If loads are missed for longer than the horizon, exit code 3 reports the lost time once."""
    clock = SettableClock(NOW + 40 * DAY)
    with Emulator(FixedWorld({PROJECT: []}), clock=clock) as emulator:
        report = load(emulator, loaded, NOW + 40 * DAY)
        assert report.exit_code is ExitCode.NEEDS_ATTENTION
        ((key, time_range),) = report.lost
        assert (key.project_id, time_range) == (PROJECT, (NOW, NOW + 10 * DAY))
        assert load(emulator, loaded, NOW + 41 * DAY).exit_code is ExitCode.DONE
    assert rows(loaded, "select is_lost, count(*) from coverage_gaps group by 1") == [(True, 1)]


def test_an_unproved_window_is_read_again(tmp_path: Path) -> None:
    """An unproved window is recorded and reported (exit code 3); the next load reads it again."""
    with emulator_of(*(days_ago(number, number / 5) for number in range(1, 30))) as emulator:
        request = replace(load_request(emulator, tmp_path, NOW), deadline=Deadline(0))
        report = load_module.run_load(request)
        assert report.exit_code is ExitCode.NEEDS_ATTENTION
        assert rows(tmp_path, "select bool_or(is_complete) from task_center.coverage") == [(False,)]
        assert rows(tmp_path, "select is_lost from coverage_gaps") == [(False,)]
        report = load(emulator, tmp_path, NOW + HOUR)
    assert report.projects[0].outcome is Outcome.COMPLETE
    assert rows(tmp_path, "select count(*) from tasks") == [(29,)]
    assert rows(tmp_path, "select * from coverage_gaps where not is_lost") == []
    # The hour that left the horizon meanwhile was never proved.
    ((_, lost),) = report.lost
    assert lost == (NOW - 30 * DAY, NOW + HOUR - 30 * DAY)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    """The file is not replaced."""
    DataDir(tmp_path).database.write_text("not a database")
    with emulator_of() as emulator, pytest.raises(ConfigurationError, match="is not a DuckDB"):
        load(emulator, tmp_path, NOW)
    assert DataDir(tmp_path).database.read_text() == "not a database"


def test_a_database_that_another_program_writes_to_is_refused(loaded: Path) -> None:
    """A write-ahead log beside the file belongs to another program and is not overwritten."""
    journal = loaded / "gaussdb_tasks.duckdb.wal"
    journal.write_bytes(b"unfinished work")
    with (
        emulator_of(days_ago(1, 3)) as emulator,
        pytest.raises(DatabaseError, match="another program writes"),
    ):
        load(emulator, loaded, NOW + HOUR)
    assert journal.read_bytes() == b"unfinished work"


def test_a_database_that_is_a_link_is_refused(loaded: Path, tmp_path: Path) -> None:
    """A rename would replace the link; readers of its target would not get the load."""
    (tmp_path / "data").mkdir()
    DataDir(tmp_path / "data").database.symlink_to(DataDir(loaded).database)
    with (
        emulator_of(days_ago(1, 3)) as emulator,
        pytest.raises(ConfigurationError, match="symbolic link"),
    ):
        load(emulator, tmp_path / "data", NOW + HOUR)


def test_a_damaged_database_is_reported_as_damaged(loaded: Path, tmp_path: Path) -> None:
    """The error for flipped bytes is not "locked" or "not a database", whatever the path."""
    folder = loaded.rename(tmp_path / "clock")
    content = bytearray(DataDir(folder).database.read_bytes())
    content[5_000] ^= 0xFF  # in the first header
    content[9_000] ^= 0xFF  # and in the second
    DataDir(folder).database.write_bytes(content)
    with (
        emulator_of(days_ago(1, 3)) as emulator,
        pytest.raises(ConfigurationError, match=r"is damaged.*restore it"),
    ):
        load(emulator, folder, NOW + HOUR)
    assert DataDir(folder).database.read_bytes() == content


@pytest.mark.parametrize(
    "total_count", ["exact", pytest.param("missing", marks=pytest.mark.thorough)]
)
def test_one_load_with_a_clock_ahead_loses_no_task(tmp_path: Path, total_count: str) -> None:
    """After a load with a clock of next month, later loads still read all new tasks."""
    with emulator_of(*(days_ago(number, number / 5) for number in range(1, 150))) as emulator:
        world = emulator.world
        assert isinstance(world, FixedWorld)
        emulator.behaviour = Behaviour(total_count=total_count)  # type: ignore[arg-type]
        load(emulator, tmp_path, NOW)
        load(emulator, tmp_path, NOW + 40 * DAY)
        for number in range(1, 3):
            now = NOW + number * DAY
            world.add(PROJECT, *(_new_ones(1000 * number, now)))
            if number == 2:
                world.replace(PROJECT, record(1000, NOW + DAY - HOUR, NOW + DAY, status="Failed"))
            load(emulator, tmp_path, now)
            expected = 149 + 3 * number
            assert rows(tmp_path, "select count(*) from tasks") == [(expected,)]
    latest = "select covered_to, gap_count from archive_status"
    assert rows(tmp_path, latest) == [(to_datetime(NOW + 2 * DAY).replace(tzinfo=None), 0)]


def _new_ones(number: int, now: Micros) -> list[Record]:
    """Make three tasks of the last hours: one is running, two have ended."""
    running = record(number, now - HOUR, None)
    return [running, *(record(number + n, now - n * HOUR, now - n * HOUR) for n in (2, 3))]


def test_a_project_keeps_its_region(loaded: Path) -> None:
    """Another region for a known project is refused, because it would duplicate every task."""
    with emulator_of(days_ago(1, 3)) as emulator:
        request = load_request(emulator, loaded, NOW + HOUR)
        (access,) = request.accesses
        moved = type(access)(
            access.endpoint, "eu-nl", access.project_id, access.identity, access.http
        )
        with pytest.raises(ConfigurationError, match="--region eu-de"):
            load_module.run_load(
                load_module.LoadRequest(request.data_dir, [moved], request.settings)
            )


def test_the_published_file_has_no_working_data(first_load: Path) -> None:
    """It has no staging schema, no index and no unique constraint."""
    schemas = "select distinct schema_name from duckdb_tables() order by 1"
    assert rows(first_load, schemas) == [("task_center",)]
    assert rows(first_load, "select count(*) from duckdb_indexes()") == [(0,)]
    constraints = "select distinct constraint_type from duckdb_constraints()"
    assert rows(first_load, constraints) == [("NOT NULL",)]


def test_the_state_read_from_the_database_is_that_of_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next load starts with the state at the end of this one."""
    states: list[ProjectState] = []
    monkeypatch.setattr(
        ProjectExtraction, "forget_states", lambda project: states.append(project.state_after())
    )
    clock = SettableClock(NOW - 3 * DAY)
    with Emulator(InventedWorld(seed=3), clock=clock) as emulator:
        project = emulator.project_ids[0]
        for ago in (3, 1, 0):
            now: Micros = NOW - ago * DAY
            clock.set(now)
            load(emulator, tmp_path, now, project_ids=[project])
            written_state = states[-1]
            with published(tmp_path) as connection:
                read_back = read_state(connection, ProjectKey("eu-de", project), now - 30 * DAY)
            fresh = {
                id_: k
                for id_, k in written_state.tasks.items()
                if k.created_at >= read_back.known_from
            }
            assert read_back.tasks == fresh
            assert read_back.is_running_listed == written_state.is_running_listed
            assert read_back.last_observed_at == written_state.last_observed_at == now
            assert read_back.covered[-1].end == written_state.covered[-1].end == now


# Each changes or breaks a dlt pipeline that reads it.
DLT_VARIABLES: Final = {
    "DESTINATION": "postgres",
    "DESTINATION__DUCKDB__CREATE_INDEXES": "maybe",
    "DEV_MODE": "true",
    "DLT_DATA_DIR": "elsewhere",
    "DLT_PROJECT_DIR": "elsewhere",
    "EXTRACT__WORKERS": "none",
    "FULL_REFRESH": "true",
    "LOAD__DELETE_COMPLETED_JOBS": "sometimes",
    "NORMALIZE__LOADER_FILE_FORMAT": "csv",
    "PROGRESS": "tqdm",
    "RUNTIME__LOG_LEVEL": "DEBUG",
    "SCHEMA__NAMING": "direct",
    "SOURCES__TASK_CENTER__FULL": "sometimes",
    "SOURCES__TASK_CENTER__REGION": "eu-nl",
    "WORKERS": "none",
}
# Values that dlt accepts, and variables of Python, DuckDB, requests and the terminal.
OTHER_VARIABLES: Final = {
    "COLUMNS": "1",
    "DATASET_NAME": "elsewhere",
    "DESTINATION__CREDENTIALS": "duckdb:///elsewhere.duckdb",
    "DESTINATION__DUCKDB__CREDENTIALS": "duckdb:///elsewhere.duckdb",
    "DLT_CONFIG_FOLDER": "elsewhere",
    "DUCKDB_DATABASE": "elsewhere.duckdb",
    "EXTRACT__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "LANG": "C",
    "LOAD__RAISE_ON_FAILED_JOBS": "false",
    "LOAD__WORKERS": "0",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "1",
    "NORMALIZE__WORKERS": "8",
    "PIPELINE_NAME": "elsewhere",
    "PROGRESS": "log",
    "PYTHONDEVMODE": "1",
    "PYTHONHASHSEED": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "RESTORE_FROM_DESTINATION": "true",
    "RUNTIME__SENTRY_DSN": "https://key@127.0.0.1:9/1",
    "SOURCES__PROJECT_ID": "elsewhere",
    "TMPDIR": "/nonexistent",
    "TZ": "Nowhere/None",
    "WORKERS": "0",
    # A load goes to a loopback address without a proxy.
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "127.0.0.1",
}
NETRC: Final = "machine 127.0.0.1 login somebody password secret"


def test_certificates_that_are_not_there_are_refused_by_the_variable_that_names_them(
    command: Command,
) -> None:
    with emulator_of(days_ago(1, 3)) as emulator:
        sign_in = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
        bundle = {"REQUESTS_CA_BUNDLE": "/nonexistent/ca.pem"}
        run = command("load", "--endpoint", emulator.endpoint, env=sign_in | bundle)
    assert run.exit_code == 2
    assert "/nonexistent/ca.pem" in run.last_line
    assert "REQUESTS_CA_BUNDLE" in run.last_line


@pytest.mark.parametrize("hostile", [DLT_VARIABLES, OTHER_VARIABLES], ids=["dlt", "other"])
def test_a_load_stays_in_its_directory(tmp_path: Path, hostile: Mapping[str, str]) -> None:
    """It writes only to its data directory; settings of other programs have no effect."""
    home, working = tmp_path / "home", tmp_path / "working"
    for folder in (home, working):
        (folder / ".dlt").mkdir(parents=True)
        for name in ("config.toml", "secrets.toml"):
            (folder / ".dlt" / name).write_text("this is not TOML")
        (folder / ".duckdbrc").write_text("this is not SQL")
    (home / ".netrc").write_text(NETRC)
    (home / ".netrc").chmod(0o600)
    files = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    written_by_root = Path("/var/dlt")
    before = written_by_root.exists()
    with emulator_of(days_ago(1, 3)) as emulator:
        sign_in = {"OS_TOKEN": emulator.token, "OS_PROJECT_ID": PROJECT}
        variables = {"HOME": str(home), "NETRC": str(home / ".netrc"), **sign_in, **hostile}
        options = ["--endpoint", emulator.endpoint, "--data-dir", str(tmp_path / "data")]
        run = subprocess.run(
            [sys.executable, "-m", "gaussdb_tasks", "load", *options, "--now", iso(NOW)],
            cwd=working,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(1,)]
    assert written_by_root.exists() == before
    outside = (path for folder in (home, working) for path in folder.rglob("*") if path.is_file())
    assert {path: path.read_text() for path in outside} == files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "home", "working"]
