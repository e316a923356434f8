"""Find the files that a scheduled load needs, and those that its user cannot read or write."""

import os
import pwd
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_READ: Final = 4
_WRITE: Final = 2
_ENTER: Final = 1
_ROOT: Final = 0
# A value that begins with a slash, in a file of variables or in YAML.
_NAMED_PATH: Final = re.compile(r"""[=:]\s*["']?(/[^\s"'#]+)""")


def program_paths(program: Path) -> Iterator[Path]:
    """Yield a program, its environment, and the Python that the environment is based on."""
    yield program
    python = program.resolve().parent / "python"
    if exists(python):
        yield python.parent.parent
        yield python.resolve().parent.parent


def paths_named_in(file: Path) -> Iterator[Path]:
    """Yield the existing files that a file of settings names, such as a CA bundle."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return
    for found in _NAMED_PATH.findall(text):
        path = Path(found)
        if exists(path) and path.is_file():
            yield path


def exists(path: Path) -> bool:
    """Return whether a path exists and can be looked at."""
    try:
        path.stat()
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A user of this machine, as the permissions of files see it."""

    name: str
    user_id: int
    group_ids: frozenset[int]
    home: Path

    @classmethod
    def named(cls, name: str) -> "ServiceUser | None":
        """Return a user of this machine; None if there is no such user."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        groups = frozenset(os.getgrouplist(name, entry.pw_gid))
        return cls(name, entry.pw_uid, groups, Path(entry.pw_dir))

    def reading_problem(self, path: Path) -> str | None:
        """Return why the user cannot read a file or a folder, and the remedy; None if it can."""
        return self._problem(path, _READ, "read")

    def writing_problem(self, folder: Path) -> str | None:
        """Return why the user cannot write files in a folder, and the remedy; None if it can."""
        return self._problem(folder, _READ | _WRITE, "write to")

    def _problem(self, path: Path, wanted: int, action: str) -> str | None:
        needs = [(each, _ENTER) for each in reversed(path.parents)]
        for each, permission in (*needs, (path, wanted)):
            try:
                status = each.stat()
            except FileNotFoundError:
                return self._missing(path, wanted)
            except OSError:
                return None  # whoever runs this cannot look there
            enter = _ENTER if stat.S_ISDIR(status.st_mode) else 0
            if not self._is_allowed(status, permission | enter):
                return (
                    f"{self.name} cannot {action} {path}: {each} has mode "
                    f"{stat.S_IMODE(status.st_mode):04o}; change its owner, group or mode"
                )
        return None

    def _missing(self, path: Path, wanted: int) -> str:
        if wanted == _READ:
            return f"{path} does not exist; create it, readable by {self.name}"
        return (
            f"{path} does not exist; run: "
            f"install -d -o {self.name} -m 0750 {shlex.quote(str(path))}"
        )

    def _is_allowed(self, status: os.stat_result, bits: int) -> bool:
        if self.user_id == _ROOT:
            return True
        if status.st_uid == self.user_id:
            shift = 6
        elif status.st_gid in self.group_ids:
            shift = 3
        else:
            shift = 0
        return status.st_mode >> shift & bits == bits
