"""The pages for ``man``: whole, and read without a warning."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

pytest.importorskip("click_man")

from tests.support.commands import contexts
from tests.support.man_pages import write_pages

CONTEXTS = list(contexts())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pages."""
    folder = tmp_path_factory.mktemp("man1")
    write_pages(folder)
    return folder


def test_every_command_has_a_page_with_all_of_its_help(pages: Path) -> None:
    """As `man` shows it: every option, and each example in a line of its own."""
    man = shutil.which("man")
    if man is None:
        pytest.skip("man is not installed")
    names = {f"{context.command_path.replace(' ', '-')}.1" for context in CONTEXTS}
    assert {page.name for page in pages.iterdir()} == names
    for context in CONTEXTS:
        run = subprocess.run(
            [man, "--warnings=all", "-l", pages / f"{context.command_path.replace(' ', '-')}.1"],
            env={"MANWIDTH": "2000", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stderr == ""
        shown = run.stdout
        for param in context.command.params:
            for name in param.opts if isinstance(param, click.Option) else ():
                assert name in shown
        lines = {line.strip() for line in shown.splitlines()}
        for line in (context.command.help or "").splitlines():
            if line.strip().startswith("gaussdb-tasks "):
                assert line.strip() in lines
        for subcommand in getattr(context.command, "subcommands", ()):
            assert subcommand.short_help in shown
