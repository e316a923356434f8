"""What people see: tables at three widths, byte by byte."""

from pathlib import Path

import pytest

from gaussdb_tasks.database.data_dir import DataDir
from tests.support.commands import Command, Run
from tests.support.golden_commands import Block, check, read_blocks

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("width", ["60", "100", "200"])
def test_tables(command: Command, data_dir: DataDir, width: str) -> None:
    """Ids are in one piece, and no line is wider than the screen."""
    assert data_dir.path == Path.cwd() / "data"
    path = GOLDEN / f"tables-{width}.txt"

    def answer(block: Block) -> Run:
        return command(*block.arguments, env={"COLUMNS": width})

    check(path, answer)
    for block in read_blocks(path):
        on_screen = block.output.partition("no room for:")[0]
        assert all(len(line) <= int(width) for line in on_screen.splitlines()), block.line
