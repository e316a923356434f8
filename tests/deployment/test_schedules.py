"""What schedulers are given: each checked by who knows its kind, and nothing secret in any."""

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
    """Have the files of a kind written; by name."""
    folder = Path("scheduled")
    folder.mkdir()
    run = command("schedule", kind, "--output", folder, *options)
    assert run.exit_code == 0, run.stderr
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("data_dir", ["/srv/gaussdb-tasks", "/home/ada/with space"])
def test_systemd_takes_its_units(command: Command, data_dir: str) -> None:
    """systemd's own check has nothing to say, and the timer makes up for missed nights."""
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


def test_a_crontab_line_runs_what_was_meant(command: Command) -> None:
    """Five fields, the user, and words that the shell takes apart as they were."""
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


def test_a_cronjob_is_valid(command: Command) -> None:
    """By the published schema, strictly; never two at once, and a read-only root."""
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


def test_a_workflow_is_valid(command: Command) -> None:
    """By GitHub's schema; secrets are named, never written."""
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


def test_a_dag_is_python(command: Command) -> None:
    """It parses, and its command is what was meant."""
    (content,) = written(command, "airflow", *OPTIONS).values()
    tree = ast.parse(content)
    (assigned,) = (node for node in tree.body if isinstance(node, ast.Assign))
    assert ODD in shlex.split(ast.literal_eval(assigned.value))
    assert "catchup=False" in content
    assert "{% raw %}" in content


def test_words_mean_themselves() -> None:
    """What each kind would put something in place of is quoted."""
    assert systemd_word("100%$x y") == '"100%%$$x y"'
    assert cron_word("100%") == "100\\%"
    assert kubernetes_word("$(HOME)") == '"$$(HOME)"'


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_nothing_secret_gets_in(command: Command, kind: str) -> None:
    """Neither the password of the environment nor the address of the dead-man switch."""
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
    ("options", "said"),
    [
        (("--horizont-days", "3"), "--horizon-days"),
        (("--full",), "--full is not for every night"),
        (("--at", "25:00"), "--at"),
        (("--horizon-days", "0"), "--horizon-days"),
    ],
)
def test_mistakes_are_said(command: Command, options: tuple[str, ...], said: str) -> None:
    """Options are checked as load checks them, tonight and not at two in the morning."""
    run = command("schedule", "cron", *options)
    assert run.exit_code == 2
    assert said in run.stderr


def test_the_configuration_file_is_named(command: Command) -> None:
    """What it says stays in it."""
    Path("gaussdb_tasks.toml").write_text('os-cloud = ["otc-prod"]\n')
    run = command("schedule", "cron")
    assert f"--config {Path('gaussdb_tasks.toml').absolute()}" in run.stdout
    assert "otc-prod" not in run.stdout


def test_the_containerfile_is_sound() -> None:
    """hadolint finds nothing; it runs as nobody special, and its base is pinned."""
    deployment = ROOT / "pipelines/gaussdb_tasks/deployment"
    file = deployment / "Containerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
    content = file.read_text()
    assert "USER 10001" in content
    assert all(":3.13." in line for line in content.splitlines() if line.startswith("FROM"))
