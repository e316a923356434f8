"""Tasks of the invented world: the types of tasks, and one task with its record at any time.

The numbers are invented, in proportions that an operator would recognise.
"""

import sys
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import cached_property
from typing import Final, Literal, TypeAlias

from gaussdb_tasks.contract import STATUS_COMPLETED, STATUS_FAILED, STATUS_RUNNING
from gaussdb_tasks.emulator.http import compact_json
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import Micros

Outcome: TypeAlias = Literal["Completed", "Failed"]
BlankStyle: TypeAlias = Literal["null", "empty", "missing"]
ProgressStyle: TypeAlias = Literal["null", "empty", "number", "percent"]

_MINUTE_SECONDS: Final = 60
_COMPLETE_PERCENT: Final = 100
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStyle:
    """How a record is written where the service is inconsistent."""

    blank: BlankStyle = "null"
    """How fail_reason and ended_at are written when they have no value."""
    progress: ProgressStyle = "null"
    created_offset_hours: int = 8
    ended_offset_hours: int = 8
    shows_planned_end: bool = False
    """Whether ended_at is set while the task is still running."""
    shows_instance: bool = True


@dataclass(frozen=True, kw_only=True)
class InventedTask:
    """The complete lifecycle of a task; times are whole seconds.

    `visible_at` is when the task center first lists the task. `ends_at` is None for a stuck task.
    `deleted_at` is when a user deletes its record.
    """

    project_id: str
    job_id: str
    name: str
    instance_id: str
    instance_name: str
    busy_status: str
    """The instance's status while the task is running."""
    final_status: str
    """The instance's status after the task."""
    created_at: Micros
    visible_at: Micros
    planned_end: Micros
    ends_at: Micros | None
    outcome: Outcome = "Completed"
    fail_reason: str | None = None
    deleted_at: Micros | None = None
    max_progress: int = 99
    """Highest percentage before the end."""
    style: RecordStyle = RecordStyle()

    def is_listed_at(self, now: Micros) -> bool:
        """Return whether the task center lists the task."""
        return self.visible_at <= now and (self.deleted_at is None or now < self.deleted_at)

    def has_ended_at(self, now: Micros) -> bool:
        """Return whether the task has ended."""
        return self.ends_at is not None and self.ends_at <= now

    def status_at(self, now: Micros, /) -> str:
        """Return the status in the record."""
        if not self.has_ended_at(now):
            return STATUS_RUNNING
        return STATUS_FAILED if self.outcome == "Failed" else STATUS_COMPLETED

    def shown_end_at(self, now: Micros, /) -> Micros | None:
        """Return the end in the record, actual or planned."""
        if self.has_ended_at(now):
            return self.ends_at
        return self.planned_end if self.style.shows_planned_end else None

    def progress_at(self, now: Micros) -> int:
        """Return the progress in percent."""
        if self.has_ended_at(now) and self.outcome == "Completed":
            return _COMPLETE_PERCENT
        elapsed = min(now, self.ends_at or now) - self.created_at
        progress = _COMPLETE_PERCENT * elapsed // (self.planned_end - self.created_at)
        return min(progress, self.max_progress)

    def body_at(self, now: Micros, /) -> bytes:
        """Return the record as JSON."""
        if self.has_ended_at(now):
            return self._final_body
        return compact_json(self.record_at(now))

    def record_at(self, now: Micros) -> dict[str, object]:
        """Return the record, its fields in the order of the documented example."""
        end = self.shown_end_at(now)
        fields = {
            "instance_info": self._instance_info(now),
            "job_id": self.job_id,
            "name": self.name,
            "status": self.status_at(now),
            "process": self._process(now),
            "fail_reason": self._or_blank(self.fail_reason if self.has_ended_at(now) else None),
            "created_at": _api_time(self.created_at, self.style.created_offset_hours),
            "ended_at": self._or_blank(end and _api_time(end, self.style.ended_offset_hours)),
        }
        return {name: value for name, value in fields.items() if value is not _MISSING}

    @cached_property
    def _final_body(self) -> bytes:
        return compact_json(self.record_at(sys.maxsize))

    def _instance_info(self, now: Micros) -> dict[str, str] | None:
        if not self.style.shows_instance:
            return None
        return {
            "instance_id": self.instance_id,
            "instance_name": self.instance_name,
            "instance_status": self.final_status if self.has_ended_at(now) else self.busy_status,
        }

    def _process(self, now: Micros) -> str | None:
        match self.style.progress:
            case "null":
                return None
            case "empty":
                return ""
            case "number":
                return str(self.progress_at(now))
            case "percent":
                return f"{self.progress_at(now)}%"

    def _or_blank(self, value: object) -> object:
        blanks = {"null": None, "empty": "", "missing": _MISSING}
        return blanks[self.style.blank] if value is None else value


def _api_time(time: Micros, offset_hours: int) -> str:
    """Write a time as the API does: to the second, the offset without a colon."""
    zone = timezone(timedelta(hours=offset_hours))
    return times.to_datetime(time).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedTaskType:
    """A type of task: how often it starts, how long it takes, and how it fails."""

    name: str
    weight: float = 0.0
    """How often users start one, relative to the other types; 0 is never."""
    median_seconds: float
    spread: float = 0.35
    """Standard deviation of the duration's logarithm."""
    failure_rate: float
    busy_status: str
    """The instance's status while the task is running."""
    done_status: str = "normal"
    failed_status: str = "normal"
    fail_reasons: tuple[str, ...]
    """Templates for fail_reason, with fields for ids, addresses and numbers."""


CREATE: Final = InventedTaskType(
    name="CreateGaussDBV5Instance",
    median_seconds=14 * _MINUTE_SECONDS,
    failure_rate=0.05,
    busy_status="creating",
    failed_status="createfail",
    fail_reasons=(
        "An exception occurs when the ECS processes services.",
        "Creating node {node} failed: flavor c6.{digit}xlarge.8 is sold out in eu-de-0{digit}.",
        "No free address is left in subnet {uuid}.",
    ),
)
CLONE: Final = InventedTaskType(
    name="CloneGaussDBV5NewInstance",
    median_seconds=31 * _MINUTE_SECONDS,
    spread=0.5,
    failure_rate=0.07,
    busy_status="creating",
    failed_status="createfail",
    fail_reasons=(
        "Backup {uuid} cannot be read: checksum of segment {number} differs.",
        "An exception occurs when the ECS processes services.",
    ),
)
DELETE: Final = InventedTaskType(
    name="DeleteGaussDBV5Instance",
    median_seconds=4 * _MINUTE_SECONDS,
    failure_rate=0.02,
    busy_status="deleting",
    done_status="deleted",
    fail_reasons=("Security group {uuid} of instance {instance} is still in use.",),
)
BACKUP: Final = InventedTaskType(
    name="BackupSnapshotGaussDBV5InInstance",
    weight=3.0,
    median_seconds=9 * _MINUTE_SECONDS,
    spread=0.4,
    failure_rate=0.02,
    busy_status="backing up",
    fail_reasons=(
        "Backup {uuid} failed: node {node} ({address}) did not answer within {number} s.",
        "Upload of backup {uuid} was interrupted after {number} MB.",
        "Another backup of instance {instance} is in progress.",
    ),
)

STARTED_BY_USERS: Final = (
    BACKUP,
    InventedTaskType(
        name="RestoreGaussDBV5InInstance",
        weight=1.0,
        median_seconds=26 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.08,
        busy_status="restoring",
        failed_status="restore failed",
        fail_reasons=(
            "Backup {uuid} cannot be read: checksum of segment {number} differs.",
            "Node {node} ({address}) did not come up within {number} s after the restore.",
        ),
    ),
    InventedTaskType(
        name="RestoreGaussDBV5InInstanceToExistedInst",
        weight=1.2,
        median_seconds=29 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.09,
        busy_status="restoring",
        failed_status="restore failed",
        fail_reasons=(
            "The target has {number} GB of storage, less than backup {uuid} needs.",
            "Node {node} ({address}) did not come up within {number} s after the restore.",
        ),
    ),
    InventedTaskType(
        name="EnlargeGaussDBV5Volume",
        weight=2.0,
        median_seconds=3 * _MINUTE_SECONDS,
        failure_rate=0.03,
        busy_status="enlarging",
        fail_reasons=("Volume {uuid} of node {node} stays at {number} GB: quota exceeded.",),
    ),
    InventedTaskType(
        name="ResizeGaussDBV5Flavor",
        weight=1.4,
        median_seconds=18 * _MINUTE_SECONDS,
        spread=0.45,
        failure_rate=0.06,
        busy_status="modifying",
        failed_status="abnormal",
        fail_reasons=(
            "Node {node} ({address}) did not rejoin the cluster within {number} s.",
            "Flavor c6.{digit}xlarge.8 is sold out in eu-de-0{digit}.",
        ),
    ),
    InventedTaskType(
        name="GaussDBV5ExpandClusterCN",
        weight=0.5,
        median_seconds=21 * _MINUTE_SECONDS,
        failure_rate=0.05,
        busy_status="growing",
        fail_reasons=("Coordinator {node} ({address}) could not be added, code {number}.",),
    ),
    InventedTaskType(
        name="GaussDBV5ExpandClusterDN",
        weight=0.5,
        median_seconds=52 * _MINUTE_SECONDS,
        spread=0.55,
        failure_rate=0.08,
        busy_status="growing",
        failed_status="abnormal",
        fail_reasons=("Redistribution stopped at table {number} of shard {digit} on {node}.",),
    ),
    # The task center also lists types that the API cannot filter on.
    InventedTaskType(
        name="UpgradeGaussDBV5Instance",
        weight=0.7,
        median_seconds=43 * _MINUTE_SECONDS,
        spread=0.5,
        failure_rate=0.1,
        busy_status="upgrading",
        failed_status="abnormal",
        fail_reasons=("Node {node} ({address}) still runs kernel 505.{digit}.0 after {number} s.",),
    ),
    InventedTaskType(
        name="HotPatchGaussDBV5Instance",
        weight=0.6,
        median_seconds=6 * _MINUTE_SECONDS,
        failure_rate=0.04,
        busy_status="patching",
        fail_reasons=("Patch {number} does not fit the kernel of node {node}.",),
    ),
    InventedTaskType(
        name="StopBackupGaussDBV5InInstance",
        weight=0.4,
        median_seconds=25,
        failure_rate=0.03,
        busy_status="backing up",
        fail_reasons=("Backup {uuid} had ended {number} s before.",),
    ),
)
"""Types of tasks that users start on an existing instance, by `weight`."""
