"""``gaussdb-tasks load``: output, exit codes, and errors of users."""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gaussdb_tasks.cli.commands import load
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import (
    Emulator,
    FailsAfter,
    FixedWorld,
    Script,
    SettableClock,
    answers,
)
from gaussdb_tasks.emulator.http import identity_error
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, iso, to_datetime
from tests.support import DATA
from tests.support.commands import Command, Run, isolated, run_command, token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, Record, job_id, record
from tests.support.loads import rows

TASKS = [record(1), record(2, NOW - 3 * DAY, NOW - 3 * DAY + HOUR)]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve a task center with two tasks."""
    with Emulator(FixedWorld({PROJECT: list(TASKS)}), clock=SettableClock(NOW)) as served:
        yield served


@dataclass(frozen=True)
class FirstLoad:
    """A load of the two tasks into an empty folder, and the token it used."""

    run: Run
    folder: Path
    token: str


@pytest.fixture(scope="module")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> FirstLoad:
    """Load once for the tests that only read the result."""
    folder = tmp_path_factory.mktemp("first-load")
    with (
        Emulator(FixedWorld({PROJECT: list(TASKS)}), clock=SettableClock(NOW)) as served,
        isolated(folder),
    ):
        run = run_command("load", "--now", iso(NOW), "--format", "json", env=token_env(served))
        return FirstLoad(run, folder, served.token)


@pytest.fixture
def loaded_once(command: Command, first_load: FirstLoad, tmp_path: Path) -> Command:
    """Run commands in a folder with a copy of the first load's data directory."""
    shutil.copytree(first_load.folder / "data", tmp_path / "data")
    return command


def test_the_documented_example(command: Command, tmp_path: Path) -> None:
    """The service's own example, loaded at the clock of its time, reads as it should."""
    example = json.loads((DATA / "example-response.json").read_text())
    world = FixedWorld({PROJECT: example["tasks"]})
    clock = "2022-08-12T00:00:00Z"
    with Emulator(world, clock=SettableClock(1_660_262_400_000_000)) as served:
        run = command("load", "--now", clock, env=token_env(served))
    assert run.exit_code == 0
    assert rows(
        tmp_path / "data", "select status, created_at::text, duration_seconds from tasks order by 1"
    ) == [
        ("Completed", "2022-08-06 01:15:07", 323_505.0),
        ("Failed", "2022-08-05 00:15:07", 327_105.0),
    ]
    rates = command("query", "failure_rates_by_name", "--format", "csv").stdout
    assert rates.splitlines()[1:] == [
        "CreateGaussDBV5Instance,Create an instance,1,1,1.0,0.20654931437723745,1.0",
        "DeleteGaussDBV5Instance,Delete an instance,1,0,0.0,0.0,0.7934506856227626",
    ]


def test_the_last_line_is_the_summary(first_load: FirstLoad) -> None:
    """Tasks, calls, seconds, the database and the archive's head, in one line on stderr."""
    assert first_load.run.exit_code == 0
    assert re.fullmatch(
        r"\S+Z 2 tasks seen, 2 new, 0 changed, 0 vanished, 0 rejected; "
        r"3 calls in \d+\.\d s; data/gaussdb_tasks\.duckdb; head [0-9a-f]{64}",
        first_load.run.last_line,
    )


def test_a_report_as_json(first_load: FirstLoad) -> None:
    """--format json writes JSON and nothing else to stdout."""
    report = json.loads(first_load.run.stdout)
    assert report["exit_code"] == 0
    (project,) = report["projects"]
    assert (project["project_id"], project["new"], project["calls"]) == (PROJECT, 2, 3)


def test_options_before_the_command_apply(command: Command) -> None:
    """--data-dir is accepted on both sides of the command; the one after it wins."""
    env = {"GAUSSDB_TASKS_DATA_DIR": "from-env"}

    def data_dir(*arguments: str) -> list[str]:
        run = command("--data-dir", "outer", "config", "--format", "json", *arguments, env=env)
        return [each["value"] for each in json.loads(run.stdout) if each["setting"] == "data-dir"]

    assert data_dir("load") == ["outer"]
    assert data_dir("load", "--data-dir", "inner") == ["inner"]
    assert "outer/gaussdb_tasks.duckdb" in command("--data-dir", "outer", "status", env=env).stderr


def modes(folder: Path) -> tuple[int, int]:
    """Return the permissions of a data directory and of its database."""
    first, second = (stat.S_IMODE(path.stat().st_mode) for path in (folder, database(folder)))
    return first, second


def test_only_the_owner_can_read_the_data(first_load: FirstLoad) -> None:
    """The data directory and the database have no permissions for others by default."""
    assert modes(first_load.folder / "data") == (0o700, 0o600)


def test_umask_sets_the_permissions_of_new_files(command: Command, emulator: Emulator) -> None:
    """--umask 027 lets the group read."""
    options = ("--now", iso(NOW), "--umask", "027")
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert modes(Path("data")) == (0o750, 0o640)
    assert "--umask" in command("load", "--umask", "9", env=token_env(emulator)).stderr


def test_a_load_keeps_the_permissions_of_the_database(
    loaded_once: Command, emulator: Emulator
) -> None:
    """A user who can read the database before a load can read it after."""
    database("data").chmod(0o644)
    assert loaded_once("load", "--now", iso(NOW), env=token_env(emulator)).exit_code == 0
    assert modes(Path("data")) == (0o700, 0o644)


def database(data_dir: str | Path) -> Path:
    """Return the path of the database in a data directory."""
    return Path(data_dir) / "gaussdb_tasks.duckdb"


def test_a_wrong_clock_is_reported(
    command: Command, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days ahead of the service's Date: exit 3, and no time after that Date is covered."""
    monkeypatch.setattr(times, "now", lambda: NOW + 2 * DAY)
    monkeypatch.setattr(load, "machine_clock", lambda: NOW + 2 * DAY)
    run = command("load", env=token_env(emulator))
    assert run.exit_code == 3
    assert "clock is 172,800 seconds ahead" in run.stderr
    ((covered,),) = rows(Path("data"), "select max(covered_to) from task_center.coverage")
    assert covered == to_datetime(NOW).replace(tzinfo=None)
    monkeypatch.setattr(load, "machine_clock", lambda: NOW)
    monkeypatch.setattr(times, "now", lambda: NOW)
    assert command("load", env=token_env(emulator)).exit_code == 0


def test_a_dry_run_promises_what_the_load_takes(command: Command) -> None:
    """Before the first load by the number of tasks, and then in calls."""
    tasks = [record(n, NOW - 2 * DAY - n * HOUR, NOW - DAY) for n in range(250)]
    tasks += [record(900 + n, NOW + HOUR, NOW + 2 * HOUR) for n in range(3)]
    clock = SettableClock(NOW)
    with Emulator(FixedWorld({PROJECT: tasks}), clock=clock) as emulator:
        env = token_env(emulator)
        taken = []
        for at in (NOW, NOW + DAY):
            clock.set(at)
            options = ("load", "--now", iso(at), "--format", "json")
            plan = json.loads(command(*options, "--dry-run", env=env).stdout)["projects"][0]
            calls = json.loads(command(*options, env=env).stdout)["projects"][0]["calls"]
            taken.append((plan["expected_calls"], calls, plan["max_calls"]))
    (at_least, first, unknown), (expected, second, at_most) = taken
    assert unknown is None
    assert first == at_least + 250 // 99
    assert expected <= second <= at_most


def test_a_dry_run_calls_nothing(command: Command, emulator: Emulator) -> None:
    """The plan and its calls are printed; no call is made and no file is written."""
    run = command("load", "--dry-run", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        (
            f"project {PROJECT} (local): at least 2 calls, and 1 more for each 99 tasks; "
            "their number is not known before the first load"
        ),
        "  running tasks, without times: 1 call",
        f"  the full horizon: {iso(NOW - 30 * DAY)} to 2026-03-18T12:05:00Z: 1 call",
    ]
    planned = command(
        "load", "--dry-run", "--now", iso(NOW), "--format", "json", env=token_env(emulator)
    )
    assert json.loads(planned.stdout) == {
        "projects": [
            {
                "region": "local",
                "project_id": PROJECT,
                "project_name": None,
                "expected_calls": 2,
                "max_calls": None,
                "is_guess": True,
                "is_horizon_counted": False,
                "windows": [
                    {
                        "purpose": "horizon",
                        "from": iso(NOW - 30 * DAY),
                        "to": "2026-03-18T12:05:00Z",
                        "expected_calls": 1,
                    }
                ],
            }
        ]
    }
    assert len(emulator.calls) == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_time_range_is_read_alone(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """--from and --to read the tasks of that time; the next load reads the others."""
    options = ("--from", "2026-03-14", "--to", "2026-03-16T12:00:00Z", "--now", iso(NOW))
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert rows(tmp_path / "data", "select job_id from tasks") == [(job_id(2),)]
    assert command("load", "--now", iso(NOW), env=token_env(emulator)).exit_code == 0
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(2,)]
    assert rows(tmp_path / "data", "select * from coverage_gaps") == []


def test_rejected_records_and_failed_projects_are_reported(command: Command) -> None:
    """Exit 3; the number of records and their table; the failed project and the remedy."""
    invalid: Record = {"job_id": "", "created_at": "2026-03-18T10:00:00Z"}
    world = FixedWorld({PROJECT: [record(1), invalid], OTHER_PROJECT: []})
    with Emulator(world, clock=SettableClock(NOW), forbidden_projects=[OTHER_PROJECT]) as served:
        run = command("load", "--now", iso(NOW), env=token_env(served))
    assert run.exit_code == 3
    assert "1 records are not valid tasks" in run.stderr
    assert "task_center.rejected_records" in run.stderr
    assert re.search(rf"failed: project {OTHER_PROJECT}: .*GaussDB ReadOnlyAccess", run.stderr)
    assert "1 new" in run.last_line
    assert "1 rejected" in run.last_line


def one_sentence(stderr: str) -> bool:
    """Return whether a message is one line, without a traceback."""
    return stderr.count("\n") == 1 and "Traceback" not in stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--now", "tomorrow"], ["--now", "'tomorrow'", "2026-01-31T02:00:00Z"]),
        (["--from", "2026-02-30"], ["--from", "'2026-02-30'"]),
        (["--from", "2026-03-16", "--to", "2026-03-15"], ["--from", "--to", "swap"]),
        (["--to", "2020-01-01"], ["--to", "older than the task center's oldest task"]),
        (["--full", "--from", "2026-03-16"], ["--full", "--from"]),
        (["--endpoint", "nowhere"], ["--endpoint", "'nowhere'", "https://"]),
        (["--endpoint", "http://gaussdb.eu-de.otc.t-systems.com"], ["use https"]),
        (["--project-id", "not/one"], ["not/one", "project id"]),
        (["--horizon-days", "0"], ["--horizon-days"]),
        (["--ful"], ["--ful", "--full"]),
        (["--os-cloud", "nowhere"], ["nowhere", "clouds.yaml"]),
        (["--format", "xml"], ["--format", "json"]),
    ],
)
def test_a_wrong_option_is_explained(
    command: Command, emulator: Emulator, arguments: list[str], words: list[str]
) -> None:
    """Exit 2; one sentence with the problem and the remedy; nothing is changed."""
    run = command("load", "--now", iso(NOW), *arguments, env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert all(word in run.stderr for word in words)
    assert len(emulator.calls) == 0
    assert list(Path.cwd().iterdir()) == []


def test_missing_credentials(command: Command, emulator: Emulator) -> None:
    """The message lists the ways to sign in."""
    run = command("load", "--endpoint", emulator.endpoint)
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert all(word in run.stderr for word in ("--os-cloud", "OS_AUTH_URL", "OS_TOKEN"))


def test_an_invalid_token(command: Command, emulator: Emulator) -> None:
    """The message does not show the token, and nothing is published."""
    emulator.revoke_tokens()
    run = command("load", env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert "token is invalid or has expired" in run.stderr
    assert "nothing was published" in run.stderr
    assert emulator.token not in run.stderr
    assert not Path("data/gaussdb_tasks.duckdb").exists()


def test_an_unknown_project(command: Command, emulator: Emulator) -> None:
    """The message names the project and the endpoint."""
    run = command("load", env={**token_env(emulator), "GAUSSDB_TASKS_PROJECT_ID": "f" * 32})
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert "f" * 32 in run.stderr
    assert emulator.endpoint in run.stderr


@pytest.mark.parametrize("folder", ["/dev/null/data", "file/data", "o'brien"])
def test_an_unusable_data_directory(command: Command, emulator: Emulator, folder: str) -> None:
    """The message names the directory; no call is made."""
    Path("file").touch()
    run = command("load", "--data-dir", folder, env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert folder in run.stderr
    assert len(emulator.calls) == 0


def test_a_file_that_is_not_a_database(command: Command, emulator: Emulator) -> None:
    """The message names the file, which stays unchanged."""
    Path("data").mkdir()
    Path("data/gaussdb_tasks.duckdb").write_text("a text")
    for arguments in (["load"], ["query", "tasks"], ["status"]):
        run = command(*arguments, env=token_env(emulator))
        assert run.exit_code == 2
        assert one_sentence(run.stderr)
        assert "data/gaussdb_tasks.duckdb is not a DuckDB database" in run.stderr
    assert Path("data/gaussdb_tasks.duckdb").read_text() == "a text"


def test_another_load_holds_the_lock(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """Exit 4, and no call is made."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.prepare()
    with data_dir.locked():
        run = command("load", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 4
    assert one_sentence(run.stderr)
    assert "another load is working in data" in run.stderr
    assert len(emulator.calls) == 0


def test_a_token_is_never_shown(
    loaded_once: Command, emulator: Emulator, first_load: FirstLoad
) -> None:
    """It is in no output and in no file, after a load, a check and a failed load."""
    runs = [first_load.run, loaded_once("check", env=token_env(emulator))]
    emulator.forbidden_projects = [PROJECT]
    emulator.revoke_tokens()
    runs.append(loaded_once("load", "--now", iso(NOW), env=token_env(emulator)))
    assert [run.exit_code for run in runs] == [0, 0, 2]
    files = [path for path in Path.cwd().rglob("*") if path.is_file()]
    assert files
    contents = [path.read_bytes() for path in files]
    contents += [run.stdout_bytes + run.stderr.encode() for run in runs]
    for token in (emulator.token, first_load.token):
        assert not any(token.encode() in content for content in contents)


def test_a_password_is_never_shown(command: Command, emulator: Emulator) -> None:
    """Neither it nor its tokens are in any output or file, also if a call fails."""
    env = {
        "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
        "OS_AUTH_URL": emulator.auth_url,
        "OS_USERNAME": emulator.user,
        "OS_PASSWORD": emulator.password,
        "OS_USER_DOMAIN_NAME": emulator.account.domain,
        "OS_PROJECT_ID": PROJECT,
        "OS_REGION_NAME": "eu-de",
    }
    runs = [command("load", "--now", iso(NOW), "--format", "json", env=env)]
    tokens = [call.headers["x-auth-token"] for call in emulator.calls]
    emulator.faults = [FailsAfter(0)]
    echo = answers(identity_error(400, "Bad Request", f"why {emulator.password}?"))
    emulator.identity_faults = [Script(dict.fromkeys(range(1, 20), echo))]
    runs.append(command("check", "--now", iso(NOW), env=env))
    assert [run.exit_code for run in runs] == [0, 2]
    assert "why ***?" in runs[1].stdout
    outputs = [text for run in runs for text in (run.stdout, run.stderr)]
    outputs += [path.read_text("latin-1") for path in Path.cwd().rglob("*") if path.is_file()]
    for secret in {emulator.password, *tokens}:
        assert not any(secret in text for text in outputs)
