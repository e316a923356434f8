"""Loads keep the names of projects; every output shows a name beside the id."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR, iso
from tests.support.commands import Command, Run, isolated, password_env, run_command, token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record
from tests.support.loads import rows

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815")
SHOP: Final = {PROJECT: "eu-de_shop", OTHER_PROJECT: "eu-de_finance"}
STORE: Final = {PROJECT: "eu-de_store", OTHER_PROJECT: "eu-de_finance"}
HOSTILE: Final = 'eu-de_"quoted\\", {a="b"}\nforged line\x1b[2J\x00|\u202e'
NAMES: Final = "select project_id, project_name from {} order by all"


class FirstLoad(NamedTuple):
    """The output of a load, and its folder."""

    run: Run
    folder: Path


@contextmanager
def served(names: dict[str, str], now: int = NOW) -> Iterator[Emulator]:
    """Serve two projects with these names, and an IAM."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}, names=names)
    with Emulator(world, clock=SettableClock(now), account=ACCOUNT) as emulator:
        yield emulator


def user_env(emulator: Emulator) -> dict[str, str]:
    """Return the environment of a user who signs in to both projects with a password."""
    return password_env(
        emulator,
        ACCOUNT,
        GAUSSDB_TASKS_ENDPOINT=emulator.endpoint,
        GAUSSDB_TASKS_PROJECT_ID=f"{PROJECT} {OTHER_PROJECT}",
    )


def load(command: Command, names: dict[str, str], now: int = NOW, *options: str) -> Run:
    """Load with a password, and expect success."""
    with served(names, now) as emulator:
        run = command("load", "--now", iso(now), *options, env=user_env(emulator))
    assert run.exit_code == 0, run.stderr
    return run


def test_each_load_keeps_the_name_that_it_learned(command: Command) -> None:
    """Views show the newest; a load that learns none keeps the last known one."""
    load(command, SHOP)
    load(command, STORE, NOW + DAY)
    with served(SHOP, NOW + 2 * DAY) as emulator:
        env = {**token_env(emulator), "GAUSSDB_TASKS_REGION": "eu-de"}
        assert command("load", "--now", iso(NOW + 2 * DAY), env=env).exit_code == 0
    data = Path("data")
    sql = "select project_id, project_name from task_center.load_runs order by load_number"
    kept = rows(data, sql)
    names = [name for project_id, name in kept if project_id == PROJECT]
    assert names == ["eu-de_shop", "eu-de_store", "eu-de_store"]
    assert rows(data, NAMES.format("archive_status")) == sorted(STORE.items())
    assert rows(data, NAMES.format("tasks")) == [(PROJECT, "eu-de_store")]
    assert verify(DataDir(data), VerifyOptions()).findings == []


def metric_labels(file: Path) -> list[dict[str, str]]:
    """Return the labels of the series of projects, as the reference parser reads them."""
    families = text_string_to_metric_families(file.read_text())
    samples = [sample for family in families for sample in family.samples]
    return [dict(each.labels) for each in samples if "project_id" in each.labels]


@pytest.fixture(scope="module")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> FirstLoad:
    """Load once for the tests that only read the result."""
    folder = tmp_path_factory.mktemp("first-load")
    with isolated(folder):
        options = ("--format", "json", "--metrics-file", "g.prom")
        return FirstLoad(load(run_command, SHOP, NOW, *options), folder)


@pytest.fixture
def loaded(command: Command, first_load: FirstLoad, tmp_path: Path) -> Command:
    """Run commands in a folder with a copy of the first load's data directory."""
    shutil.copytree(first_load.folder / "data", tmp_path / "data")
    return command


def test_lines_and_json_of_a_load_have_the_names(first_load: FirstLoad) -> None:
    for project_id, name in SHOP.items():
        assert f"project {project_id} (eu-de) {name}: " in first_load.run.stderr
    projects = json.loads(first_load.run.stdout)["projects"]
    assert {each["project_id"]: each["project_name"] for each in projects} == SHOP


def test_metrics_have_the_names(first_load: FirstLoad) -> None:
    found = metric_labels(first_load.folder / "g.prom")
    assert {(each["project_id"], each["project_name"]) for each in found} == set(SHOP.items())


@pytest.mark.usefixtures("loaded")
def test_the_archive_has_the_names() -> None:
    data_dir = DataDir(Path("data"))
    data_dir.database.unlink()
    rebuild(data_dir)
    assert rows(data_dir.path, NAMES.format("archive_status")) == sorted(SHOP.items())
    assert verify(data_dir, VerifyOptions()).findings == []
    with duckdb.connect(data_dir.database) as connection:
        connection.execute("update task_center.load_runs set project_name = project_name || 's'")
    found = verify(data_dir, VerifyOptions()).findings
    assert {(each.where, each.column) for each in found} == {
        ("task_center.load_runs", "project_name")
    }


def test_a_dry_run_shows_the_last_known_names(loaded: Command) -> None:
    """It calls nothing, so a token of IAM does not give them."""
    with served(STORE) as emulator:
        options = ("load", "--dry-run", "--now", iso(NOW + DAY))
        run = loaded(*options, env=user_env(emulator))
        as_json = loaded(*options, "--format", "json", env=user_env(emulator))
    assert f"project {PROJECT} (eu-de) eu-de_shop: " in run.stdout
    projects = json.loads(as_json.stdout)["projects"]
    assert {each["project_id"]: each["project_name"] for each in projects} == SHOP


def test_status_shows_the_names(loaded: Command) -> None:
    later = iso(NOW + 40 * DAY)
    run = loaded("status", "--now", later)
    assert "eu-de_shop" in run.stdout
    assert f"project {PROJECT} eu-de_shop: data loss begins at" in run.stderr
    checked = loaded("status", "--check", "--now", later)
    assert f"project {PROJECT} eu-de_shop: the last complete load was" in checked.stdout


def test_changes_and_evidence_show_the_names(loaded: Command) -> None:
    changes = loaded("changes", "--since", "1", "--format", "json")
    assert [row["project_name"] for row in json.loads(changes.stdout)] == ["eu-de_shop"]
    (job_id,) = rows(Path("data"), "select job_id from tasks")[0]
    assert "\nproject_name    eu-de_shop\n" in loaded("evidence", job_id).stdout


def test_a_hostile_name_stays_one_label_and_one_line(command: Command) -> None:
    """Quotes, backslashes, line ends and terminal sequences cannot forge anything."""
    hostile = {PROJECT: HOSTILE, OTHER_PROJECT: "x" * 300}
    run = load(command, hostile, NOW, "--metrics-file", "g.prom")
    shown = 'eu-de_"quoted\\", {a="b"}\\nforged line\\x1b[2J\\x00|\\u202e'
    labels = {each["project_id"]: each["project_name"] for each in metric_labels(Path("g.prom"))}
    assert labels == {PROJECT: shown, OTHER_PROJECT: ""}
    assert f"project {PROJECT} (eu-de) {shown}: " in run.stderr
    checked = command("status", "--check", "--now", iso(NOW + 40 * DAY)).stdout
    assert checked.count("\n") == 1
    assert checked.count("|") == 1
    stored = rows(Path("data"), NAMES.format("archive_status"))
    assert stored == [(PROJECT, HOSTILE), (OTHER_PROJECT, None)]
    assert verify(DataDir(Path("data")), VerifyOptions()).findings == []


def test_a_project_that_fails_has_its_name(command: Command) -> None:
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []}, names=SHOP)
    with Emulator(
        world, clock=SettableClock(NOW), account=ACCOUNT, forbidden_projects=[OTHER_PROJECT]
    ) as emulator:
        run = command("load", "--now", iso(NOW + HOUR), env=user_env(emulator))
    assert run.exit_code == 3
    assert rows(Path("data"), NAMES.format("archive_status")) == sorted(SHOP.items())
