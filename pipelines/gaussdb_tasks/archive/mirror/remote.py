"""A remote that holds a copy of the archive: a directory or an object store, through fsspec.

Files are created on the condition that they do not exist. Nothing is ever overwritten.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final
from urllib.parse import urlsplit

from gaussdb_tasks.database import files
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.masking import mask_url_credentials
from gaussdb_tasks.model.times import Micros, to_datetime

_NO_OBJECT_LOCK: Final = "ObjectLockConfigurationNotFoundError"


class MirrorError(GaussdbTasksError):
    """A copy of the archive cannot be reached, written or read."""


class Remote:
    """A directory or an object store that holds a copy of the archive."""

    def __init__(self, url: str, retain_until: Micros | None = None) -> None:
        """Open a remote; this makes no call.

        Args:
            url: a path, or a URL that fsspec supports, such as ``s3://bucket/prefix``.
            retain_until: the end of the object lock of each new file; None for no lock.

        Raises:
            ConfigurationError: the URL is not supported, or a package for it is not installed.
        """
        import fsspec.core  # noqa: PLC0415 - slow, and needed only with a mirror

        self.name = _without_secrets(url)
        try:
            self._fs, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
        except ImportError as error:
            message = (
                f"--archive-url: a package for {self.name} is not installed; "
                "for s3://: pip install 'gaussdb-tasks[s3]'"
            )
            raise ConfigurationError(message) from error
        except ValueError as error:
            message = f"--archive-url: {self.name} is not a path, file:// or s3:// URL"
            raise ConfigurationError(message) from error
        self._root = str(root).rstrip("/")
        self._is_local = "file" in _protocols(self._fs)
        self._retain_until = None if retain_until is None else to_datetime(retain_until)
        self._lock: dict[str, Any] | None = None

    def put(self, name: str, content: bytes) -> None:
        """Create a file; accept an existing one with the same content.

        Raises:
            MirrorError: another file exists, or the remote cannot be written.
        """
        with self._one_error(name):
            try:
                self._put(name, content)
            except FileExistsError:
                if self._fs.cat_file(f"{self._root}/{name}") == content:
                    return
                message = (
                    f"{self.name}/{name} exists with other content: it is of another archive, or it"
                    " was changed; nothing was overwritten; choose another URL"
                )
                raise MirrorError(message) from None

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            MirrorError: it cannot be read.
        """
        with self._one_error(name):
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def remove(self, name: str) -> None:
        """Remove a file, if it exists.

        Raises:
            MirrorError: the remote refuses, such as while the file is locked.
        """
        with self._one_error(name), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder, sorted; empty if it does not exist.

        Raises:
            MirrorError: it cannot be listed.
        """
        path = f"{self._root}/{folder}" if folder else self._root
        with self._one_error(folder):
            try:
                found = self._fs.ls(path, detail=False, refresh=True)
            except FileNotFoundError:
                return []
        return sorted(str(each).rstrip("/").rpartition("/")[2] for each in found)

    def _put(self, name: str, content: bytes) -> None:
        if self._is_local:
            _put_locally(Path(self._root, name), content)
        else:
            path = f"{self._root}/{name}"
            self._fs.pipe_file(path, content, mode="create", **self._lock_arguments())

    def _lock_arguments(self) -> dict[str, Any]:
        """Return the arguments that lock a new file; none if the bucket has a default rule."""
        if self._retain_until is None:
            return {}
        if self._lock is None:
            self._lock = _lock_arguments(self._fs, self._root, self._retain_until, self.name)
        return self._lock

    @contextmanager
    def _one_error(self, name: str) -> Iterator[None]:
        """Turn any exception of a file system into one error."""
        try:
            yield
        except GaussdbTasksError:
            raise
        except Exception as error:
            cause = _hide_secrets(str(error).partition("\n")[0]) or type(error).__name__
            message = f"{self.name}/{name} cannot be reached, read or written: {cause}"
            raise MirrorError(message) from error


def _put_locally(path: Path, content: bytes) -> None:
    """Write a temporary file and link it, so that no file is incomplete or replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".half") as half:
        half.write(content)
        half.flush()
        os.fsync(half.fileno())
        os.link(half.name, path)
    files.sync(path.parent)


def _lock_arguments(fs: Any, root: str, retain_until: datetime, name: str) -> dict[str, Any]:
    bucket = root.partition("/")[0]
    try:
        answer = fs.call_s3("get_object_lock_configuration", Bucket=bucket)
    except AttributeError as error:
        message = f"--archive-lock: {name} is not an object store with object lock; omit the option"
        raise ConfigurationError(message) from error
    except Exception as error:
        if _NO_OBJECT_LOCK not in repr(error.__cause__) + repr(error) and not isinstance(
            error, FileNotFoundError
        ):
            raise
        message = f"--archive-lock: the bucket of {name} has no object lock; omit the option"
        raise ConfigurationError(message) from error
    if answer.get("ObjectLockConfiguration", {}).get("Rule"):
        return {}
    # In this mode, users with a special permission can still delete files, as a law may require.
    return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": retain_until}


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _without_secrets(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    if not parts.scheme:
        return url.rstrip("/")
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}".rstrip("/")
    # A colon left here belongs to a port, or to a password with a slash that was not encoded.
    return mask_url_credentials(shown) if ":" in host else shown


def _hide_secrets(text: str) -> str:
    for name, value in os.environ.items():
        if value and any(word in name for word in ("SECRET", "TOKEN", "PASSWORD")):
            text = text.replace(value, "[hidden]")
    return mask_url_credentials(text)
