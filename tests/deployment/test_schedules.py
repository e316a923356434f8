"""The files for schedulers: each is checked by a tool of its kind, and has no secrets."""

import ast
import configparser
import importlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaussdb_tasks.deployment.schedules import SCHEDULERS, cron_word, kubernetes_word, systemd_word
from tests.support import ROOT
from tests.support.commands import Command

ODD = "a b$HOME%d\"'\\x"
OPTIONS = ("--os-cloud", "otc-prod", "--os-cloud", ODD, "--horizon-days", "20", "--umask", "027")


def written(command: Command, kind: str, *options: str) -> dict[str, str]:
    """Write the files of a scheduler; return them by name."""
    folder = Path("scheduled")
    folder.mkdir()
    run = command("schedule", kind, "--output", folder, *options)
    assert run.exit_code == 0, run.stderr
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("data_dir", ["/srv/gaussdb-tasks", "/home/ada/with space"])
def test_systemd_units(command: Command, data_dir: str) -> None:
    """systemd accepts the units without a warning, and the timer catches up missed runs."""
    files = written(
        command,
        "systemd",
        "--program",
        "/bin/true",
        "--data-dir",
        data_dir,
        "--at",
        "3:05",
        *OPTIONS,
    )
    assert set(files) == {"gaussdb-tasks.service", "gaussdb-tasks.timer"}
    ran = subprocess.run(
        ["systemd-analyze", "verify", *(f"scheduled/{name}" for name in files)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    timer = configparser.ConfigParser()
    timer.read_string(files["gaussdb-tasks.timer"])
    assert timer["Timer"]["OnCalendar"] == "*-*-* 03:05:00 UTC"
    assert timer["Timer"]["Persistent"] == "true"
    service = files["gaussdb-tasks.service"]
    assert "LoadCredential=os_password:" in service
    assert "ProtectSystem=strict" in service


def test_crontab(command: Command) -> None:
    """The line has five fields, the user, and a command that the shell splits correctly."""
    (content,) = written(
        command, "cron", "--program", "/opt/g/bin/gaussdb-tasks", "--at", "01:30", *OPTIONS
    ).values()
    line = content.splitlines()[-1]
    *fields, user, rest = line.split(" ", 6)
    assert (fields, user) == (["30", "1", "*", "*", "*"], "gaussdb-tasks")
    words = shlex.split(rest.replace("\\%", "%"))
    assert words[:2] == ["/opt/g/bin/gaussdb-tasks", "load"]
    assert words.count("--os-cloud") == 2
    assert ODD in words
    assert words[words.index("--umask") + 1] == "027"
    assert Path(words[words.index("--data-dir") + 1]).is_absolute()


def test_cronjob(command: Command) -> None:
    """The CronJob is valid by the strict schema, runs once at a time, with a read-only root."""
    (content,) = written(command, "kubernetes", *OPTIONS).values()
    validate = importlib.import_module("kubernetes_validate").validate
    claim, job = yaml.safe_load_all(content)
    for each in (claim, job):
        validate(each, "1.33", strict=True)
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][:3] == ["load", "--data-dir", "/data"]
    assert ODD in container["args"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["volumes"][1]["secret"]["defaultMode"] == 0o440


def test_workflow(command: Command) -> None:
    """The workflow is valid by GitHub's schema, and the options are kept."""
    (content,) = written(command, "github-actions", *OPTIONS).values()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema"),
            *("vendor.github-workflows", "scheduled/gaussdb-tasks.yml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    steps = yaml.safe_load(content)["jobs"]["load"]["steps"]
    assert ODD in shlex.split(steps[-1]["run"])


def test_dag(command: Command) -> None:
    """The DAG is valid Python, and the options are kept."""
    (content,) = written(command, "airflow", *OPTIONS).values()
    tree = ast.parse(content)
    (assigned,) = (node for node in tree.body if isinstance(node, ast.Assign))
    assert ODD in shlex.split(ast.literal_eval(assigned.value))
    assert "catchup=False" in content
    assert "{% raw %}" in content


def test_quoting() -> None:
    """Characters that a scheduler would expand are quoted."""
    assert systemd_word("100%$x y") == '"100%%$$x y"'
    assert cron_word("100%") == "100\\%"
    assert kubernetes_word("$(HOME)") == '"$$(HOME)"'


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_no_secrets(command: Command, kind: str) -> None:
    """The files contain neither passwords nor the URL of the dead man's switch."""
    env = {"OS_PASSWORD": "open sesame", "OS_SECRET_KEY": "sk-of-the-test"}
    run = command("schedule", kind, "--os-cloud", "otc", env=env)
    assert run.exit_code == 0, run.stderr
    assert "open sesame" not in run.stdout
    assert "sk-of-the-test" not in run.stdout
    refused = command("schedule", kind, "--ping-url", "https://ping.test/uuid")
    assert refused.exit_code == 2
    assert "GAUSSDB_TASKS_PING_URL_FILE" in refused.stderr
    assert "ping.test" not in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--horizont-days", "3"), "--horizon-days"),
        (("--full",), "--full cannot be scheduled"),
        (("--at", "25:00"), "--at"),
        (("--horizon-days", "0"), "--horizon-days"),
    ],
)
def test_invalid_options(command: Command, options: tuple[str, ...], message: str) -> None:
    """Options are checked when the schedule is written, as load checks them."""
    run = command("schedule", "cron", *options)
    assert run.exit_code == 2
    assert message in run.stderr


def test_configuration_file(command: Command) -> None:
    """The schedule names the configuration file and does not copy its values."""
    Path("gaussdb_tasks.toml").write_text('os-cloud = ["otc-prod"]\n')
    run = command("schedule", "cron")
    assert f"--config {Path('gaussdb_tasks.toml').absolute()}" in run.stdout
    assert "otc-prod" not in run.stdout


def test_containerfile() -> None:
    """hadolint reports nothing; the user is not root, and the base image is pinned."""
    deployment = ROOT / "pipelines/gaussdb_tasks/deployment"
    file = deployment / "Containerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
    content = file.read_text()
    assert "USER 10001" in content
    assert all(":3.13." in line for line in content.splitlines() if line.startswith("FROM"))
