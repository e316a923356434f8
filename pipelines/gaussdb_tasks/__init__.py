"""Keep the task history of GaussDB (openGauss) on Open Telekom Cloud in DuckDB.

``task_center`` is the dlt source, for a pipeline of your own; the command ``gaussdb-tasks`` is the
nightly load into DuckDB.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaussdb_tasks.source import task_center

__all__ = ["task_center"]


def __getattr__(name: str) -> Any:
    # dlt takes half a second to import, which the command's help and status need not pay.
    if name == "task_center":
        from gaussdb_tasks.source import task_center  # noqa: PLC0415

        return task_center
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
