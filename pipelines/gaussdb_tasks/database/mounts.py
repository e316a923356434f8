"""On which kind of file system the data directory lies."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")

ON_A_DISK: Final = (
    "where locks, renames and readers of a replaced file are not dependable; keep it on a disk of "
    "this machine and copy it from there"
)

# Their locks, renames and open files are not what a load and its readers count on.
_NETWORK: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
_NETWORK_IN_USER_SPACE: Final = re.compile(
    r"fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|davfs|curlftpfs|goofys|juicefs)"
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of the network file system that a path lies on; None if it is on none.

    None as well where the system does not tell (only Linux does).
    """
    kind = _file_system(path.resolve(), mounts)
    if kind in _NETWORK or _NETWORK_IN_USER_SPACE.match(kind):
        return kind
    return None


def _file_system(path: Path, mounts: Path) -> str:
    if not mounts.exists():
        return ""
    # Of mounts over each other the last one is seen; of those inside each other the innermost.
    found = [
        (len(point.parts), kind)
        for point, kind in _mounted(mounts)
        if point in (path, *path.parents)
    ]
    return max(reversed(found), key=lambda each: each[0], default=(0, ""))[1]


def _mounted(mounts: Path) -> Iterator[tuple[Path, str]]:
    """Yield mount point and kind of each mount, as proc(5) writes them."""
    for line in mounts.read_text("utf-8", "replace").splitlines():
        before, _, after = line.partition(" - ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4])
        yield Path(point), after.split(" ")[0]
