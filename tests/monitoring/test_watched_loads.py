"""Who watches over the nights learns what happened: logs, metrics, heartbeats, a check."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

Ping = tuple[str, str]
METRICS: Final = "gaussdb_tasks.prom"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with two projects."""
    world = FixedWorld({PROJECT: [record(1), record(2)], OTHER_PROJECT: []})
    with Emulator(world, clock=SettableClock(NOW)) as served:
        yield served


@pytest.fixture
def switch() -> Iterator[tuple[str, list[Ping]]]:
    """A dead-man switch: its address, and what it was told."""
    told: list[Ping] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ping/secret-uuid", told
        server.shutdown()
        thread.join()


def metrics(file: Path) -> dict[str, dict[str, float]]:
    """Read a metrics file with the reference parser: values by name, then by project."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(file.read_text()):
        for sample in family.samples:
            by_project = found.setdefault(sample.name, {})
            by_project[sample.labels.get("project_id", "")] = sample.value
    return found


def test_the_metrics_of_a_good_night(command: Command, emulator: Emulator) -> None:
    """Everything that somebody may want an alarm for, readable by the reference parser."""
    run = command("load", "--now", iso(NOW), "--metrics-file", METRICS, env=token_env(emulator))
    assert run.exit_code == 0, run.stderr
    found = metrics(Path(METRICS))
    assert found["gaussdb_tasks_last_run_exit_code"] == {"": 0}
    assert found["gaussdb_tasks_last_load_new_tasks"] == {PROJECT: 2, OTHER_PROJECT: 0}
    assert found["gaussdb_tasks_last_load_incomplete_windows"] == {PROJECT: 0, OTHER_PROJECT: 0}
    assert found["gaussdb_tasks_last_success_timestamp_seconds"][PROJECT] == NOW / 1e6
    assert found["gaussdb_tasks_oldest_unkept_task_age_seconds"] == {PROJECT: 0, OTHER_PROJECT: 0}
    assert found["gaussdb_tasks_nights_left"][PROJECT] >= 29
    assert found["gaussdb_tasks_last_load_calls"][PROJECT] >= 2
    assert {"gaussdb_tasks_last_load_seconds", "gaussdb_tasks_last_load_wait_seconds"} <= set(found)
    head = run.last_line.rpartition(" ")[2]
    assert f'gaussdb_tasks_archive_head_info{{digest="{head}"}} 1.0' in Path(METRICS).read_text()
    assert [path.name for path in Path.cwd().iterdir() if METRICS in path.name] == [METRICS]


def test_the_metrics_of_a_failed_night(command: Command, emulator: Emulator) -> None:
    """What is published still counts; the exit code tells that nothing was added."""
    env = token_env(emulator)
    command("load", "--now", iso(NOW), env=env)
    emulator.revoke_tokens()
    options = ("--now", iso(NOW + 2 * DAY), "--metrics-file", METRICS)
    assert command("load", *options, env=env).exit_code == 2
    found = metrics(Path(METRICS))
    assert found["gaussdb_tasks_last_run_exit_code"] == {"": 2}
    assert found["gaussdb_tasks_oldest_unkept_task_age_seconds"][PROJECT] == 2 * DAY / 1e6
    assert "gaussdb_tasks_last_load_new_tasks" not in found


def test_metrics_that_cannot_be_written_are_said_first(
    command: Command, emulator: Emulator
) -> None:
    """A folder that is not there is a mistake in the options; nothing is loaded."""
    run = command("load", "--metrics-file", "nowhere/m.prom", env=token_env(emulator))
    assert run.exit_code == 2
    assert "--metrics-file" in run.stderr
    assert len(emulator.calls) == 0


def test_the_heartbeat_of_a_good_night(
    command: Command, emulator: Emulator, switch: tuple[str, list[Ping]]
) -> None:
    """Start, then success with the summary and the archive's head."""
    url, told = switch
    run = command("load", "--now", iso(NOW), "--ping-url", url, env=token_env(emulator))
    assert run.exit_code == 0
    assert [path for path, _ in told] == ["/ping/secret-uuid/start", "/ping/secret-uuid"]
    body = told[1][1]
    assert body.startswith("exit 0: 2 tasks seen")
    assert run.last_line.rpartition(" ")[2] in body
    assert "secret-uuid" not in run.stderr


def test_the_heartbeat_of_a_failed_night(
    command: Command, emulator: Emulator, switch: tuple[str, list[Ping]], tmp_path: Path
) -> None:
    """Failure says why; a load that found the lock taken says nothing: the other one will."""
    url, told = switch
    file = tmp_path / "ping-url"
    file.write_text(url)
    file.chmod(0o600)
    env = {**token_env(emulator), "GAUSSDB_TASKS_PING_URL_FILE": str(file)}
    emulator.revoke_tokens()
    assert command("load", env=env).exit_code == 2
    assert [path for path, _ in told] == ["/ping/secret-uuid/start", "/ping/secret-uuid/fail"]
    assert "token is invalid" in told[1][1]
    told.clear()
    with DataDir(tmp_path / "data").locked():
        assert command("load", env=env).exit_code == 4
    assert [path for path, _ in told] == ["/ping/secret-uuid/start"]


def test_a_switch_that_does_not_answer_is_not_the_loads_trouble(
    command: Command, emulator: Emulator
) -> None:
    """The load is done, exit 0; the trouble is said without the address, which is a secret."""
    url = "http://127.0.0.1:9/secret-uuid"
    run = command("load", "--now", iso(NOW), "--ping-url", url, env=token_env(emulator))
    assert run.exit_code == 0
    assert "the ping could not be sent" in run.stderr
    assert "secret-uuid" not in run.stderr


def test_logs_for_machines(command: Command, emulator: Emulator) -> None:
    """Each line is JSON with run, project, window and calls; the last one is the summary."""
    run = command("load", "--now", iso(NOW), "--log-format", "json", env=token_env(emulator))
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert {"at", "level", "run_id", "event", "message"} <= set.intersection(*map(set, lines))
    assert len({line["run_id"] for line in lines}) == 1
    windows = [line for line in lines if line["event"] == "window"]
    assert {line["project_id"] for line in windows} == {PROJECT, OTHER_PROJECT}
    assert all(line["is_complete"] and line["window_from"] < line["window_to"] for line in windows)
    projects = {line["project_id"]: line for line in lines if line["event"] == "project"}
    assert projects[PROJECT]["new"] == 2
    assert projects[PROJECT]["calls"] >= 2
    assert lines[-1]["event"] == "published"
    assert lines[-1]["seconds_waited"] >= 0


def test_errors_are_logged_for_machines_too(command: Command, emulator: Emulator) -> None:
    """What ends a load is its last line, of level error."""
    emulator.revoke_tokens()
    run = command("load", "--log-format", "json", env=token_env(emulator))
    last = json.loads(run.last_line)
    assert (run.exit_code, last["level"], last["event"]) == (2, "error", "failed")


@pytest.mark.parametrize(
    ("later", "word", "exit_codes"),
    [(HOUR, "OK", (0, 0)), (31 * HOUR, "WARNING", (3, 1)), (25 * DAY, "CRITICAL", (3, 2))],
)
def test_a_check_for_monitoring_systems(
    command: Command, emulator: Emulator, later: int, word: str, exit_codes: tuple[int, int]
) -> None:
    """One line, and either kind of exit code."""
    command("load", "--now", iso(NOW), env=token_env(emulator))
    for kind, code in zip(("own", "monitoring"), exit_codes, strict=True):
        run = command("status", "--check", "--now", iso(NOW + later), "--exit-codes", kind)
        assert run.exit_code == code
        assert run.stdout.startswith(f"GAUSSDB_TASKS {word}: ")
        assert run.stdout.count("\n") == 1


def test_a_check_without_a_database(command: Command) -> None:
    """Unknown is an answer as well."""
    run = command("status", "--check", "--exit-codes", "monitoring")
    assert run.exit_code == 3
    assert run.stdout.startswith("GAUSSDB_TASKS UNKNOWN: ")
    assert command("status", "--check").exit_code == 2
