"""A remote that holds a copy of the archive: a directory or an object store, through fsspec.

A file counts as copied only after it was read back. An existing file is compared, never replaced.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Final
from urllib.parse import urlsplit

from gaussdb_tasks.archive.mirror import directory, object_store
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.known_secrets import in_one_line, mask, remember_url_credentials
from gaussdb_tasks.model.times import Micros, to_datetime
from gaussdb_tasks.os_errors import explain

MAX_NAME_LENGTH: Final = 80
"""Longest name of a remote's file that a message repeats whole."""

_MAX_CAUSE_LENGTH: Final = 300
# A store that sends less has stopped, as far as a nightly load is concerned.
_MIN_BYTES_PER_SECOND: Final = 50_000
_CALL_SECONDS: Final = 300.0


# So stores answer that do not know the condition of a request.
_UNKNOWN: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
_FORMS: Final = re.compile(r"file:///.|(?:s3|s3a)://(?:[^/]*@)?[^/?#@]+(?:[/?]|$)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class MirrorError(GaussdbTasksError):
    """A copy of the archive cannot be reached, written or read."""


class UnreadableFileError(MirrorError):
    """One file of a copy is missing, closed, or longer than expected."""


class Remote:
    """A directory or an object store that holds a copy of the archive."""

    def __init__(
        self,
        url: str,
        retain_until: Micros | None = None,
        *,
        is_overwriting: bool = False,
        option: str = "--archive-url",
    ) -> None:
        """Open a remote; this makes no call.

        Args:
            url: a path, ``file:///path`` or ``s3://bucket/prefix``.
            retain_until: the end of the object lock of each new file; None for no lock.
            is_overwriting: whether the store cannot create on condition, so that none is sent.
            option: the option that gave the URL, for messages.

        Raises:
            ConfigurationError: the URL is not supported, or a package for it is not installed.
        """
        import fsspec.core  # noqa: PLC0415 - slow, and needed only with a mirror

        refuse_other_urls(url, option=option)
        self._option = option
        self.name = _without_secrets(url)
        is_s3 = fsspec.core.split_protocol(url)[0] in object_store.PROTOCOLS
        options = object_store.options() if is_s3 else {}
        try:
            self._fs, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
        except ImportError as error:
            message = (
                f"{option}: a package for {self.name} is not installed; "
                "for s3://: pip install 'gaussdb-tasks[s3]'"
            )
            raise ConfigurationError(message) from error
        self._root = str(root).rstrip("/")
        self.path = None if is_s3 else Path(str(root))
        """The directory of the copy; None for an object store."""
        self._is_overwriting = is_overwriting
        self._retain_until = None if retain_until is None else to_datetime(retain_until)
        self._lock: dict[str, Any] | None = None

    def check_directory(self) -> None:
        """Check that files can be made in a directory; it is not made yet. Other remotes pass.

        Raises:
            MirrorError: they cannot; its exit code says whether the setting is wrong.
        """
        if self.path is None:
            return
        try:
            TemporaryFile(dir=_nearest_existing(self.path.absolute())).close()
        except OSError as error:
            raise self._explained(error, self.name, MirrorError) from error

    def put(self, name: str, content: bytes, *, exists: bool) -> None:
        """Create a file, and read it back; one that exists, as a listing says, is compared.

        Raises:
            MirrorError: another file exists, or the remote does not keep what it gets.
        """
        is_created = not exists and self._create(name, content)
        if self._holds(name, content):
            return
        if is_created:
            message = (
                f"{self.name}/{name} reads back with other bytes than were written; the store does "
                "not keep what it gets; remove this file there, and choose another store"
            )
        else:
            message = (
                f"{self.name}/{name} exists with other content: it is of another archive, or it"
                " was changed; nothing was overwritten; choose another URL"
            )
        raise MirrorError(message)

    def read(self, name: str, max_bytes: int) -> bytes:
        """Read a file.

        Raises:
            UnreadableFileError: it is missing, closed, or longer than ``max_bytes``.
            MirrorError: the remote cannot be read.
        """
        with TemporaryDirectory(prefix="gaussdb-tasks-") as folder:
            target = Path(folder, "file")
            self.fetch(name, target, max_bytes)
            return target.read_bytes()

    def fetch(self, name: str, target: Path, max_bytes: int) -> None:
        """Copy a file to this machine, without reading it into memory.

        Raises:
            UnreadableFileError: it is missing, closed, or longer than ``max_bytes``.
            MirrorError: the remote cannot be read.
        """
        with self._one_error(name):
            if self.path is not None:
                source = self.path / name
                _bound(f"{self.name}/{name}", source.lstat().st_size, max_bytes)
                directory.fetch(source, target)
                return
            self._fs.get_file(
                f"{self._root}/{name}",
                str(target),
                callback=_bounded(f"{self.name}/{name}", max_bytes),
                timeout=_seconds(max_bytes),
            )

    def remove(self, name: str) -> None:
        """Remove a file, if it exists.

        Raises:
            MirrorError: the remote refuses, such as while the file is locked.
        """
        with self._one_error(name), suppress(FileNotFoundError):
            if self.path is not None:
                (self.path / name).unlink()
            else:
                self._fs.rm_file(f"{self._root}/{name}", timeout=_CALL_SECONDS)

    def folders(self) -> list[str]:
        """Return the names of the folders, sorted; empty if the remote does not exist.

        Raises:
            MirrorError: it cannot be listed.
        """
        with self._one_error(""), suppress(FileNotFoundError):
            if self.path is not None:
                return sorted(directory.list_folders(self.path))
            return sorted(object_store.list_folders(self._fs, self._root, _CALL_SECONDS))
        return []

    def files(self, folder: str = "") -> dict[str, int]:
        """Return the size in bytes of each file below a folder, by its name relative to the folder.

        Raises:
            MirrorError: the remote cannot be listed.
        """
        root = f"{self._root}/{folder}" if folder else self._root
        with self._one_error(folder), suppress(FileNotFoundError):
            if self.path is not None:
                return dict(directory.list_files(Path(root)))
            return dict(object_store.list_files(self._fs, root, _CALL_SECONDS))
        return {}

    def _create(self, name: str, content: bytes, *, is_again: bool = False) -> bool:
        """Create a file; return False if it exists."""
        try:
            with self._one_error(name):
                self._send(name, content)
        except MirrorError as error:
            status, code = object_store.answer_of(error)
            if (
                isinstance(error.__cause__, FileExistsError)
                or status == HTTPStatus.PRECONDITION_FAILED
                or code == "PreconditionFailed"
            ):
                return False
            # Another request for the same file was in progress.
            if status == HTTPStatus.CONFLICT and not is_again:
                return self._create(name, content, is_again=True)
            if (status in _UNKNOWN or code == "NotImplemented") and not self._is_overwriting:
                answer = f"{status or ''} {code}".strip()
                message = (
                    f"{error} ({answer}); if the store cannot create a file on condition, use "
                    "--archive-overwrite"
                )
                raise MirrorError(message) from error
            raise
        return True

    def _send(self, name: str, content: bytes) -> None:
        if self.path is not None:
            directory.create(self.path / name, content)
            return
        self._fs.pipe_file(
            f"{self._root}/{name}",
            content,
            mode="overwrite" if self._is_overwriting else "create",
            timeout=_seconds(len(content)),
            **object_store.upload_arguments(content),
            **self._lock_arguments(),
        )

    def _holds(self, name: str, content: bytes) -> bool:
        try:
            return self.read(name, len(content)) == content
        except _TooLongError:
            return False

    def _lock_arguments(self) -> dict[str, Any]:
        """Return the arguments that lock a new file; none if the bucket has a default rule."""
        if self._retain_until is None:
            return {}
        if self._lock is None:
            self._lock = object_store.lock_arguments(
                self._fs, self._root, self._retain_until, self.name
            )
        return dict(self._lock)

    @contextmanager
    def _one_error(self, name: str) -> Iterator[None]:
        """Turn any exception of a file system into one error."""
        where = f"{self.name}/{name[:MAX_NAME_LENGTH]}".rstrip("/")
        try:
            yield
        except (GaussdbTasksError, FileNotFoundError) as error:
            if isinstance(error, GaussdbTasksError):
                raise
            message = f"{where} does not exist"
            raise UnreadableFileError(message) from error
        except Exception as error:
            kind = UnreadableFileError if isinstance(error, PermissionError) else MirrorError
            if self.path is not None and isinstance(error, OSError) and error.errno is not None:
                raise self._explained(error, where, kind) from error
            message = f"{where} cannot be reached, read or written: {_cause(error)}"
            raise kind(message) from error

    def _explained(self, error: OSError, where: str, kind: type[MirrorError]) -> MirrorError:
        """Explain an error of a directory like those of other folders."""
        explained = explain(error, path=where, setting=self._option)
        raised = kind(*explained.lines)
        raised.exit_code = explained.exit_code
        return raised


def _nearest_existing(path: Path) -> Path:
    """Return the deepest folder that exists above a path, or the path itself."""
    while True:
        try:
            path.stat()
        except FileNotFoundError:
            if path.is_symlink():  # a link to nothing: no folder can be made there
                raise
            path = path.parent
        else:
            return path


def _seconds(size: int) -> float:
    """Return how long the transfer of some bytes may take."""
    return _CALL_SECONDS + size / _MIN_BYTES_PER_SECOND


class _TooLongError(UnreadableFileError):
    """A file is longer than expected."""


def _bound(name: str, size: int | None, max_bytes: int) -> None:
    if size is not None and size > max_bytes:
        message = f"{name} is longer than expected: more than {max_bytes:,} bytes"
        raise _TooLongError(message)


def _bounded(name: str, max_bytes: int) -> Any:
    """Return a callback of fsspec that stops a copy of too many bytes."""
    from fsspec.callbacks import Callback  # noqa: PLC0415 - slow, and needed only with a mirror

    class Bounded(Callback):  # type: ignore[misc]  # fsspec has no types
        def call(self, *_arguments: Any, **_more: Any) -> None:
            _bound(name, max(self.size or 0, self.value), max_bytes)

    return Bounded()


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not answer in time"
    if type(error).__name__ == "NoCredentialsError":  # of botocore, which is optional
        return f"there are no credentials; {object_store.CREDENTIALS_REMEDY}"
    first_line = str(error).partition("\n")[0]
    return in_one_line(first_line, _MAX_CAUSE_LENGTH) or type(error).__name__


def refuse_other_urls(url: str, *, option: str) -> None:
    """Refuse what is neither a path nor a URL of a directory or bucket.

    A mistyped ``s3:/bucket`` would be the name of a folder of this machine.

    Raises:
        ConfigurationError: it is something else.
    """
    remember_url_credentials(url)
    if _SCHEME.match(url) and not _FORMS.match(url):
        message = (
            f"{option}: {mask(url)} is not a path, file:// or s3:// URL; write it like "
            "/srv/copy, file:///srv/copy or s3://BUCKET/PREFIX; ./ goes before the name of a "
            "folder with a colon"
        )
        raise ConfigurationError(message)


def _without_secrets(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    if not parts.scheme:
        return url.rstrip("/")
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}".rstrip("/")
    # A colon left here belongs to a port, or to a password with a slash that was not encoded.
    return mask(shown) if ":" in host else shown
