"""The built wheel: it contains the SQL, and works without the checkout and without extras."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gaussdb_tasks.cli import cli
from tests.support import ROOT
from tests.support.every_command import LINES, OPTIONAL_PACKAGES, SERVER, task_center


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the build backend that is installed."""
    folder = tmp_path_factory.mktemp("dist")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    run = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / run.stdout.split()[-1]


def test_the_sql_is_inside(wheel: Path) -> None:
    """Every view, check and question, and their pages, are in the wheel, byte for byte."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {
            name.removeprefix("gaussdb_tasks/sql/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("gaussdb_tasks/sql/")
        }
    outside = {
        str(path.relative_to(ROOT / "sql")): path.read_bytes()
        for path in (ROOT / "sql").rglob("*.*")
    }
    assert inside == outside


def test_nothing_else_is_inside(wheel: Path) -> None:
    """The wheel has the package, the licence and the type marker, and no tests or data."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gaussdb_tasks"}
    assert "gaussdb_tasks/py.typed" in names
    page = {f"gaussdb_tasks/report/page.{suffix}" for suffix in ("html.j2", "css", "js")}
    assert page <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


# Runs each line of standard input as a command, and prints its exit code.
RUN_LINES = """
import json, os, sys
site, *missing = sys.argv[1:]
sys.path.insert(0, site)
sys.modules.update(dict.fromkeys(missing))
import gaussdb_tasks
assert gaussdb_tasks.__file__.startswith(site)
from gaussdb_tasks.cli import main
answers, sys.stdout = sys.stdout, sys.stderr
for text in sys.stdin:
    arguments, variables = json.loads(text)
    os.environ.update(variables)
    sys.argv = ["gaussdb-tasks", *arguments]
    try:
        main()
        code = 0
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    print(code, file=answers, flush=True)
"""


def test_the_wheel_works_alone_and_without_extras(wheel: Path, tmp_path: Path) -> None:
    """Every command runs from the unpacked wheel, with the optional packages hidden.

    `make test-tools` runs them in an environment without these packages.
    """
    assert {line.arguments[0] for line in LINES} | {SERVER} == {
        command.name for command in cli.subcommands
    }
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "work").mkdir()
    with (
        (tmp_path / "stderr").open("w+") as stderr,
        task_center() as center,
        subprocess.Popen(
            [sys.executable, "-c", RUN_LINES, tmp_path / "site", *OPTIONAL_PACKAGES],
            cwd=tmp_path / "work",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for line in LINES:
            print(
                json.dumps([line.arguments, center.prepare(line)]), file=process.stdin, flush=True
            )
            assert process.stdout.readline() == f"{line.exit_code}\n", (
                line,
                (tmp_path / "stderr").read_text(),
            )
        process.stdin.close()
    assert (tmp_path / "work" / "report.html").read_text().endswith("</html>\n")
