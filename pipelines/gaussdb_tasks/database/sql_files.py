"""Where the SQL lies: inside the installed package, or in `sql/` of a checkout."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from gaussdb_tasks.errors import GaussdbTasksError

_SUFFIX: Final = ".sql"
_ORDER: Final = re.compile(r"^-- (order by .+)$", re.MULTILINE)


class SqlFileError(GaussdbTasksError):
    """A file of SQL is missing, or is not what its place and name promise."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file of SQL: its name without the suffix, which is the name of what it holds; its text."""

    name: str
    text: str

    @property
    def order(self) -> str:
        """The clause in which its rows are best read; views themselves have no order."""
        match = _ORDER.search(self.text)
        return match[1] if match else "order by all"


def view_files() -> tuple[SqlFile, ...]:
    """Read the definitions of all views, in order of their names."""
    return _read(_sql_folder())


def check_files() -> tuple[SqlFile, ...]:
    """Read all data checks, in order of their names."""
    return _read(_sql_folder() / "checks")


def example_files() -> tuple[SqlFile, ...]:
    """Read all saved questions, in order of their names."""
    return _read(_sql_folder() / "examples")


def _sql_folder() -> Traversable:
    packaged = files("gaussdb_tasks") / "sql"
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parents[3] / "sql"
    if checkout.is_dir():
        return checkout
    message = f"the SQL of gaussdb-tasks is neither in {packaged} nor in {checkout}; install again"
    raise SqlFileError(message)


def _read(folder: Traversable) -> tuple[SqlFile, ...]:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return tuple(
        SqlFile(entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8"))
        for entry in entries
        if entry.name.endswith(_SUFFIX)
    )
