"""Explain errors of the operating system: what is wrong, whose setting it is, what to do."""

import errno
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gaussdb_tasks.errors import (
    ConfigurationError,
    DatabaseError,
    GaussdbTasksError,
    ResourceError,
    causes,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an error number means; ``is_setting`` if a retry does not help."""

    problem: str
    remedy: str
    is_setting: bool = True


_NO_PERMISSION: Final = _Kind(
    "this user has no permission",
    "run the command as its owner or as a member of its group, or fix owner and mode, also those "
    "of the folders above it",
)
_FULL: Final = _Kind("the disk is full", "free some space", is_setting=False)
_TOO_MANY_FILES: Final = _Kind(
    "too many files are open", "raise the limit: ulimit -n", is_setting=False
)
_KINDS: Final[Mapping[int, _Kind]] = MappingProxyType(
    {
        errno.EACCES: _NO_PERMISSION,
        errno.EPERM: _NO_PERMISSION,
        errno.ENOENT: _Kind("it does not exist", "check the path"),
        errno.ENOTDIR: _Kind("a part of the path is a file, not a folder", "check the path"),
        errno.EISDIR: _Kind("it is a folder, not a file", "check the path"),
        errno.EEXIST: _Kind("it exists already", "choose another name, or remove it"),
        errno.ELOOP: _Kind("its symbolic links lead in a circle", "remove or correct the link"),
        errno.ENAMETOOLONG: _Kind("its name is too long", "choose a shorter path"),
        errno.EROFS: _Kind(
            "it is on a read-only file system", "mount it writable, or choose another folder"
        ),
        errno.EXDEV: _Kind(
            "it is on another disk than its target", "keep the data directory on one file system"
        ),
        errno.EINVAL: _Kind("it cannot be used this way", "name a regular file or folder"),
        errno.ENOSPC: _FULL,
        errno.EDQUOT: _Kind(
            "the quota of this user is used up", "free some space", is_setting=False
        ),
        errno.EFBIG: _Kind(
            "the file is larger than allowed", "raise the limit: ulimit -f", is_setting=False
        ),
        errno.EIO: _Kind(
            "the disk cannot be read or written",
            "check the disk and the system log",
            is_setting=False,
        ),
        errno.EMFILE: _TOO_MANY_FILES,
        errno.ENFILE: _TOO_MANY_FILES,
        errno.ENOMEM: _Kind(
            "the memory is not sufficient", "give the process more memory", is_setting=False
        ),
    }
)
_ABOUT_MEMORY: Final = (
    *("Cannot allocate memory", "Out of Memory Error", "bad_alloc", "failed to allocate data of"),
    *("failed to map segment from shared object", "could not allocate block", "bad allocation"),
)
_ABOUT_THREADS: Final = ("can't start new thread", "Failed to launch worker thread")
_MIN_ADDRESS_SPACE_MIB: Final = 4096
"""Libraries reserve much more address space than memory; with less they end without a message."""
_ABOUT_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OF_PROCESS: Final = _ABOUT_SPACE | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_OF_MACHINE: Final = _OF_PROCESS | {
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR),
    *(errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO),
}
"""Errors that say nothing about the content of a file."""
_NAMES_PATHS: Final = ("IO Error: ", "[Errno ")


def explain(
    error: OSError, *, path: Path | str | None = None, setting: str = ""
) -> GaussdbTasksError:
    """Return an error of the package that explains one of the system, by its number.

    Args:
        error: the error of the system.
        path: the file or folder; None for the one that the error names.
        setting: the option or variable that names the path.
    """
    kind = _KINDS.get(error.errno or 0)
    named = path if path is not None else error.filename
    where = "" if named is None else f"{os.fsdecode(named)}: "
    source = f" (set by {setting})" if setting else ""
    reason = error.strerror or str(error)
    if kind is None:
        return DatabaseError(f"{where}{reason}{source}; correct the cause and run it again")
    space = _space(named) if error.errno in _ABOUT_SPACE else ""
    message = f"{where}{kind.problem} ({reason}); {space}{kind.remedy}{source}"
    if error.errno in _OF_PROCESS:
        return ResourceError(message)
    return ConfigurationError(message) if kind.is_setting else DatabaseError(message)


def explain_machine(
    error: BaseException, *, path: Path | str | None = None
) -> GaussdbTasksError | None:
    """Return an error that explains a fault of the machine; None if the content may be at fault.

    To be asked before a file that cannot be read is called damaged. A ``ResourceError`` would meet
    other files, too; the other faults are of this file.

    Args:
        error: what reading raised.
        path: the file that was read; None for the one that the error names.
    """
    of_memory = explain_memory(error)
    if of_memory is not None:
        return of_memory
    for current in causes(error):
        number = _number(current)
        if number in _OF_MACHINE:
            named = path if path is not None else getattr(current, "filename", None)
            return explain(OSError(number, os.strerror(number)), path=named)
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, PermissionError):  # so a store refuses
        return errno.EACCES
    return errno_in(own_words(error))


def refuse_fault_of_machine(error: BaseException, path: Path | str | None = None) -> None:
    """Raise what explains a fault of the machine; return if the content may be at fault.

    Raises:
        GaussdbTasksError: the machine is at fault.
    """
    explained = explain_machine(error, path=path)
    if explained is not None:
        raise explained from error


def own_words(error: BaseException) -> str:
    """Return the words of a library, without a value of a file that it quotes.

    Other errors are about the content of a file, and name it.
    """
    if isinstance(error, GaussdbTasksError) or type(error).__module__.startswith("msgspec"):
        return ""
    text = str(error)
    return text if text.startswith(_NAMES_PATHS) else text.partition('"')[0]


def explain_memory(error: BaseException) -> ResourceError | None:
    """Return an error that explains a lack of memory or threads; None if none led to an error.

    Libraries have their own errors for it, and wrap them; DuckDB and the loader of modules describe
    it in words.
    """
    for current in causes(error):
        text = own_words(current)
        if any(each in text for each in _ABOUT_THREADS):
            return ResourceError(
                "no thread can be started: the memory or the number of processes is limited; raise "
                "the limit (ulimit -v, ulimit -u, or the limits of the container or service)"
            )
        if isinstance(current, MemoryError) or any(each in text for each in _ABOUT_MEMORY):
            return ResourceError(
                "the memory is not sufficient; give the process more memory: raise ulimit -v, or "
                "the memory limit of the container or service"
            )
    return None


def refuse_small_address_space() -> None:
    """Refuse a limit of the address space (``ulimit -v``) at which libraries end the process.

    Raises:
        ConfigurationError: the limit is too low.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _MIN_ADDRESS_SPACE_MIB * 1024**2:
        message = (
            f"the address space of this process is limited to {limit // 1024**2:,} MiB (ulimit -v),"
            f" but at least {_MIN_ADDRESS_SPACE_MIB:,} MiB are needed; raise it; to limit the"
            " memory, use MemoryMax of systemd, or the memory limit of a container"
        )
        raise ConfigurationError(message)


def errno_in(text: str) -> int | None:
    """Return the error number whose description a text contains; None if it has none.

    DuckDB describes errors of the system in words only.
    """
    numbers = _KINDS.keys() | _OF_MACHINE
    return next((number for number in numbers if os.strerror(number) in text), None)


def _space(path: str | bytes | Path | None) -> str:
    folder = Path(os.fsdecode(path)) if path is not None else Path()
    while folder != folder.parent and not folder.is_dir():
        folder = folder.parent
    try:
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize // 1024**2
    except OSError:
        return ""
    return f"check its disk, which has {free:,} MB free: "
