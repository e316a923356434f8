"""What is particular to a mirror in a directory: files are linked into place, links are ignored."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from gaussdb_tasks.database import files

_UNFINISHED: Final = ".half"


def create(path: Path, content: bytes) -> None:
    """Write a temporary file and link it, so that no file is incomplete or replaced.

    Raises:
        FileExistsError: the file exists.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=_UNFINISHED) as half:
        half.write(content)
        half.flush()
        os.fsync(half.fileno())
        os.link(half.name, path)
    files.sync(path.parent)


def list_files(root: Path) -> Iterator[tuple[str, int]]:
    """Yield the name, relative to a root, and the size in bytes of each file below the root.

    Links are omitted, and files of a copy that was killed.

    Raises:
        OSError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    for folder, _folders, names in os.walk(root, onerror=refuse):  # does not follow links
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and not name.endswith(_UNFINISHED):
                yield str(path.relative_to(root)), status.st_size


def list_folders(root: Path) -> Iterator[str]:
    """Yield the names of the folders directly below a root.

    Raises:
        OSError: the root cannot be read.
    """
    yield from (path.name for path in root.iterdir() if path.is_dir() and not path.is_symlink())


def fetch(path: Path, target: Path) -> None:
    """Copy a file.

    Raises:
        OSError: it cannot be read, or it is a link, or not a file.
    """
    with files.open_regular(path) as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
