"""``report``: a page in a file or on stdout, whole or not at all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gaussdb_tasks import report
from gaussdb_tasks.database import files
from tests.support.commands import Command
from tests.support.report_archives import NOW, loaded, open_archive, write_archive
from tests.support.sample_archive import Row, task

DUCKDB_IN_PLACE = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
"""Another DuckDB in place of the pinned one, as `make test-duckdb-2` has it."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a task."""
    rows: dict[str, list[Row]] = {"tasks": [task()], **loaded()}
    return write_archive(tmp_path_factory.mktemp("archive") / "data", **rows)


def test_a_page_is_written(command: Command, archive: Path) -> None:
    """The file is a page of what the archive holds; nothing else is written or said."""
    run = command("report", "page.html", "--data-dir", archive, "--now", NOW)
    assert (run.exit_code, run.stdout, run.stderr) == (0, "", "")
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>\n")
    assert '<time datetime="2026-03-31T12:00:00Z">' in page
    assert str(archive) in page
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["page.html"]


def test_the_same_command_writes_the_same_bytes(command: Command, archive: Path) -> None:
    """Database and clock decide about every byte, also in another process, and on stdout."""
    command("report", "page.html", "--data-dir", archive, "--now", NOW)
    arguments = ["report", "-", "--data-dir", str(archive), "--now", NOW]
    run = subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", *arguments],
        env={"PYTHONHASHSEED": "7", "LC_ALL": "C", **DUCKDB_IN_PLACE},
        capture_output=True,
        check=True,
    )
    assert run.stdout == Path("page.html").read_bytes()
    assert run.stderr == b""


def test_the_clock_is_the_machines(command: Command, archive: Path) -> None:
    """Without --now, the page was made now."""
    command("report", "page.html", "--data-dir", archive)
    assert (
        f'<time datetime="{time.strftime("%Y-%m", time.gmtime())}' in Path("page.html").read_text()
    )


@pytest.mark.parametrize("home", ["", "/nowhere", "/proc"])
def test_it_works_without_a_home(archive: Path, tmp_path: Path, home: str) -> None:
    """No file is left in a home, nor is one needed, nor a word said about it."""
    run = subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", "report", "page.html", "--data-dir", archive],
        cwd=tmp_path,
        env={"HOME": home, "TMPDIR": str(tmp_path), **DUCKDB_IN_PLACE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_for_matplotlib_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the user has named one, that is used; else one that goes again."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    with report.without_traces():
        assert os.environ["MPLCONFIGDIR"] == str(tmp_path)
    monkeypatch.delenv("MPLCONFIGDIR")
    with report.without_traces():
        folder = Path(os.environ["MPLCONFIGDIR"])
        assert folder.is_dir()
    assert not folder.exists()
    assert "MPLCONFIGDIR" not in os.environ


@pytest.mark.parametrize("module", ["matplotlib", "jinja2"])
def test_what_is_not_installed_is_named(
    command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Without the extra, one sentence says what to install, and nothing is written."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == module or name.startswith("gaussdb_tasks.report.p"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("sys.meta_path", [_Refuser(module), *sys.meta_path])
    run = command("report", "page.html", "--data-dir", archive)
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert module in run.stderr
    assert "pip install 'gaussdb-tasks[report]'" in run.stderr
    assert list(Path.cwd().iterdir()) == []


class _Refuser:
    """Finds no module of a name, as if it were not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Refuse a module."""
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(name=self.name)


def test_a_file_that_cannot_be_written(command: Command, archive: Path) -> None:
    """A missing folder, a folder, a pipe: one sentence, exit 2, and what was there stays."""
    Path("folder").mkdir()
    os.mkfifo("pipe")
    for target in ("nowhere/page.html", "folder", "pipe"):
        run = command("report", target, "--data-dir", archive)
        assert run.exit_code == 2
        assert run.stderr.count("\n") == 1
        assert f"{target} cannot be written" in run.stderr
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["folder", "pipe"]
    assert list(Path("folder").iterdir()) == []


def test_the_record_is_not_overwritten(command: Command, archive: Path) -> None:
    """A slip of the pen does not put a page in place of the database, by any of its names."""
    database = archive / "gaussdb_tasks.duckdb"
    before = database.read_bytes()
    Path("link").symlink_to(database)
    for target in (database, Path("link")):
        run = command("report", target, "--data-dir", archive)
        assert run.exit_code == 2
        assert "belongs to the archive" in run.stderr
    assert database.read_bytes() == before


def test_a_page_may_lie_beside_the_database(command: Command, archive: Path) -> None:
    """A page in the data directory is written, and replaced the next time."""
    target = archive / "page.html"
    for _ in range(2):
        assert command("report", target, "--data-dir", archive).exit_code == 0
    target.unlink()


def test_a_disk_that_fills_leaves_the_old_page(
    command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the new page is whole, the old one stands."""
    Path("page.html").write_text("old")

    def fail(*_paths: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "publish", fail)
    run = command("report", "page.html", "--data-dir", archive)
    assert run.exit_code == 2
    assert "No space left on device" in run.stderr
    assert Path("page.html").read_text() == "old"
    assert [path.name for path in Path.cwd().iterdir()] == ["page.html"]


def test_there_is_no_database_yet(command: Command) -> None:
    """Before the first load, the sentence says how to make one."""
    run = command("report", "page.html")
    assert run.exit_code == 2
    assert "gaussdb-tasks load" in run.stderr
    assert list(Path.cwd().iterdir()) == []


def test_it_can_be_stopped(tmp_path: Path) -> None:
    """Ctrl-C while DuckDB works ends at once, and nothing is written."""
    archive = open_archive(tmp_path / "data")
    # A view that answers in hours.
    archive.connection.execute(
        "create or replace view main.failure_rates_by_day as select"
        " cast(max(hash(a + b)) as bigint)::varchar::date as created_date"
        " from range(10_000_000) as x (a), range(10_000_000) as y (b)"
    )
    archive.connection.close()
    with subprocess.Popen(
        [sys.executable, "-m", "gaussdb_tasks", "report", "page.html"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "stopped" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
