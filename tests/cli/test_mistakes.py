"""Natural mistakes, and what the command says: problem, cause, what to do."""

import re
from pathlib import Path

import pytest

from gaussdb_tasks.database.connect import open_database
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.commands import Command, Run
from tests.support.golden_commands import Block, check, read_blocks

GOLDEN = Path(__file__).parent / "golden" / "mistakes.txt"

SETTINGS = {
    "no-toml": "data-dir = data\n",
    "same-key-twice": 'region = "eu-de"\n\nregion = "eu-nl"\n',
    "unknown-option": 'data-dir = "data"\nregoin = "eu-de"\n',
    "unknown-command": "[lod]\nfull = true\n",
    "option-of-another-command": "# nightly\n[load]\nwarning-hours = 30\n",
    "number-as-text": '[load]\n\nconnections = "many"\n',
    "number-out-of-range": "[load]\nhorizon-days = 0\n",
    "flag-as-text": '[status]\ncheck = "yes"\n',
    "list": '[load]\narchive-url = ["a", "b"]\n',
    "fraction": "[load]\nhorizon-days = 3.5\n",
    "boolean-as-number": "[load]\nhorizon-days = true\n",
    "umask-as-number": "[load]\numask = 27\n",
    "empty-text": 'region = ""\n',
}


@pytest.fixture
def folder(command: Command, data_dir: DataDir) -> Path:
    """Return the current folder, with an archive to read and files of settings."""
    assert command is not None  # it enters the folder
    here = data_dir.path.parent
    for name, text in SETTINGS.items():
        (here / f"{name}.toml").write_text(text)
    (here / "other").mkdir()
    with open_database(here / "other" / data_dir.database.name) as connection:
        connection.execute("create table invoices (number integer)")
    (here / "circle.csv").symlink_to("circle.csv")
    return here


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_mistakes_are_understood(command: Command, folder: Path) -> None:
    """Each has its exit code and its words; nothing is written, and nothing is a traceback."""
    before = contents(folder)

    def answer(block: Block) -> Run:
        return command(*block.arguments, env=block.environment)

    check(GOLDEN, answer)
    assert contents(folder) == before
    for block in read_blocks(GOLDEN):
        assert re.search(r"^exit code [12]$", block.output, re.MULTILINE), block.line
        assert "Traceback" not in block.output


def test_there_are_many_mistakes() -> None:
    assert len(read_blocks(GOLDEN)) >= 40
