"""The documented API of the task center: names, limits, statuses, error codes.

Source: the service's API reference for "Querying Tasks". Behaviour that it leaves open is not in
this module: every load detects it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PAGE_LIMIT: Final = 100
"""The largest number of records on a page."""

HORIZON_DAYS: Final = 30
"""Period in which tasks can be queried: "the last month", 30 days as the console counts it."""

STATUS_RUNNING: Final = "Running"
STATUS_COMPLETED: Final = "Completed"
STATUS_FAILED: Final = "Failed"

# The first two are documented; sibling services also end tasks as Canceled.
_FINAL_STATUSES: Final = frozenset({"completed", "failed", "canceled", "cancelled"})

TOKEN_HEADER: Final = "X-Auth-Token"  # noqa: S105 - a header's name, not a token
LANGUAGE_HEADERS: Final = {"Accept": "application/json", "X-Language": "en-us"}

TOKEN_EXPIRED_CODES: Final = frozenset({"DBS.280056", "APIGW.0301", "APIGW.0307"})
"""Error codes that ask for a new token although the status is 403."""
NOT_PERMITTED_CODES: Final = frozenset({"DBS.280015", "DBS.200010", "DBS.216003"})
"""Error codes that mean "not permitted", whatever the status."""
TRANSIENT_CLIENT_STATUSES: Final = frozenset({408, 425, 429})
"""HTTP statuses below 500 after which a retry may succeed."""


@dataclass(frozen=True, slots=True)
class TaskType:
    """A documented kind of task: its name in the API, its label, and its category."""

    name: str
    label: str
    category: str


TASK_TYPES: Final = (
    TaskType("CreateGaussDBV5Instance", "Create an instance", "create"),
    TaskType("BackupSnapshotGaussDBV5InInstance", "Manual backup", "backup"),
    TaskType("CloneGaussDBV5NewInstance", "Restore to a new instance", "restore"),
    TaskType("RestoreGaussDBV5InInstance", "Restore to the original instance", "restore"),
    TaskType(
        "RestoreGaussDBV5InInstanceToExistedInst", "Restore to an existing instance", "restore"
    ),
    TaskType("DeleteGaussDBV5Instance", "Delete an instance", "delete"),
    TaskType("EnlargeGaussDBV5Volume", "Scale up storage", "scale"),
    TaskType("ResizeGaussDBV5Flavor", "Change specifications", "scale"),
    TaskType("GaussDBV5ExpandClusterCN", "Add coordinator nodes", "scale"),
    TaskType("GaussDBV5ExpandClusterDN", "Add shards", "scale"),
)
"""The ten names that the API can filter on; the task center lists other names too."""


@lru_cache(maxsize=64)
def is_final(status: str | None) -> bool:
    """Check whether a task in this status has ended; the SQL views use the same rule."""
    return status is not None and status.strip(" ").lower() in _FINAL_STATUSES
