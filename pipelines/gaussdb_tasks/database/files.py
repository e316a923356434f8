"""Clone a file, and replace a file atomically and durably."""

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

from gaussdb_tasks.database.ownership import take_group

# Linux: share the blocks of another file until one of the two changes (FICLONE in linux/fs.h).
_FICLONE: Final = 0x40049409
_NO_REFLINK: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL})


def open_regular(path: Path) -> BinaryIO:
    """Open a file that anybody may have put there; a pipe would never end, a link leads elsewhere.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it cannot be read, or it is a link, or not a file.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        message = "it is a link, or not a file"
        raise OSError(message)
    # The flags are for a file that is replaced in between.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def clone(source: Path, target: Path) -> None:
    """Clone a file: share its blocks if the file system can, else copy it."""
    if not shares_blocks(source, target):
        shutil.copyfile(source, target)


def shares_blocks(source: Path, target: Path) -> bool:
    """Make a file share the blocks of another; return False if the file system cannot."""
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as error:
        if error.errno not in _NO_REFLINK:
            raise
        return False
    return True


def publish(source: Path, target: Path) -> None:
    """Replace a file by another one durably; readers that have the old file open keep it.

    The content is synced before the rename, and the folder after it. The new file gets the owner
    and the mode of the old one; the first one gets the group of its folder.
    """
    if target.exists():
        _keep_access(target, source)
    else:
        take_group(source, target.parent)
    sync(source)
    source.replace(target)
    sync(target.parent)


def move(source: Path, target: Path) -> None:
    """Copy a file durably to another place, also on another file system.

    Raises:
        OSError: it cannot be written there.
    """
    with source.open("rb") as reader, replacing(target) as writer:
        shutil.copyfileobj(reader, writer)


@contextmanager
def replacing(target: Path, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Write a file atomically: readers find the old content or the new content, never a part.

    If the block fails, the old file stays. A symbolic link stays; its target is replaced. Without
    ``mode`` the file keeps its mode, and a new one has that of the umask.

    Raises:
        OSError: the file cannot be written there.
    """
    target = require_replaceable(target)
    with NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name[:64]}.", delete=False
    ) as half:
        path = Path(half.name)
        try:
            yield half.file  # type: ignore[misc]  # typeshed does not declare it as binary
            half.flush()
            path.chmod(0o666 & ~_umask())  # as open() would; temporary files are private
            publish(path, target)
            if mode is not None:
                target.chmod(mode)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def require_replaceable(target: Path) -> Path:
    """Find out, before work begins, whether ``replacing`` could write a file.

    Returns:
        The file to which links lead.

    Raises:
        OSError: the file cannot be written there.
    """
    target = Path(os.path.realpath(target))
    if target.is_symlink():  # resolve() would raise an error of its own, in some Pythons
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():  # root could replace even /dev/null
        raise OSError(errno.EINVAL, "it is not a file but a device or a pipe", str(target))
    if not target.parent.is_dir():
        number = errno.ENOTDIR if target.parent.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(target.parent))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target.parent))
    return target


def _umask() -> int:
    # The system has no call that reads it without setting it.
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _keep_access(old: Path, new: Path) -> None:
    status = old.stat()
    with suppress(PermissionError):  # only root may change the owner
        os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
