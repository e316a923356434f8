"""``--data-dir`` repeated: several directories are read as one, and other commands refuse it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from gaussdb_tasks.database.data_dir import DataDir
from tests.support.commands import Command, contexts
from tests.support.sample_archive import LOADED_AT, Archive, load_run, task, window
from tests.support.shared_out import share_out

NOW = "2026-03-31T12:00:00Z"
NAMES = ("shop", "bank", "post", "mill")
SEVERAL = {"query", "report", "status"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[DataDir]:
    """Two directories with the archives of four projects."""
    archive = Archive()
    archive.insert(
        load_runs=[load_run(project_id=name) for name in NAMES],
        tasks=[task(project_id=name, job_id=f"job of {name}") for name in NAMES],
        coverage=[window(LOADED_AT, LOADED_AT, project_id=name) for name in NAMES],
    )
    archive.connection.execute(
        "update task_center.load_runs set archive_sequence = 1, "
        "archive_id = 'archive ' || hash(project_id) % 2, "
        "head_digest = 'head ' || hash(project_id) % 2"
    )
    return share_out(archive.connection, tmp_path_factory.mktemp("parts"), 2)


@pytest.fixture
def options(parts: Sequence[DataDir]) -> list[str | Path]:
    """``--data-dir`` for both."""
    return ["--now", NOW, *(word for part in parts for word in ("--data-dir", part.path))]


def projects_of(stdout: str) -> list[str]:
    """Return the sorted projects of rows in JSON."""
    return sorted(row["project_id"] for row in json.loads(stdout))


def test_a_query_reads_all_directories(command: Command, options: Sequence[str | Path]) -> None:
    run = command("query", "tasks", "--format", "json", *options)
    assert (run.exit_code, projects_of(run.stdout)) == (0, sorted(NAMES))
    assert (
        command("query", "--list", *options).stdout
        == command("query", "--list", *options[:4]).stdout
    )


def test_directories_stand_before_the_command_in_a_variable_or_in_the_settings(
    command: Command, parts: Sequence[DataDir]
) -> None:
    """A variable separates them as PATH does; a file has a list."""
    first, second = (str(part.path) for part in parts)
    line = ("query", "tasks", "--format", "json")
    runs = [
        command("--data-dir", first, "--data-dir", second, *line),
        command(*line, env={"GAUSSDB_TASKS_DATA_DIR": f"{first}:{second}:"}),
    ]
    Path("gaussdb_tasks.toml").write_text(f"data-dir = {[first, second]}\n")
    runs.append(command(*line))
    assert [projects_of(run.stdout) for run in runs] == [sorted(NAMES)] * 3
    shown = command("config", "query").stdout
    assert first in shown
    assert second in shown


@pytest.mark.parametrize("words", ["query tasks", "load"])
def test_no_directory_is_an_error(command: Command, words: str) -> None:
    Path("gaussdb_tasks.toml").write_text("data-dir = []\n")
    run = command(*words.split())
    assert run.exit_code == 2
    assert "--data-dir names no directory" in run.stderr


def test_a_directory_with_a_colon_is_one(
    command: Command, parts: Sequence[DataDir], tmp_path: Path
) -> None:
    """As before several were possible."""
    shutil.copytree(parts[0].path, tmp_path / "a:b")
    run = command("query", "tasks", env={"GAUSSDB_TASKS_DATA_DIR": str(tmp_path / "a:b")})
    assert run.exit_code == 0, run.stderr


def test_status_shows_all_projects_and_the_head_of_each_archive(
    command: Command, options: Sequence[str | Path]
) -> None:
    run = command("status", *options)
    assert run.exit_code == 0, run.stderr
    lines = run.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("project ")) == [
        f"project {name}" for name in sorted(NAMES)
    ]
    heads = sorted(line for line in lines if line.startswith("archive head"))
    assert heads == [f"archive head head {n} of archive archive {n}" for n in (0, 1)]
    one = command("status", *options[:4]).stdout.splitlines()[-1]
    assert one.startswith("archive head head ")
    assert " of archive " not in one


def test_the_check_counts_all_projects(command: Command, options: Sequence[str | Path]) -> None:
    run = command("status", "--check", *options)
    assert "projects=4 " in run.stdout
    broken = command("status", "--check", *options, "--data-dir", "nowhere")
    assert broken.stdout.startswith("GAUSSDB_TASKS UNKNOWN: there is no database nowhere/")


def test_a_report_shows_all_directories(
    command: Command, options: Sequence[str | Path], parts: Sequence[DataDir]
) -> None:
    run = command("report", "page.html", *options)
    assert run.exit_code == 0, run.stderr
    page = Path("page.html").read_text()
    assert all(name in page for name in NAMES)
    assert all(str(part.path) in page for part in parts)
    inside = parts[1].path / "gaussdb_tasks.duckdb"
    assert "keeps its own data there" in command("report", inside, *options).stderr


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("nowhere", "there is no database nowhere/gaussdb_tasks.duckdb yet"),
        ("copy", "would count twice"),
        ("link", "names link twice"),
    ],
)
def test_a_directory_that_cannot_be_read_with_the_others_is_named(
    command: Command,
    options: Sequence[str | Path],
    parts: Sequence[DataDir],
    extra: str,
    message: str,
) -> None:
    shutil.copytree(parts[0].path, "copy")
    Path("link").symlink_to(parts[0].path)
    for line in (("query", "tasks"), ("status",), ("report", "page.html")):
        run = command(*line, *options, "--data-dir", extra)
        assert (run.exit_code, run.stdout) == (2, "")
        assert message in run.stderr
        assert extra in run.stderr


def commands_with_a_directory() -> set[str]:
    """Return all commands with --data-dir, by their words."""
    return {
        context.command_path.removeprefix("gaussdb-tasks").strip()
        for context in contexts()
        if any("--data-dir" in param.opts for param in context.command.params)
        and not isinstance(context.command, click.Group)
    }


ONLY_ONE = sorted(commands_with_a_directory() - SEVERAL)


@pytest.mark.parametrize("words", [*ONLY_ONE, "schedule cron"])
def test_other_commands_refuse_a_second_directory(command: Command, words: str) -> None:
    """In a sentence, before they do anything: none of the two is chosen in silence."""
    assert len(ONLY_ONE) > 8
    arguments = {"evidence": ["job"], "schedule cron": []}.get(words, [])
    run = command(*words.split(), "--data-dir", "a", "--data-dir", "b", *arguments)
    assert run.exit_code == 2
    assert "--data-dir names 2 directories (a, b)" in run.stderr
    before = command("--data-dir", "a", "--data-dir", "b", *words.split(), *arguments)
    assert (before.exit_code, before.stderr) == (2, run.stderr)
    assert list(Path.cwd().iterdir()) == []
