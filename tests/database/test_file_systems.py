"""Detection of network file systems from the list of mounts."""

from pathlib import Path

import pytest

from gaussdb_tasks.database.file_systems import network_file_system

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw,relatime shared:2 - nfs4 nas:/export rw,vers=4.2
31 30 0:27 / /srv/local rw,relatime - xfs /dev/vdb rw
32 22 0:28 / /mnt/with\040space rw - fuse.sshfs me@host: rw
33 22 0:29 / /data rw - cifs //nas/share rw
34 22 254:1 / /data rw - ext4 /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/home/me/data", None),
        ("/srv", "nfs4"),
        ("/srv/gaussdb", "nfs4"),
        ("/srv/local/gaussdb", None),
        ("/srvother", None),
        ("/mnt/with space/data", "fuse.sshfs"),
        ("/data/gaussdb", None),
    ],
)
def test_the_innermost_and_last_mount_determines_the_kind(
    tmp_path: Path, path: str, kind: str | None
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert network_file_system(Path(path), mounts) == kind


def test_without_a_list_of_mounts_the_kind_is_unknown(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "missing") is None
    network_file_system(tmp_path)
