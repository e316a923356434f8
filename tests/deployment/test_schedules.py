"""The files for schedulers: each is checked by a tool of its kind, and has no secrets."""

import ast
import configparser
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gaussdb_tasks.cli.commands.load import command as load_command
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
    assert service.startswith("# Needs systemd 251 or later")


@pytest.mark.parametrize("kind", ["systemd", "cron"])
def test_secrets_that_exist_are_used(command: Command, tmp_path: Path, kind: str) -> None:
    """Not others: systemd does not start a service with a credential that is missing."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("os_secret_key", "ping_url"):
        (folder / name).touch()
    run = command("schedule", kind, "--credentials", folder)
    lines = [line.removeprefix("Environment=") for line in run.stdout.splitlines()]
    place = "%d" if kind == "systemd" else folder
    assert f"OS_SECRET_KEY_FILE={place}/os_secret_key" in lines
    assert f"GAUSSDB_TASKS_PING_URL_FILE={place}/ping_url" in lines
    assert not any("OS_PASSWORD_FILE" in line for line in lines)
    loaded = [line for line in lines if line.startswith("LoadCredential=")]
    assert len(loaded) == (2 if kind == "systemd" else 0)


def test_crontab(command: Command) -> None:
    """The line has five fields, the user, and a command that the shell splits correctly."""
    files = written(
        command, "cron", "--program", "/opt/g/bin/gaussdb-tasks", "--at", "01:40", *OPTIONS
    )
    content = files["gaussdb-tasks"]
    assert content.endswith("\n")
    line = content.splitlines()[-1]
    *fields, user, rest = line.split(" ", 6)
    assert (fields, user) == (["10,25,40,55", "*", "*", "*", "*"], "gaussdb-tasks")
    assert not re.search(r"(?<!\\)%", rest)
    words = shlex.split(rest.replace("\\%", "%").partition(" exec ")[2])
    assert words[:2] == ["/opt/g/bin/gaussdb-tasks", "load"]
    assert words.count("--os-cloud") == 2
    assert ODD in words
    assert words[words.index("--umask") + 1] == "027"
    assert Path(words[words.index("--data-dir") + 1]).is_absolute()


@pytest.mark.parametrize(
    ("clock", "output"),
    [("01:40", "load --data-dir /srv/g"), ("01:25", ""), ("13:40", ""), ("01:55", "")],
)
def test_cron_loads_once_a_day(command: Command, tmp_path: Path, clock: str, output: str) -> None:
    """Of the runs at each quarter of an hour, the one at the time in UTC loads; all succeed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("date", f'[ "$*" = "-u +%H:%M" ] && echo {clock}'), ("load", "echo $*")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    options = ("--program", str(folder / "load"), "--data-dir", "/srv/g", "--at", "1:40")
    line = command("schedule", "cron", *options).stdout.rstrip("\n").rpartition("\n")[2]
    shell_command = line.split(" ", 6)[6].replace("\\%", "%")
    ran = subprocess.run(
        ["/bin/sh", "-c", shell_command],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.rstrip("\n") == output


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
    assert pod["volumes"][1]["secret"]["defaultMode"] == 0o400
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert variables["OS_CLIENT_CONFIG_FILE"] == f"{mounted['credentials']}/clouds.yaml"
    assert variables["OS_PASSWORD_FILE"] == f"{mounted['credentials']}/os_password"
    assert container["envFrom"][0]["configMapRef"]["optional"] is True


def test_a_cronjob_of_shards(command: Command) -> None:
    """Each index reads a shard into a folder and an archive of its own; one failure stops none."""
    options = ("--all-projects", "--shards", "5", "--archive-url", "s3://bucket/prefix/")
    (content,) = written(command, "kubernetes", *options).values()
    validate = importlib.import_module("kubernetes_validate").validate
    for each in yaml.safe_load_all(content):
        validate(each, "1.33", strict=True)
    _, cronjob = yaml.safe_load_all(content)
    job: dict[str, Any] = cronjob["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 5, 5)
    assert "backoffLimit" not in job
    assert job["backoffLimitPerIndex"] == 4
    assert [rule["action"] for rule in job["podFailurePolicy"]["rules"]] == ["FailIndex"]
    (container,) = job["template"]["spec"]["containers"]
    data_mount = container["volumeMounts"][0]
    loaded = []
    for index in range(5):
        # Kubernetes replaces the variable in arguments and in subPathExpr.
        words = [each.replace("$(JOB_COMPLETION_INDEX)", str(index)) for each in container["args"]]
        with load_command.make_context("load", words[1:]) as load:
            assert load.params["all_projects"] is True
            loaded.append((str(load.params["shard"]), load.params["archive_url"]))
    assert loaded == [(f"{n + 1}/5", f"s3://bucket/prefix/index-{n}") for n in range(5)]
    assert data_mount["subPathExpr"] == "index-$(JOB_COMPLETION_INDEX)"
    (affinity,) = job["template"]["spec"]["affinity"]["podAffinity"].values()
    assert affinity[0]["labelSelector"]["matchLabels"] == job["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("systemd --all-projects --shards 3", "--shards is for kubernetes"),
        ("kubernetes --shards 3", "--shard needs --all-projects"),
        ("kubernetes --all-projects --shards 3 --shard 1/3", "contradict"),
        ("kubernetes --all-projects --shards 0", "--shards"),
        ("cron --project-id x --shard 1/3", "--shard needs --all-projects"),
    ],
)
def test_shards_that_no_load_could_read(command: Command, words: str, message: str) -> None:
    run = command("schedule", *words.split())
    assert (run.exit_code, run.stdout) == (2, "")
    assert message in run.stderr


@pytest.mark.parametrize(
    "target",
    [
        ("--publish-to", "ducklake:/data/lake.ducklake"),
        ("--publish-to", "/data/delta"),
        ("--publish-to", "ducklake:postgresql://db.example/lake", "--publish-data-path", "/data"),
    ],
)
def test_shards_publish_to_one_place(command: Command, target: tuple[str, ...]) -> None:
    """The folder /data is another one for each shard."""
    refused = command("schedule", "kubernetes", "--all-projects", "--shards", "3", *target)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "each would publish to another place" in refused.stderr
    alone = command("schedule", "kubernetes", "--all-projects", *target)
    assert alone.exit_code == 0, alone.stderr


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_user_in_the_url_of_a_target_is_not_a_secret(command: Command, kind: str) -> None:
    """The help of publish has such a URL; one with a password is refused."""
    url = "postgresql://loader@db.example/tasks"
    run = command("schedule", kind, "--publish-to", url)
    assert run.exit_code == 0, run.stderr
    assert url in run.stdout
    refused = command("schedule", kind, "--publish-to", url.replace("@", ":hidden@"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "hidden" not in refused.stderr


def test_every_scheduler_passes_the_shard_on(command: Command) -> None:
    for kind in SCHEDULERS:
        run = command("schedule", kind, "--all-projects", "--shard", "2/3")
        assert run.exit_code == 0, run.stderr
        assert re.search(r"--shard\W+2/3", run.stdout), kind


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
    job = yaml.safe_load(content)["jobs"]["load"]
    clouds, restore, load = job["steps"]
    assert clouds["env"]["CLOUDS_YAML"] == "${{ secrets.CLOUDS_YAML }}"
    assert job["env"]["OS_CLIENT_CONFIG_FILE"]
    assert "--allow-empty" in restore["run"]
    assert not any("continue-on-error" in step for step in job["steps"])
    assert ODD in shlex.split(load["run"])


@pytest.mark.parametrize("minutes", [60, 180, 200, 400, 1500])
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_no_scheduler_ends_a_load_that_may_still_read(
    command: Command, kind: str, minutes: int
) -> None:
    """Each limit is above --max-minutes, or the schedule is refused."""
    run = command("schedule", kind, "--max-minutes", str(minutes))
    needed = minutes + 180
    if kind == "github-actions" and needed > 360:
        assert run.exit_code == 2
        assert f"set --max-minutes {needed - 360} minutes lower" in run.stderr
        return
    assert run.exit_code == 0
    pattern = {
        "systemd": r"TimeoutStartSec=(\d+)min",
        "kubernetes": r"activeDeadlineSeconds: (\d+)",
        "github-actions": r"timeout-minutes: (\d+)",
        "airflow": r"execution_timeout=timedelta\(minutes=(\d+)\)",
        "cron": r"(x)^",  # cron has no limit
    }[kind]
    limits = list(map(int, re.findall(pattern, run.stdout)))
    if kind == "kubernetes":
        of_job, of_attempt = (seconds // 60 for seconds in limits)
        assert of_job == max(needed, min(5 * needed, 23 * 60))
        limits = [of_attempt]
    assert limits == ([] if kind == "cron" else [needed])


def test_the_limit_of_the_settings_file_counts(command: Command) -> None:
    """The load obeys it, so its scheduler has to."""
    Path("gaussdb_tasks.toml").write_text("[load]\nmax-minutes = 300\n")
    assert "TimeoutStartSec=480min" in command("schedule", "systemd").stdout
    assert command("schedule", "github-actions").exit_code == 2


def test_workflow_without_clouds(command: Command) -> None:
    """The sign-in is in variables of the repository."""
    job = yaml.safe_load(command("schedule", "github-actions").stdout)["jobs"]["load"]
    assert len(job["steps"]) == 2
    assert job["env"]["OS_AUTH_URL"] == "${{ vars.OS_AUTH_URL }}"


@pytest.mark.parametrize("kind", ["kubernetes", "github-actions"])
def test_containers_get_the_values_of_the_settings_file(command: Command, kind: str) -> None:
    """They do not have the file. Paths that they do not have either are named."""
    Path("gaussdb_tasks.toml").write_text(
        '[load]\nexclude = ["*_sandbox"]\nall-projects = true\nmetrics-file = "/var/m/g.prom"\n'
    )
    run = command("schedule", kind, "--signing-key", "/etc/gaussdb-tasks/key.pem")
    assert "--config" not in run.stdout
    assert "*_sandbox" in run.stdout
    assert "--all-projects" in run.stdout
    assert "the container does not have /var/m; mount it" in run.stderr
    assert "key.pem" not in run.stderr


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
        (("--user", "ada lovelace"), "--user"),
        (("--image", "gaussdb-tasks # latest"), "--image"),
        (("--credentials", "/etc/100% ours"), "--credentials"),
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


@pytest.mark.parametrize("scheduler", ["github-actions", "kubernetes"])
def test_what_a_scheduler_would_expand_stays_a_name(command: Command, scheduler: str) -> None:
    """GitHub evaluates ``${{ }}`` everywhere, Kubernetes ``$(...)`` in arguments only."""
    folder = "/srv/$(HOME)/${{ github.token }}"
    run = command("schedule", scheduler, "--data-dir", folder)
    assert run.exit_code == 0, run.stderr
    assert not (scheduler == "github-actions" and "${{ github.token" in run.stdout)
    if scheduler == "kubernetes":
        assert f'mountPath: "{folder}"' in run.stdout
        assert f'- "{folder.replace("$(", "$$(")}"' in run.stdout
    else:
        assert run.stdout.count("${{ '${{' }} github.token }}") == 2
