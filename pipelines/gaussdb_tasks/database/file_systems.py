"""Detect network file systems, on which a data directory is not safe."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")

NETWORK_REMEDY: Final = (
    "where locks, renames and open files are not reliable; keep it on a disk of "
    "this machine and copy it from there"
)

_NETWORK_KINDS: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
_NETWORK_FUSE_KINDS: Final = re.compile(
    r"fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|davfs|curlftpfs|goofys|juicefs)"
)
_OCTAL_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of the network file system that holds a path; None for a local disk.

    Also None if the system has no list of mounts: only Linux has one.
    """
    kind = _file_system(path.resolve(), mounts)
    if kind in _NETWORK_KINDS or _NETWORK_FUSE_KINDS.match(kind):
        return kind
    return None


def _file_system(path: Path, mounts: Path) -> str:
    if not mounts.exists():
        return ""
    # The innermost mount holds the path; of several on one mount point, the last one.
    found = [
        (len(point.parts), kind)
        for point, kind in _mounted(mounts)
        if point in (path, *path.parents)
    ]
    return max(reversed(found), key=lambda each: each[0], default=(0, ""))[1]


def _mounted(mounts: Path) -> Iterator[tuple[Path, str]]:
    """Yield the mount point and the kind of each mount; the format is in proc(5)."""
    for line in mounts.read_text("utf-8", "replace").splitlines():
        before, _, after = line.partition(" - ")
        point = _OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4])
        yield Path(point), after.split(" ")[0]
