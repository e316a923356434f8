"""``gaussdb-tasks schedule``: secrets do not become arguments of the scheduled load."""

import shlex
from pathlib import Path

import pytest

from tests.support.commands import Command

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("archive-url", f"s3://key:{SECRET}@bucket/prefix"),
        ("endpoint", f"https://user:{SECRET}@gaussdb.test"),
        ("endpoint", f"https://gaussdb.test/?token={SECRET}"),
    ],
)
@pytest.mark.parametrize("is_variable", [True, False])
def test_a_url_with_credentials_is_refused(
    command: Command, name: str, url: str, *, is_variable: bool
) -> None:
    """The message names the variable to set instead, and does not show the credentials."""
    variable = f"GAUSSDB_TASKS_{name.replace('-', '_').upper()}"
    options, env = ([], {variable: url}) if is_variable else ([f"--{name}", url], {})
    run = command("schedule", "systemd", *options, env=env)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert f"--{name}" in run.stderr
    assert variable in run.stderr or not is_variable
    assert SECRET not in run.stderr


@pytest.mark.parametrize(
    ("data_path", "absolute"),
    [("~/lake", "{here}/lake"), ("lake", "{here}/lake"), ("s3://bucket/lake", "s3://bucket/lake")],
)
def test_a_lake_has_the_places_that_a_load_from_here_would_give_it(
    command: Command, tmp_path: Path, data_path: str, absolute: str
) -> None:
    """The scheduler starts the load in another folder; the home directory is the tests' folder."""
    env = {
        "GAUSSDB_TASKS_PUBLISH_TO": "ducklake:~/lake.ducklake",
        "GAUSSDB_TASKS_PUBLISH_DATA_PATH": data_path,
    }
    run = command("schedule", "cron", env=env)
    assert run.exit_code == 0, run.stderr
    words = shlex.split(run.stdout.rstrip().splitlines()[-1])
    assert words[words.index("--publish-to") + 1] == f"ducklake:{tmp_path}/lake.ducklake"
    assert words[words.index("--publish-data-path") + 1] == absolute.format(here=tmp_path)


def test_an_option_of_zero_is_kept(command: Command) -> None:
    """Zero is a value, not a missing one."""
    run = command("schedule", "cron", "--overlap-minutes", "0")
    assert run.exit_code == 0
    assert "--overlap-minutes 0" in run.stdout


def test_a_metrics_file_in_the_archive_is_refused(command: Command) -> None:
    """Each scheduled load would refuse it."""
    Path("data/archive").mkdir(parents=True)
    Path("data/gaussdb_tasks.duckdb").touch()
    run = command("schedule", "cron", "--metrics-file", "data/archive/load.prom")
    assert run.exit_code == 2
    assert "--metrics-file" in run.stderr
