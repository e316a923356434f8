"""The data directory: the published database, the lock, and the scratch folder of a load."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gaussdb_tasks.database.ownership import describe_mixture, give_to_owner, take_group
from gaussdb_tasks.errors import ConfigurationError, LockedError
from gaussdb_tasks.os_errors import explain

DATABASE_NAME: Final = "gaussdb_tasks.duckdb"
ARCHIVE_NAME: Final = "archive"
_LOCK_NAME: Final = ".lock"
_HOLDER_NAME: Final = ".lock_holder"
_SCRATCH_NAME: Final = ".scratch"
_COPIES_NAME: Final = "archive-copies.json"
_OWN_NAMES: Final = frozenset(
    {
        *(DATABASE_NAME, f"{DATABASE_NAME}.wal", ARCHIVE_NAME, _COPIES_NAME),
        *(_LOCK_NAME, _HOLDER_NAME, _SCRATCH_NAME),
    }
)
# DuckDB takes these characters of a path for a pattern, or for the end of the path.


def refuse_own_path(path: Path, setting: str) -> None:
    """Refuse to write something else where a data directory keeps its data, as in its archive.

    Raises:
        ConfigurationError: the path belongs to a data directory.
    """
    place = Path(
        os.path.realpath(path)
    )  # resolve() raises an error of its own for a circle of links
    for each in (place, *place.parents):
        marks = (each.parent / _LOCK_NAME, each.parent / DATABASE_NAME)
        if each.name in _OWN_NAMES and any(map(os.path.isfile, marks)):
            message = (
                f"{path}: the data directory {each.parent} keeps its own data there; choose "
                f"another path (set by {setting})"
            )
            raise ConfigurationError(message)


@dataclass(frozen=True)
class DataDir:
    """A directory that holds one database and its archive."""

    path: Path

    @property
    def database(self) -> Path:
        """The database that analysts read."""
        return self.path / DATABASE_NAME

    @property
    def archive(self) -> Path:
        """The folder that keeps every load as plain files."""
        return self.path / ARCHIVE_NAME

    @property
    def copies_state(self) -> Path:
        """The file with the state of the archive's copies."""
        return self.path / _COPIES_NAME

    def prepare(self) -> None:
        """Make the directory if it does not exist.

        Raises:
            ConfigurationError: it cannot be made or written, or dlt cannot work in it.
        """
        self.refuse_unusable_path()
        refuse_own_path(self.path, "--data-dir")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_other_kinds()
            (self.path / _LOCK_NAME).touch()
            take_group(self.path / _LOCK_NAME, self.path)
        except OSError as error:
            explained = explain(error, setting="--data-dir")
            message = f"the data directory {self.path} cannot be written: {explained}"
            raise type(explained)(message) from error
        self._refuse_unusable_archive()

    def mixture(self) -> str | None:
        """Describe what does not belong to the directory's owner; None if there is nothing.

        While a load by root runs, there may be: it gives everything to the owner at its end.
        """
        found = describe_mixture(self.path)
        return None if found is None or self.is_locked() else found

    def refuse_unusable_path(self) -> None:
        """Refuse a path that the libraries of a load cannot work in.

        Raises:
            ConfigurationError: it has one of some characters.
        """
        # dlt 1.31 writes the path of its files into SQL between quotes without escaping it, and
        # takes it for a format. DuckDB puts the name of its log before the first question mark, and
        # takes the path of a Parquet file for a pattern.
        found = [each for each in "'%?*[" if each in str(self.path.absolute())]
        if found:
            message = (
                f"{self.path}: a data directory must not have {found[0]} in its path; choose "
                "another with --data-dir"
            )
            raise ConfigurationError(message)

    def _refuse_unusable_archive(self) -> None:
        """Refuse an archive that a load could not add its entry to, before anything is read."""
        try:
            device = self.archive.stat().st_dev
        except FileNotFoundError:
            return
        if device != self.path.stat().st_dev:
            # A finished entry is renamed into the archive; a rename works on one file system only.
            message = (
                f"{self.archive} is on another file system than {self.path}; keep the whole data "
                "directory on one"
            )
            raise ConfigurationError(message)
        if not os.access(self.archive, os.W_OK | os.X_OK):
            message = f"{self.archive} cannot be written by this user; fix its owner and mode"
            raise ConfigurationError(describe_mixture(self.path) or message)

    def _refuse_other_kinds(self) -> None:
        """Refuse links, pipes and folders in place of what this program writes.

        A link leads elsewhere: a file there would be created, changed or left in place of this one.

        Raises:
            ConfigurationError: there is one.
        """
        own_files = (self.database, self.path / _LOCK_NAME, self.copies_state)
        for path, has_kind in (
            *((path, Path.is_file) for path in own_files),
            (self.path / _SCRATCH_NAME, Path.is_dir),
        ):
            if path.is_symlink() or (path.exists() and not has_kind(path)):
                message = (
                    f"{path} is a symbolic link, or of another kind than this program creates; put "
                    "the data there itself and remove this, or make --data-dir the link"
                )
                raise ConfigurationError(message)

    @contextmanager
    def locked(self, run_id: str | None = None) -> Iterator[None]:
        """Hold the lock; the system releases it when the process ends, even if it is killed.

        What root makes meanwhile is given to the owner of the directory.

        Args:
            run_id: the load that holds it, for the message to others; None for other commands.

        Raises:
            LockedError: another load holds it; the message names its process.
        """
        import filelock  # noqa: PLC0415 - slow to import; commands that only read take no lock

        from gaussdb_tasks.database.lock_holder import (  # noqa: PLC0415
            read_holder,
            recorded_holder,
        )

        lock = filelock.FileLock(self.path / _LOCK_NAME)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            holder = read_holder(self.path / _HOLDER_NAME)
            message = f"another load is working in {self.path}{holder}"
            raise LockedError(message) from error
        try:
            with recorded_holder(self.path / _HOLDER_NAME, run_id):
                yield
        finally:
            give_to_owner(self.path)
            lock.release()

    @contextmanager
    def locked_with_archive(self) -> Iterator[None]:
        """Hold the lock of a directory that has an archive.

        Raises:
            ConfigurationError: it has no archive, or cannot be written.
            LockedError: a load holds the lock.
        """
        if not self.archive.is_dir():
            message = f"there is no archive in {self.path}; name its directory with --data-dir"
            raise ConfigurationError(message)
        self.prepare()
        with self.locked():
            yield

    def is_locked(self) -> bool:
        """Return whether a load holds the lock; False if that cannot be found out."""
        path = self.path / _LOCK_NAME
        if path.is_symlink() or not path.is_file():  # no load accepts another kind
            return False
        try:
            with path.open("rb") as file:  # closing it releases the lock, as filelock does
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @contextmanager
    def scratch(self, run_id: str) -> Iterator[Path]:
        """Make a scratch folder for one load, and remove it when the load ends.

        It is in the data directory, since a rename works inside one file system only. The lock
        must be held: scratch folders of earlier loads are removed.
        """
        root = self.path / _SCRATCH_NAME
        if root.exists():  # a load was killed
            shutil.rmtree(root)
        folder = root / run_id
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(root, ignore_errors=True)
