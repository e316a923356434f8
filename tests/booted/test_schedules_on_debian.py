"""A booted Debian runs the nightly load with its systemd and its cron, as the pages describe it.

The machine is in a time zone 5:45 hours ahead of UTC. Both schedulers wait for the same minute.
"""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.emulator import Account
from tests.support.debian_machine import PROGRAM, Machine, booted

USER: Final = "gaussdb-tasks"
SERVICE: Final = "gaussdb-tasks.service"
TIMER: Final = "gaussdb-tasks.timer"
ODD_DIR: Final = "/srv/nightly loads:$HOME"
CRON_DIR: Final = "/srv/loads-of-cron"
METRICS: Final = "/var/lib/100% metrics/gaussdb_tasks.prom"
COPIES: Final = "/srv/copies"
ACCOUNT: Final = Account()
START_CENTER: Final = f"systemd-run --quiet --unit=center {PROGRAM} emulator --port 8765"
CLOUDS: Final = """
clouds:
  otc:
    region_name: eu-de
    gaussdb_endpoint_override: http://127.0.0.1:8765
    auth:
      auth_url: http://127.0.0.1:8765/v3
      username: {account.user}
      user_domain_name: {account.domain}
      project_id: {project}
"""
# Faster than the unit: at once after a failure, and without a random delay.
DROP_INS: Final = {
    f"{SERVICE}.d/test.conf": "[Service]\nRestartSec=1s\n",
    f"{TIMER}.d/test.conf": "[Timer]\nRandomizedDelaySec=0\nAccuracySec=1s\n",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a service user, its secrets, and a task center."""
    with booted(tmp_path_factory.mktemp("debian")) as machine:
        machine.run("ln -sf /usr/share/zoneinfo/Asia/Kathmandu /etc/localtime")
        machine.run(
            f"useradd --system --user-group --home-dir /srv/{USER} --create-home {USER};"
            f"install -d -o {USER} -m 0755 {shlex.quote(ODD_DIR)} {CRON_DIR} {COPIES} "
            f"{shlex.quote(str(Path(METRICS).parent))}"
        )
        start_center(machine)
        project = machine.journal("center").partition("OS_PROJECT_ID=")[2].split()[0]
        clouds = CLOUDS.format(account=ACCOUNT, project=project)
        machine.write("/etc/gaussdb-tasks/clouds.yaml", clouds)
        store_password(machine, ACCOUNT.password)
        for name, content in DROP_INS.items():
            machine.write(f"/etc/systemd/system/{name}", content)
        yield machine


def start_center(machine: Machine) -> None:
    """Start the task center, and wait until it serves."""
    machine.run(START_CENTER)
    machine.wait_until(
        lambda: "task center at" in machine.journal("center"), lambda: machine.journal("center")
    )


def store_password(machine: Machine, password: str) -> None:
    """Store the password as the pages describe it."""
    machine.run(
        f"printf %s {password} | "
        f"install -g {USER} -m 0640 /dev/stdin /etc/gaussdb-tasks/os_password"
    )


def schedule(machine: Machine, kind: str, data_dir: str, *options: str) -> str:
    """Write the files of a scheduler where it looks for them; return the messages."""
    folder = {"systemd": "/etc/systemd/system", "cron": "/etc/cron.d"}[kind]
    words = (PROGRAM, "schedule", kind, "--os-cloud", "otc", "--data-dir", data_dir)
    said = machine.run(f"cd / && {shlex.join((*words, '--output', folder, *options))} 2>&1")
    machine.run("systemctl daemon-reload")
    return said


def end_of(machine: Machine, data_dir: str) -> tuple[str, set[str]]:
    """Return the outcome of the last load in a data directory, and the owners of its files."""
    status = shlex.join((PROGRAM, "status", "--data-dir", data_dir, "--format", "json"))
    (project,) = json.loads(machine.run(status))
    owners = machine.run(f"find {shlex.quote(data_dir)} -printf '%u\\n'")
    return project["last_outcome"], set(owners.split())


def await_result(machine: Machine, result: str) -> dict[str, str]:
    """Wait until the service has ended; check its result."""
    machine.wait_until(
        lambda: machine.unit(SERVICE)["ActiveState"] in {"inactive", "failed"},
        lambda: machine.journal(SERVICE),
    )
    unit = machine.unit(SERVICE)
    assert unit["Result"] == result, machine.journal(SERVICE)
    return unit


def test_timer_and_cron_load_at_the_same_minute_in_utc(machine: Machine) -> None:
    """Both load as their own user, and write all that the options name, at the time in UTC."""
    due = datetime.now(UTC) + timedelta(seconds=100)
    at = ("--at", f"{due:%H:%M}")
    copies = ("--archive-url", COPIES, "--metrics-file", METRICS)
    assert "warning" not in schedule(machine, "systemd", ODD_DIR, *at, *copies)
    assert "warning" not in schedule(machine, "cron", CRON_DIR, *at)
    machine.run(f"systemctl enable --now {TIMER}")
    assert machine.unit(TIMER)["LastTriggerUSec"] in {"", "n/a"}
    for data_dir in (ODD_DIR, CRON_DIR):
        database = machine.root / data_dir.lstrip("/") / "gaussdb_tasks.duckdb"
        machine.wait_until(
            database.exists, lambda: machine.journal(SERVICE) + machine.journal("cron")
        )
        assert end_of(machine, data_dir) == ("complete", {USER})
    await_result(machine, "success")
    assert machine.unit(TIMER)["LastTriggerUSec"] not in {"", "n/a"}
    (entry,) = (machine.root / COPIES.lstrip("/")).iterdir()
    assert (entry / "digest.json").exists()


def test_another_user_reads_the_metrics(machine: Machine) -> None:
    """A collector is neither the service user nor of its group."""
    shown = machine.run(f"runuser -u nobody -- cat {shlex.quote(METRICS)}")
    assert "gaussdb_tasks_last_run_exit_code" in shown


def test_a_missed_load_starts_when_the_timer_is_back(machine: Machine) -> None:
    """As after a machine was off at the time of the load."""
    machine.run(f"systemctl stop {TIMER}")
    before = machine.unit(SERVICE)["ExecMainStartTimestampMonotonic"]
    machine.run(f"touch --date '2 days ago' /var/lib/systemd/timers/stamp-{TIMER}")
    machine.run(f"systemctl start {TIMER}")
    machine.wait_until(
        lambda: machine.unit(SERVICE)["ExecMainStartTimestampMonotonic"] != before,
        lambda: machine.run(f"systemctl status {TIMER}", is_checked=False),
    )
    await_result(machine, "success")


def test_a_failed_load_is_repeated(machine: Machine) -> None:
    """The task center is away at first; the load succeeds without anybody."""
    machine.run("systemctl stop center")
    machine.run(f"systemctl start --no-block {SERVICE}")
    machine.wait_until(
        lambda: int(machine.unit(SERVICE)["NRestarts"]) > 0, lambda: machine.journal(SERVICE)
    )
    assert "is not available" in machine.journal(SERVICE)
    start_center(machine)
    machine.wait_until(
        lambda: (
            machine.unit(SERVICE)["Result"] == "success"
            and machine.unit(SERVICE)["ActiveState"] == "inactive"
        ),
        lambda: machine.journal(SERVICE),
    )


def test_a_wrong_password_is_not_repeated(machine: Machine) -> None:
    """It would lock the account."""
    store_password(machine, "another")
    machine.run(f"systemctl reset-failed {SERVICE}; systemctl start {SERVICE}", is_checked=False)
    unit = await_result(machine, "exit-code")
    assert (unit["NRestarts"], unit["ExecMainStatus"]) == ("0", "2")
    store_password(machine, ACCOUNT.password)


def test_a_program_and_data_of_a_home_directory(machine: Machine) -> None:
    """The service sees what the options name of /root, /home and /tmp, and nothing else there."""
    home, key = "/home/ada", "/tmp/keys/key.pem"  # noqa: S108 - in the machine
    environment = "/root/environment"
    machine.run(
        f"cp --archive /opt/gaussdb-tasks {environment};"
        f"sed -i '1s|.*|#!{environment}/bin/python3|' {environment}/bin/gaussdb-tasks;"
        f"install -d -m 0700 {home} && touch {home}/private;"
        f"install -d -o {USER} {home}/data {home}/copies;"
        f"mkdir -p {Path(key).parent} && python3 - <<'END'\n"
        "import sys; sys.path.insert(0, '/opt/packages')\n"
        "from cryptography.hazmat.primitives import serialization as s\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
        "key = Ed25519PrivateKey.generate().private_bytes(\n"
        "    s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())\n"
        f"open('{key}', 'wb').write(key)\n"
        "END\n"
        f"chown {USER} {key} && chmod 0400 {key}"
    )
    options = ("--archive-url", f"{home}/copies", "--signing-key", key)
    program = ("--program", f"{environment}/bin/gaussdb-tasks")
    said = schedule(machine, "systemd", f"{home}/data", *options, *program)
    for path in (environment, key, f"{home}/data"):
        assert f"{path}: services cannot see" in said
    machine.write(
        f"/etc/systemd/system/{SERVICE}.d/look.conf",
        "[Service]\nExecStartPost=/bin/sh -c 'ls -A /home/ada /root /tmp'\n",
    )
    machine.run(f"systemctl daemon-reload; systemctl start {SERVICE}", is_checked=False)
    await_result(machine, "success")
    assert end_of(machine, f"{home}/data") == ("complete", {USER})
    (entry,) = (machine.root / "home/ada/copies").iterdir()
    assert (entry / "digest.sig").exists()
    seen = machine.journal(SERVICE).rpartition("/home/ada:")[2]
    assert "private" not in seen
    assert "copies\ndata" in seen
    assert ".bashrc" not in seen
