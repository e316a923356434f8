"""Kinds of tasks in the invented world: how often they start, how long they take, how they fail.

The figures are invented, in proportions an operator would recognise. A reason for a failure is a
template; the invention puts ids, addresses and numbers into it.
"""

from dataclasses import dataclass
from typing import Final

_MINUTE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of task; durations are log-normal about their median."""

    name: str
    weight: float = 0.0
    """How often people start one, against the other kinds; 0 is never started just so."""
    median_seconds: float
    spread: float = 0.35
    """Standard deviation of the duration's logarithm."""
    failure_rate: float
    busy_status: str
    """The instance's status while the task runs."""
    done_status: str = "normal"
    failed_status: str = "normal"
    reasons: tuple[str, ...]


CREATE: Final = Kind(
    name="CreateGaussDBV5Instance",
    median_seconds=14 * _MINUTE_SECONDS,
    failure_rate=0.05,
    busy_status="creating",
    failed_status="createfail",
    reasons=(
        "An exception occurs when the ECS processes services.",
        "Creating node {node} failed: flavor c6.{digit}xlarge.8 is sold out in eu-de-0{digit}.",
        "No free address is left in subnet {uuid}.",
    ),
)
CLONE: Final = Kind(
    name="CloneGaussDBV5NewInstance",
    median_seconds=31 * _MINUTE_SECONDS,
    spread=0.5,
    failure_rate=0.07,
    busy_status="creating",
    failed_status="createfail",
    reasons=(
        "Backup {uuid} cannot be read: checksum of segment {number} differs.",
        "An exception occurs when the ECS processes services.",
    ),
)
DELETE: Final = Kind(
    name="DeleteGaussDBV5Instance",
    median_seconds=4 * _MINUTE_SECONDS,
    failure_rate=0.02,
    busy_status="deleting",
    done_status="deleted",
    reasons=("Security group {uuid} of instance {instance} is still in use.",),
)
BACKUP: Final = Kind(
    name="BackupSnapshotGaussDBV5InInstance",
    weight=3.0,
    median_seconds=9 * _MINUTE_SECONDS,
    spread=0.4,
    failure_rate=0.02,
    busy_status="backing up",
    reasons=(
        "Backup {uuid} failed: node {node} ({address}) did not answer within {number} s.",
        "Upload of backup {uuid} was interrupted after {number} MB.",
        "Another backup of instance {instance} is in progress.",
    ),
)

STARTED_BY_PEOPLE: Final = (
    BACKUP,
    Kind(
        name="RestoreGaussDBV5InInstance",
        weight=1.0,
        median_seconds=26 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.08,
        busy_status="restoring",
        failed_status="restore failed",
        reasons=(
            "Backup {uuid} cannot be read: checksum of segment {number} differs.",
            "Node {node} ({address}) did not come up within {number} s after the restore.",
        ),
    ),
    Kind(
        name="RestoreGaussDBV5InInstanceToExistedInst",
        weight=1.2,
        median_seconds=29 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.09,
        busy_status="restoring",
        failed_status="restore failed",
        reasons=(
            "The target has {number} GB of storage, less than backup {uuid} needs.",
            "Node {node} ({address}) did not come up within {number} s after the restore.",
        ),
    ),
    Kind(
        name="EnlargeGaussDBV5Volume",
        weight=2.0,
        median_seconds=3 * _MINUTE_SECONDS,
        failure_rate=0.03,
        busy_status="enlarging",
        reasons=("Volume {uuid} of node {node} stays at {number} GB: quota exceeded.",),
    ),
    Kind(
        name="ResizeGaussDBV5Flavor",
        weight=1.4,
        median_seconds=18 * _MINUTE_SECONDS,
        spread=0.45,
        failure_rate=0.06,
        busy_status="modifying",
        failed_status="abnormal",
        reasons=(
            "Node {node} ({address}) did not rejoin the cluster within {number} s.",
            "Flavor c6.{digit}xlarge.8 is sold out in eu-de-0{digit}.",
        ),
    ),
    Kind(
        name="GaussDBV5ExpandClusterCN",
        weight=0.5,
        median_seconds=21 * _MINUTE_SECONDS,
        failure_rate=0.05,
        busy_status="growing",
        reasons=("Coordinator {node} ({address}) could not be added, code {number}.",),
    ),
    Kind(
        name="GaussDBV5ExpandClusterDN",
        weight=0.5,
        median_seconds=52 * _MINUTE_SECONDS,
        spread=0.55,
        failure_rate=0.08,
        busy_status="growing",
        failed_status="abnormal",
        reasons=("Redistribution stopped at table {number} of shard {digit} on {node}.",),
    ),
    # The task center shows kinds that the API cannot filter on; their names are open text.
    Kind(
        name="UpgradeGaussDBV5Instance",
        weight=0.7,
        median_seconds=43 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.1,
        busy_status="upgrading",
        failed_status="abnormal",
        reasons=("Node {node} ({address}) still runs kernel 505.{digit}.0 after {number} s.",),
    ),
    Kind(
        name="HotPatchGaussDBV5Instance",
        weight=0.6,
        median_seconds=6 * _MINUTE_SECONDS,
        failure_rate=0.04,
        busy_status="patching",
        reasons=("Patch {number} does not fit the kernel of node {node}.",),
    ),
    Kind(
        name="StopBackupGaussDBV5InInstance",
        weight=0.4,
        median_seconds=25,
        failure_rate=0.03,
        busy_status="backing up",
        reasons=("Backup {uuid} had ended {number} s before.",),
    ),
)
"""What people start on an instance that is there, by `weight`."""
