"""Keep the task history of GaussDB (openGauss) on Open Telekom Cloud in DuckDB.

``task_center`` is the dlt source, for other pipelines. The command ``gaussdb-tasks`` loads into
DuckDB.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaussdb_tasks.source import task_center

__all__ = ["task_center"]


def __getattr__(name: str) -> Any:
    # Importing dlt takes half a second, which the command's help and status do not need.
    if name == "task_center":
        from gaussdb_tasks.source import task_center  # noqa: PLC0415

        return task_center
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
