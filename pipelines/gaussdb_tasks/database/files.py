"""Files that are whole or not there: cloning a file, and publishing one by rename."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, Final

# Linux: share the blocks of another file until one of the two is written (FICLONE of linux/fs.h).
_FICLONE: Final = 0x40049409
_NO_REFLINK: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL})


def clone(source: Path, target: Path) -> None:
    """Clone a file: at once where the file system shares blocks, by copying elsewhere."""
    if not shares_blocks(source, target):
        shutil.copyfile(source, target)


def shares_blocks(source: Path, target: Path) -> bool:
    """Make a file share the blocks of another; False where the file system cannot."""
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as error:
        if error.errno not in _NO_REFLINK:
            raise
        return False
    return True


def publish(source: Path, target: Path) -> None:
    """Put a file in the place of another, durably; who has the old one open keeps it.

    The content is on disk before its name is, and the name is on disk before this returns. Who may
    read the old one may read the new one.
    """
    if target.exists():
        _keep_access(target, source)
    sync(source)
    source.replace(target)
    sync(target.parent)


def move(source: Path, target: Path) -> None:
    """Put a file where none is, durably, also on another file system.

    Raises:
        OSError: it cannot be written there, or there is a file by now.
    """
    with source.open("rb") as reader, replacing(target) as writer:
        shutil.copyfileobj(reader, writer)


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Write a file whole, in the place of another or of none: half of it is never seen.

    A block that fails leaves what was there. A link stays a link; what it leads to is replaced.

    Raises:
        OSError: the file cannot be written there.
    """
    target = target.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():  # root could replace even /dev/null
        raise OSError(errno.EINVAL, "it is no file but a device or a pipe", str(target))
    with NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name[:64]}.", delete=False
    ) as half:
        path = Path(half.name)
        try:
            yield half.file  # type: ignore[misc]  # typeshed knows it as some file, not as binary
            half.flush()
            path.chmod(0o666 & ~_umask())  # as open() would; temporary files are private
            publish(path, target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _umask() -> int:
    # There is no other way to read it than to set it.
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _keep_access(old: Path, new: Path) -> None:
    status = old.stat()
    with suppress(PermissionError):  # a file can be given away by root only, and within its groups
        os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
