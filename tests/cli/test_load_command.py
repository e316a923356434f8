"""``gaussdb-tasks load`` as its users meet it: output, exit codes, and mistakes."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.cli.commands import load
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import (
    DiesAfter,
    Emulator,
    FixedWorld,
    Script,
    SettableClock,
    answers,
)
from gaussdb_tasks.emulator.http import identity_error
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, iso, to_datetime
from tests.support import DATA
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, record
from tests.support.loads import rows


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with two tasks."""
    world = FixedWorld({PROJECT: [record(1), record(2, NOW - 3 * DAY, NOW - 3 * DAY + HOUR)]})
    with Emulator(world, clock=SettableClock(NOW)) as served:
        yield served


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


def test_the_last_line_says_what_happened(command: Command, emulator: Emulator) -> None:
    """What was seen, calls, seconds, the database and the archive's head, in a line on stderr."""
    run = command("load", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 0
    assert run.stdout == ""
    assert re.fullmatch(
        r"\S+Z 2 tasks seen, 2 new, 0 changed, 0 vanished, 0 rejected; "
        r"3 calls in \d+\.\d s; data/gaussdb_tasks\.duckdb; head [0-9a-f]{64}",
        run.last_line,
    )


def test_a_report_for_machines(command: Command, emulator: Emulator) -> None:
    """--format json puts the same on stdout, as JSON and nothing else."""
    run = command("load", "--now", iso(NOW), "--format", "json", env=token_env(emulator))
    report = json.loads(run.stdout)
    assert report["exit_code"] == 0
    (project,) = report["projects"]
    assert (project["project_id"], project["new"], project["calls"]) == (PROJECT, 2, 3)


def test_options_before_the_command_hold_too(command: Command, emulator: Emulator) -> None:
    """--data-dir may stand on either side of the command; the nearer one wins."""
    env = {"OS_TOKEN": emulator.token, "GAUSSDB_TASKS_DATA_DIR": "from-env"}
    before = ["--endpoint", emulator.endpoint, "--project-id", PROJECT, "--data-dir", "outer"]
    assert command(*before, "load", "--now", iso(NOW), env=env).exit_code == 0
    assert Path("outer/gaussdb_tasks.duckdb").exists()
    assert (
        command(*before, "load", "--data-dir", "inner", "--now", iso(NOW), env=env).exit_code == 0
    )
    assert Path("inner/gaussdb_tasks.duckdb").exists()
    assert not Path("from-env").exists()


def test_what_is_written_is_private_unless_told_otherwise(
    command: Command, emulator: Emulator
) -> None:
    """Evidence is readable by its owner only; --umask opens it, and who may read it, may go on."""
    env = token_env(emulator)
    for data_dir, umask, modes in (("one", None, (0o700, 0o600)), ("two", "027", (0o750, 0o640))):
        options = [] if umask is None else ["--umask", umask]
        command("load", "--now", iso(NOW), "--data-dir", data_dir, *options, env=env)
        found = [stat.S_IMODE(path.stat().st_mode) for path in (Path(data_dir), database(data_dir))]
        assert tuple(found) == modes
    database("one").chmod(0o644)
    command("load", "--now", iso(NOW), "--data-dir", "one", env=env)
    assert stat.S_IMODE(database("one").stat().st_mode) == 0o644
    assert "--umask" in command("load", "--umask", "9", env=env).stderr


def database(data_dir: str) -> Path:
    """Return where a data directory has its database."""
    return Path(data_dir) / "gaussdb_tasks.duckdb"


def test_a_clock_that_is_wrong_is_said(
    command: Command, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days ahead of the service's Date: exit 3, and what has not come yet is not covered."""
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


def test_a_dry_run_calls_nothing(command: Command, emulator: Emulator) -> None:
    """The plan and its calls are printed; neither the API nor the disk is touched."""
    run = command("load", "--dry-run", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        f"project {PROJECT} (local): at least 2 calls expected",
        "  running tasks, without times: 1 call",
        f"  the whole horizon: {iso(NOW - 30 * DAY)} to 2026-03-18T12:05:00Z: 1 call",
    ]
    told = command(
        "load", "--dry-run", "--now", iso(NOW), "--format", "json", env=token_env(emulator)
    )
    assert json.loads(told.stdout) == {
        "projects": [
            {
                "region": "local",
                "project_id": PROJECT,
                "expected_calls": 2,
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


def test_a_stretch_is_read_alone(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """--from and --to read tasks of that time; the rest is read later."""
    options = ("--from", "2026-03-14", "--to", "2026-03-16T12:00:00Z", "--now", iso(NOW))
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert rows(tmp_path / "data", "select job_id from tasks") == [(job_id(2),)]
    assert command("load", "--now", iso(NOW), env=token_env(emulator)).exit_code == 0
    assert rows(tmp_path / "data", "select count(*) from tasks") == [(2,)]
    assert rows(tmp_path / "data", "select * from coverage_gaps") == []


def test_rejected_records_are_said(command: Command, emulator: Emulator) -> None:
    """Exit 3, with the number of records and where they are kept."""
    assert isinstance(emulator.world, FixedWorld)
    emulator.world.add(PROJECT, {"job_id": "", "created_at": "2026-03-18T10:00:00Z"})
    run = command("load", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 3
    assert "task_center.rejected_records" in run.stderr
    assert "1 rejected" in run.last_line


def test_a_failed_project_is_said(command: Command) -> None:
    """Exit 3 names the project that failed, while the other was loaded."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []})
    with Emulator(world, clock=SettableClock(NOW), forbidden_projects=[OTHER_PROJECT]) as served:
        run = command("load", "--now", iso(NOW), env=token_env(served))
    assert run.exit_code == 3
    assert re.search(rf"failed: project {OTHER_PROJECT}: .*GaussDB ReadOnlyAccess", run.stderr)
    assert "1 new" in run.last_line


def one_sentence(stderr: str) -> bool:
    """Tell whether something is said in one line, without a traceback."""
    return stderr.count("\n") == 1 and "Traceback" not in stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--now", "tomorrow"], ["--now", "'tomorrow'", "2026-01-31T02:00:00Z"]),
        (["--from", "2026-02-30"], ["--from", "'2026-02-30'"]),
        (["--from", "2026-03-16", "--to", "2026-03-15"], ["--from", "--to", "swap"]),
        (["--to", "2020-01-01"], ["--to", "older than what the task center remembers"]),
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
def test_a_wrong_option_says_what_is_right(
    command: Command, emulator: Emulator, arguments: list[str], words: list[str]
) -> None:
    """One sentence that names the thing and the mend, exit 2, and nothing is changed."""
    run = command("load", "--now", iso(NOW), *arguments, env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert all(word in run.stderr for word in words)
    assert len(emulator.calls) == 0
    assert list(Path.cwd().iterdir()) == []


def test_no_credentials(command: Command, emulator: Emulator) -> None:
    """Without any, the sentence lists the ways to sign in."""
    run = command("load", "--endpoint", emulator.endpoint)
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert all(word in run.stderr for word in ("--os-cloud", "OS_AUTH_URL", "OS_TOKEN"))


def test_a_dead_token(command: Command, emulator: Emulator) -> None:
    """An expired token is told, is not shown, and nothing is published."""
    emulator.revoke_tokens()
    run = command("load", env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert "token is invalid or has expired" in run.stderr
    assert "nothing was published" in run.stderr
    assert emulator.token not in run.stderr
    assert not Path("data/gaussdb_tasks.duckdb").exists()


def test_a_wrong_project(command: Command, emulator: Emulator) -> None:
    """A project that is not there is named, with the endpoint."""
    run = command("load", env={**token_env(emulator), "GAUSSDB_TASKS_PROJECT_ID": "f" * 32})
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert "f" * 32 in run.stderr
    assert emulator.endpoint in run.stderr


@pytest.mark.parametrize("folder", ["/dev/null/data", "file/data", "o'brien"])
def test_a_data_directory_that_cannot_be_used(
    command: Command, emulator: Emulator, folder: str
) -> None:
    """The directory and the option are named."""
    Path("file").touch()
    run = command("load", "--data-dir", folder, env=token_env(emulator))
    assert run.exit_code == 2
    assert one_sentence(run.stderr)
    assert folder in run.stderr
    assert len(emulator.calls) == 0


def test_a_file_that_is_no_database(command: Command, emulator: Emulator) -> None:
    """The file is named, and stays as it is."""
    Path("data").mkdir()
    Path("data/gaussdb_tasks.duckdb").write_text("a text")
    for arguments in (["load"], ["query", "tasks"], ["status"]):
        run = command(*arguments, env=token_env(emulator))
        assert run.exit_code == 2
        assert one_sentence(run.stderr)
        assert "data/gaussdb_tasks.duckdb is not a DuckDB database" in run.stderr
    assert Path("data/gaussdb_tasks.duckdb").read_text() == "a text"


def test_another_load_at_work(command: Command, emulator: Emulator, tmp_path: Path) -> None:
    """Exit 4, and nobody is asked."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.prepare()
    with data_dir.locked():
        run = command("load", "--now", iso(NOW), env=token_env(emulator))
    assert run.exit_code == 4
    assert one_sentence(run.stderr)
    assert "another load is working in data" in run.stderr
    assert len(emulator.calls) == 0


def test_secrets_stay_secret(command: Command, emulator: Emulator) -> None:
    """The token is in no output and in no file, after loads that succeed and loads that fail."""
    runs = [command("load", "--now", iso(NOW), "--format", "json", env=token_env(emulator))]
    runs.append(command("check", env=token_env(emulator)))
    emulator.forbidden_projects = [PROJECT]
    emulator.revoke_tokens()
    runs.append(command("load", "--now", iso(NOW), env=token_env(emulator)))
    assert [run.exit_code for run in runs] == [0, 0, 2]
    assert all(emulator.token not in run.stdout + run.stderr for run in runs)
    files = [path for path in Path.cwd().rglob("*") if path.is_file()]
    assert files
    assert all(emulator.token.encode() not in path.read_bytes() for path in files)


def test_a_password_stays_secret(command: Command, emulator: Emulator) -> None:
    """Neither it nor a token that it got is in any output or file, whatever becomes of the load."""
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
    emulator.faults = [DiesAfter(0)]
    echo = answers(identity_error(400, "Bad Request", f"why {emulator.password}?"))
    emulator.identity_faults = [Script(dict.fromkeys(range(1, 20), echo))]
    runs.append(command("check", "--now", iso(NOW), env=env))
    assert [run.exit_code for run in runs] == [0, 2]
    assert "why ***?" in runs[1].stdout
    outputs = [text for run in runs for text in (run.stdout, run.stderr)]
    outputs += [path.read_text("latin-1") for path in Path.cwd().rglob("*") if path.is_file()]
    for secret in {emulator.password, *tokens}:
        assert not any(secret in text for text in outputs)
