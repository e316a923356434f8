"""Command lines with their expected output, in text files that people read.

A block of a file is ``$ [NAME=VALUE] gaussdb-tasks ...``, what the command writes, and its exit
code if that is not 0. With ``UPDATE_GOLDEN=1`` a test writes the file again, to be reviewed.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from tests.support.commands import Run

IS_UPDATING = os.environ.get("UPDATE_GOLDEN") == "1"
_PROMPT = "$ "


class Block(NamedTuple):
    """A command line, and what it writes."""

    line: str
    output: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables before the name of the program."""
        pairs = (word.partition("=") for word in self._words[: self._words.index("gaussdb-tasks")])
        return {name: value for name, _, value in pairs}

    @property
    def arguments(self) -> list[str]:
        """The words after the name of the program."""
        return self._words[self._words.index("gaussdb-tasks") + 1 :]

    @property
    def _words(self) -> list[str]:
        return shlex.split(self.line)


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a file."""
    blocks = re.split(rf"^{re.escape(_PROMPT)}", path.read_text(), flags=re.MULTILINE)[1:]
    lines = (block.partition("\n") for block in blocks)
    return [Block(line, output.strip("\n")) for line, _, output in lines]


def check(path: Path, answer: Callable[[Block], Run]) -> None:
    """Compare each block of a file with what the command writes now."""
    blocks = read_blocks(path)
    answers = [block._replace(output=_shown(answer(block))) for block in blocks]
    if IS_UPDATING:
        path.write_text(_text(answers))
    found, expected = _text(answers), _text(blocks)
    assert found == expected, "\n".join(unified_diff(expected.splitlines(), found.splitlines()))


def _shown(run: Run) -> str:
    text = (run.stdout + run.stderr).replace(f"{Path.cwd()}/", "<folder>/")
    # The words after the colon are those of the installed DuckDB.
    text = re.sub(r"(DuckDB cannot answer '.*?': ).*", r"\1...", text)
    without_times = re.sub(r"^\d{4}-\d\d-\d\dT[\d:]+Z ", "", text, flags=re.MULTILINE)
    without_digests = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", without_times)
    code = f"exit code {run.exit_code}" if run.exit_code else ""
    return f"{without_digests.rstrip()}\n{code}".strip("\n")


def _text(blocks: Iterable[Block]) -> str:
    return "\n".join(f"{_PROMPT}{block.line}\n{block.output}\n" for block in blocks)
