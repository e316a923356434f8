"""Monitoring of loads: logs, metrics, heartbeats and a check."""

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gaussdb_tasks.cli.load_monitor import LoadMonitor
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
    """A dead man's switch; yields its URL and the pings that it received."""
    pings: list[Ping] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pings.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ping/secret-uuid", pings
        server.shutdown()
        thread.join()


def metrics(file: Path) -> dict[str, dict[str, float]]:
    """Parse a metrics file with the reference parser: values by name, then by project."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(file.read_text()):
        for sample in family.samples:
            by_project = found.setdefault(sample.name, {})
            by_project[sample.labels.get("project_id", "")] = sample.value
    return found


def test_successful_load(
    command: Command, emulator: Emulator, switch: tuple[str, list[Ping]]
) -> None:
    """A load writes its metrics and pings the switch at start and end, with its summary."""
    url, pings = switch
    options = ("--now", iso(NOW), "--metrics-file", METRICS, "--ping-url", url)
    run = command("load", *options, env=token_env(emulator))
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
    label = f'data_dir="{Path("data").absolute()}"'
    info = f'gaussdb_tasks_archive_head_info{{{label},digest="{head}"}} 1.0'
    assert info in Path(METRICS).read_text()
    series = [line for line in Path(METRICS).read_text().splitlines() if not line.startswith("#")]
    assert all(label in line for line in series)
    assert stat.S_IMODE(Path(METRICS).stat().st_mode) == 0o644
    assert [path.name for path in Path.cwd().iterdir() if METRICS in path.name] == [METRICS]
    assert [path for path, _ in pings] == ["/ping/secret-uuid/start", "/ping/secret-uuid"]
    body = pings[1][1]
    assert body.startswith("exit 0: 2 tasks seen")
    assert head in body
    assert "secret-uuid" not in run.stderr


def test_a_load_that_has_nothing_to_do_is_a_success(
    switch: tuple[str, list[Ping]], tmp_path: Path
) -> None:
    """A shard without projects must not alarm anybody."""
    url, pings = switch
    with LoadMonitor(DataDir(tmp_path), tmp_path / METRICS, url, NOW):
        pass
    assert [path for path, _ in pings] == ["/ping/secret-uuid/start", "/ping/secret-uuid"]
    assert pings[1][1] == "exit 0: nothing to load"
    assert metrics(tmp_path / METRICS)["gaussdb_tasks_last_run_exit_code"] == {"": 0}


def test_metrics_of_a_failed_load(command: Command, emulator: Emulator) -> None:
    """After a failed load the metrics show its exit code and the freshness of the database."""
    env = token_env(emulator)
    command("load", "--now", iso(NOW), env=env)
    emulator.revoke_tokens()
    options = ("--now", iso(NOW + 2 * DAY), "--metrics-file", METRICS)
    assert command("load", *options, env=env).exit_code == 2
    found = metrics(Path(METRICS))
    assert found["gaussdb_tasks_last_run_exit_code"] == {"": 2}
    assert found["gaussdb_tasks_oldest_unkept_task_age_seconds"][PROJECT] == 2 * DAY / 1e6
    assert "gaussdb_tasks_last_load_new_tasks" not in found


def test_metrics_file_that_cannot_be_written(command: Command, emulator: Emulator) -> None:
    """A folder that does not exist is an invalid option; nothing is loaded."""
    run = command("load", "--metrics-file", "nowhere/m.prom", env=token_env(emulator))
    assert run.exit_code == 2
    assert "--metrics-file" in run.stderr
    assert len(emulator.calls) == 0


def test_heartbeat_of_a_failed_load(
    command: Command, emulator: Emulator, switch: tuple[str, list[Ping]], tmp_path: Path
) -> None:
    """The ping of a failure has the cause; a load that finds the lock held sends none."""
    url, pings = switch
    file = tmp_path / "ping-url"
    file.write_text(url)
    file.chmod(0o600)
    env = {**token_env(emulator), "GAUSSDB_TASKS_PING_URL_FILE": str(file)}
    emulator.revoke_tokens()
    assert command("load", env=env).exit_code == 2
    assert [path for path, _ in pings] == ["/ping/secret-uuid/start", "/ping/secret-uuid/fail"]
    assert "token is invalid" in pings[1][1]
    pings.clear()
    with DataDir(tmp_path / "data").locked():
        assert command("load", env=env).exit_code == 4
    assert [path for path, _ in pings] == ["/ping/secret-uuid/start"]


def test_metrics_file_that_others_could_not_read(command: Command, emulator: Emulator) -> None:
    """A file of an earlier version gets the mode that the collector needs."""
    Path(METRICS).touch(mode=0o600)
    options = ("--now", iso(NOW), "--umask", "077", "--metrics-file", METRICS)
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert stat.S_IMODE(Path(METRICS).stat().st_mode) == 0o644


def test_redirected_ping(command: Command, emulator: Emulator) -> None:
    """The body and the address do not reach the other host."""
    reached: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/secret-uuid"
        run = command("load", "--now", iso(NOW), "--ping-url", url, env=token_env(emulator))
        server.shutdown()
        thread.join()
    assert run.exit_code == 0
    assert set(reached) == {"/secret-uuid/start", "/secret-uuid"}
    assert "the ping was answered with 307" in run.stderr
    assert "secret-uuid" not in run.stderr


@pytest.mark.parametrize(
    "url", ["htps://ping.test/secret-uuid", "ping.test/secret-uuid", "http://ping.test/secret-uuid"]
)
def test_mistyped_ping_address(command: Command, emulator: Emulator, url: str) -> None:
    """The message does not show it: who has it can silence the alert."""
    run = command("load", "--ping-url", url, env=token_env(emulator))
    assert run.exit_code == 2
    assert "--ping-url: the address is" in run.stderr
    assert "secret-uuid" not in run.stderr


def test_unreachable_switch(command: Command, emulator: Emulator) -> None:
    """An unreachable switch does not fail the load; the message does not show its URL."""
    url = "http://127.0.0.1:9/secret-uuid"
    run = command("load", "--now", iso(NOW), "--ping-url", url, env=token_env(emulator))
    assert run.exit_code == 0
    assert "the ping could not be sent" in run.stderr
    assert "secret-uuid" not in run.stderr


def test_json_logs(command: Command, emulator: Emulator) -> None:
    """Each line is JSON with run, project, window and calls; the last is the summary."""
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


def test_json_log_of_an_error(command: Command, emulator: Emulator) -> None:
    """The last line of a failed load has the level error."""
    emulator.revoke_tokens()
    run = command("load", "--log-format", "json", env=token_env(emulator))
    last = json.loads(run.last_line)
    assert (run.exit_code, last["level"], last["event"]) == (2, "error", "failed")


def test_status_check(command: Command, emulator: Emulator) -> None:
    """The check prints one line and exits with its own codes or those of monitoring plugins."""
    command("load", "--now", iso(NOW), env=token_env(emulator))
    for age, word, own_code, monitoring_code in (
        (HOUR, "OK", 0, 0),
        (31 * HOUR, "WARNING", 3, 1),
        (25 * DAY, "CRITICAL", 3, 2),
    ):
        for kind, code in (("own", own_code), ("monitoring", monitoring_code)):
            run = command("status", "--check", "--now", iso(NOW + age), "--exit-codes", kind)
            assert run.exit_code == code
            assert run.stdout.startswith(f"GAUSSDB_TASKS {word}: ")
            assert run.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [("--critical-hours", "10"), ("--warning-hours", "90"), ("--critical-nights", "21")],
)
def test_contradictory_thresholds(command: Command, options: tuple[str, str]) -> None:
    """A critical threshold that never fires before the warning is refused."""
    run = command("status", "--check", *options)
    assert run.exit_code == 2
    assert "--critical-" in run.stderr
    assert "--warning-" in run.stderr


def test_status_check_without_a_database(command: Command) -> None:
    """Without a database the state is unknown."""
    run = command("status", "--check", "--exit-codes", "monitoring")
    assert run.exit_code == 3
    assert run.stdout.startswith("GAUSSDB_TASKS UNKNOWN: ")
    assert command("status", "--check").exit_code == 2
