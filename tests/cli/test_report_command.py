"""``report``: a complete page in a file or on stdout, or none."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gaussdb_tasks.database import files
from tests.support.commands import Command
from tests.support.report_archives import NOW, loaded, write_archive
from tests.support.sample_archive import Row, task

DUCKDB_IN_PLACE = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
"""The path of another DuckDB; `make test-duckdb-2` sets it."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a task."""
    rows: dict[str, list[Row]] = {"tasks": [task()], **loaded()}
    return write_archive(tmp_path_factory.mktemp("archive") / "data", **rows)


def test_a_page_is_written(command: Command, archive: Path) -> None:
    """No other file is written; a message names it."""
    run = command("report", "page.html", "--data-dir", archive, "--now", NOW)
    assert (run.exit_code, run.stdout) == (0, "")
    assert re.fullmatch(r"\S+ page\.html: \d+ kB written; open it in a browser\n", run.stderr)
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>\n")
    assert '<time datetime="2026-03-31T12:00:00Z">' in page
    assert str(archive) in page
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["page.html"]


def test_the_same_command_writes_the_same_bytes(command: Command, archive: Path) -> None:
    """Also in another process, on stdout, without a home folder and without numpy."""
    command("report", "page.html", "--data-dir", archive, "--now", NOW)
    script = "import sys; sys.modules['numpy'] = None; from gaussdb_tasks.cli import main; main()"
    arguments = ["report", "-", "--data-dir", str(archive), "--now", NOW]
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"PYTHONHASHSEED": "7", "LC_ALL": "C", "HOME": "/nowhere", **DUCKDB_IN_PLACE},
        capture_output=True,
        check=True,
    )
    assert run.stdout == Path("page.html").read_bytes()
    assert run.stderr == b""


def test_the_clock_is_that_of_the_machine(command: Command, archive: Path) -> None:
    """It is used if --now is not set."""
    command("report", "page.html", "--data-dir", archive)
    assert (
        f'<time datetime="{time.strftime("%Y-%m", time.gmtime())}' in Path("page.html").read_text()
    )


def test_a_file_that_cannot_be_written(command: Command, archive: Path) -> None:
    """The target is a missing folder, a folder or a pipe; nothing is changed."""
    Path("folder").mkdir()
    os.mkfifo("pipe")
    for target in ("nowhere/page.html", "folder", "pipe"):
        run = command("report", target, "--data-dir", archive)
        assert run.exit_code == 2
        assert run.stderr.count("\n") == 1
        assert f"{target}: " in run.stderr
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["folder", "pipe"]
    assert list(Path("folder").iterdir()) == []


def test_the_database_is_not_overwritten(command: Command, archive: Path) -> None:
    """Neither by its path nor through a link."""
    database = archive / "gaussdb_tasks.duckdb"
    before = database.read_bytes()
    Path("link").symlink_to(database)
    for target in (database, Path("link")):
        run = command("report", target, "--data-dir", archive)
        assert run.exit_code == 2
        assert "keeps its own data there" in run.stderr
    assert database.read_bytes() == before


def test_a_page_may_be_in_the_data_directory(command: Command, archive: Path) -> None:
    """A second run replaces the page."""
    target = archive / "page.html"
    for _ in range(2):
        assert command("report", target, "--data-dir", archive).exit_code == 0
    target.unlink()


def test_a_full_disk_leaves_the_old_page(
    command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old page is replaced only by a complete new one."""
    Path("page.html").write_text("old")

    def fail(*_paths: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "publish", fail)
    run = command("report", "page.html", "--data-dir", archive)
    assert run.exit_code == 1
    assert "No space left on device" in run.stderr
    assert Path("page.html").read_text() == "old"
    assert [path.name for path in Path.cwd().iterdir()] == ["page.html"]


def test_without_a_database_the_message_names_the_load_command(command: Command) -> None:
    """No page is written."""
    run = command("report", "page.html")
    assert run.exit_code == 2
    assert "gaussdb-tasks load" in run.stderr
    assert list(Path.cwd().iterdir()) == []


ENDLESS_QUERY = """
import signal, sys, threading
import pyarrow as pa
from gaussdb_tasks.cli import main
from gaussdb_tasks.cli.commands import report

def batches():
    # DuckDB reads the batches, so the signal is sent while the query runs.
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    while True:
        yield pa.record_batch({"n": [1]})

def run_endless_query(connection):
    reader = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())
    connection.register("endless", reader)
    connection.execute("select sum(n) from endless")

report.read_figures = run_endless_query
main()
"""


def test_ctrl_c_stops_a_running_query(archive: Path, tmp_path: Path) -> None:
    """No page is written."""
    run = subprocess.run(
        [sys.executable, "-c", ENDLESS_QUERY, "report", "page.html", "--data-dir", archive],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 130
    assert "stopped" in run.stderr
    assert "Traceback" not in run.stderr
    assert list(tmp_path.iterdir()) == []
