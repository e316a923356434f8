"""The built wheel: it has the SQL inside, and works without the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT


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
    """Every view, check and question, and their pages, are in the wheel, to the byte."""
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
    """Neither tests nor data of the checkout are shipped; the licence and the types are."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gaussdb_tasks"}
    assert "gaussdb_tasks/py.typed" in names
    assert {"gaussdb_tasks/report/page.html.j2", "gaussdb_tasks/report/page.css"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked somewhere else, it finds its SQL, loads the demo and writes a report."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import gaussdb_tasks\n"
        f"assert gaussdb_tasks.__file__.startswith({str(tmp_path)!r})\n"
        "from gaussdb_tasks.cli import cli\n"
        "cli.main(['demo', '--nights', '1', '--tasks-per-day', '3'], standalone_mode=False)\n"
        "cli.main(['report', 'r.html', '--data-dir', 'data/demo'], standalone_mode=False)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "How long tasks take" in run.stdout
    assert (tmp_path / "r.html").read_text().endswith("</html>\n")
