"""The data directory: the database that analysts read, the lock, and the scratch of a load."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock

from gaussdb_tasks.errors import ConfigurationError, LockedError

DATABASE_NAME: Final = "gaussdb_tasks.duckdb"
ARCHIVE_NAME: Final = "archive"
_LOCK_NAME: Final = ".lock"
_SCRATCH_NAME: Final = ".scratch"


@dataclass(frozen=True)
class DataDir:
    """A directory with one database in it."""

    path: Path

    @property
    def database(self) -> Path:
        """The published database."""
        return self.path / DATABASE_NAME

    @property
    def archive(self) -> Path:
        """The folder with every night as plain files."""
        return self.path / ARCHIVE_NAME

    def prepare(self) -> None:
        """Make the directory, if need be.

        Raises:
            ConfigurationError: it cannot be made or written, or dlt could not work in it.
        """
        if "'" in str(self.path.absolute()):
            # dlt 1.31 puts the path of its files between quotes into SQL, as it is.
            message = f"{self.path}: a data directory must not have a quote (') in its path"
            raise ConfigurationError(message)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _LOCK_NAME).touch()
        except OSError as error:
            message = (
                f"the data directory {self.path} cannot be written ({error.strerror}); "
                "choose another with --data-dir, or mend its owner and mode"
            )
            raise ConfigurationError(message) from error
        if self.database.is_symlink():
            # A rename would put a file in place of the link, and leave what it points to behind.
            message = (
                f"{self.database} is a symbolic link; put the database there itself, or make "
                "--data-dir the link"
            )
            raise ConfigurationError(message)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; the system frees it when the process ends, however it ends.

        Raises:
            LockedError: another load holds it.
        """
        lock = filelock.FileLock(self.path / _LOCK_NAME)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout as error:
            message = f"another load is working in {self.path}; nothing was done"
            raise LockedError(message) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def locked_with_archive(self) -> Iterator[None]:
        """Hold the lock of a directory that has an archive.

        Raises:
            ConfigurationError: it has none, or cannot be written.
            LockedError: a load holds the lock.
        """
        if not self.archive.is_dir():
            message = f"there is no archive in {self.path}; name its directory with --data-dir"
            raise ConfigurationError(message)
        self.prepare()
        with self.locked():
            yield

    def is_locked(self) -> bool:
        """Tell whether a load is at work; False where that cannot be found out."""
        if not (self.path / _LOCK_NAME).exists():
            return False
        lock = filelock.FileLock(self.path / _LOCK_NAME)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return True
        except OSError:  # a medium that cannot be written: nobody loads into it
            return False
        lock.release()
        return False

    @contextmanager
    def scratch(self, run_id: str) -> Iterator[Path]:
        """Make a scratch folder for one load; it goes when the load ends, and so do older ones.

        It lies in the data directory, since a rename publishes only inside one file system. To be
        used with the lock held.
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
