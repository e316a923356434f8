"""Keep owner, group and permissions in the data directory those of the directory, whoever loads.

A load by root would otherwise leave files that the service's own user cannot replace, and a load
with another umask files that analysts cannot read.
"""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_ROOT: Final = 0
_OF_FILES: Final = 0o666


def give_to_owner(folder: Path) -> int:
    """Give what root made below a folder to the folder's owner and group; return how many.

    Only root can do so. Hard links are left alone: the other name may be a file of the system.
    """
    wanted = folder.stat()
    if os.geteuid() != _ROOT or wanted.st_uid == _ROOT:
        return 0
    count = 0
    # Through descriptors: nobody can exchange a folder for a link meanwhile.
    for _, names, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*names, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            is_single = stat.S_ISDIR(found.st_mode) or found.st_nlink == 1
            if found.st_uid == _ROOT and is_single:
                os.chown(
                    name,
                    wanted.st_uid,
                    wanted.st_gid,
                    dir_fd=descriptor,
                    follow_symlinks=False,
                )
                count += 1
    return count


def take_group(path: Path, folder: Path) -> None:
    """Give a file or folder the group of another folder, if this user is a member of it."""
    with suppress(PermissionError):
        os.chown(path, -1, folder.stat().st_gid)


def take_access(entry: Path, folder: Path) -> None:
    """Give an entry and its files the group and the permissions of the folder that it is for."""
    mode = stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU
    for path in (*entry.iterdir(), entry):
        take_group(path, folder)
        path.chmod(mode if path is entry else mode & _OF_FILES)


def give_new_file(descriptor: int, folder: Path) -> None:
    """Give an open file that root has made to the owner and group of its folder at once."""
    if os.geteuid() == _ROOT:
        wanted = folder.stat()
        os.fchown(descriptor, wanted.st_uid, wanted.st_gid)


def describe_mixture(folder: Path) -> str | None:
    """Describe what does not belong to a folder's owner, and the remedy; None if there is nothing.

    Looks at the files of the folder and at the entries of the archive, not into them.
    """
    try:
        owner = folder.stat()
        foreign = [path for path in _top_paths(folder) if path.lstat().st_uid != owner.st_uid]
    except OSError:
        return None  # the command reports a folder that cannot be read
    if not foreign:
        return None
    whose, right = _name(foreign[0].lstat().st_uid), _name(owner.st_uid)
    group = _group_name(owner.st_gid)
    return (
        f"{foreign[0]} belongs to {whose}, but the data directory to {right}"
        f"{f' ({len(foreign)} such files and folders)' if len(foreign) > 1 else ''}; a load as "
        f"{right} fails; run as root: chown -R {right}:{group} {shlex.quote(str(folder))}"
    )


def _top_paths(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from sorted(path.iterdir())


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _group_name(group_id: int) -> str:
    try:
        return grp.getgrgid(group_id).gr_name
    except KeyError:
        return str(group_id)
