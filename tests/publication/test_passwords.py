"""The password of PostgreSQL comes from the settings, and is shown nowhere."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from tests.support.commands import Command
from tests.support.publishing import TABLES, Place, local_rows, new_place

PASSWORD = "it's s3cr\\et"


@pytest.fixture(params=["postgres"])
def closed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A target whose user needs a password."""
    for place in new_place(request.param, request, tmp_path):
        assert place.server is not None
        place.user = f"user_of_{place.database}"
        place.server.require_password(place.user, PASSWORD, place.database)
        place.server.run(f"alter database {place.database} set log_statement = 'all'")
        yield place
        place.server.run(f"alter database {place.database} owner to postgres")


@pytest.mark.parametrize("closed", ["lake"], indirect=True)
def test_a_password_is_taken_from_a_file(
    closed: Place, data_dir: DataDir, command: Command, tmp_path: Path
) -> None:
    """Neither a wrong nor the right one is in the output, the log, or the files."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    given = ("publish", "--data-dir", str(data_dir.path), *closed.options)
    for name, value in (("_FILE", str(tmp_path / "no")), ("", "wr0ng-password"), ("", "")):
        refused = command(*given, env={f"GAUSSDB_TASKS_PUBLISH_PASSWORD{name}": value})
        assert refused.exit_code == 2, refused.stderr
        assert "wr0ng" not in refused.stderr
        assert "GAUSSDB_TASKS_PUBLISH_PASSWORD" in refused.stderr
        assert name or value == "" or "authentication failed" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    done = command(*given, env={"GAUSSDB_TASKS_PUBLISH_PASSWORD_FILE": str(file)})
    assert done.exit_code == 0, done.stderr
    closed.user = "postgres"
    assert closed.rows(TABLES) == local_rows(data_dir, TABLES)
    assert closed.server is not None
    for shown in (done.stderr, done.stdout, closed.server.log.read_text()):
        assert "s3cr" not in shown
    for path in data_dir.path.rglob("*"):
        assert path.is_dir() or b"s3cr" not in path.read_bytes()


def test_a_password_is_not_in_an_error_of_the_server(
    closed: Place, data_dir: DataDir, command: Command
) -> None:
    """It has the text of a statement that fails."""
    assert closed.server is not None
    closed.server.run("create schema task_center", closed.database)  # of another user
    given = ("publish", "--data-dir", str(data_dir.path), *closed.options, "--debug")
    failed = command(*given, env={"GAUSSDB_TASKS_PUBLISH_PASSWORD": PASSWORD})
    assert failed.exit_code == 2, failed.stderr
    assert "permission denied" in failed.stderr
    assert "s3cr" not in failed.stderr


def test_libpq_finds_a_password_by_itself(closed: Place, data_dir: DataDir, tmp_path: Path) -> None:
    """In another process: libpq reads the variables of the process only."""
    file = tmp_path / "pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"*:*:*:*:{escaped}\n")
    file.chmod(0o600)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "gaussdb_tasks", "publish"),
            *("--data-dir", str(data_dir.path), *closed.options),
        ],
        env={**os.environ, "PGPASSFILE": str(file), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
