"""Keep the task history of GaussDB (openGauss) on Open Telekom Cloud in DuckDB.

``task_center`` is the dlt source, for other pipelines; ``task_center_part`` reads a part of the
list. The command ``gaussdb-tasks`` loads into DuckDB.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaussdb_tasks.source import task_center, task_center_part

__all__ = ["task_center", "task_center_part"]


def __getattr__(name: str) -> Any:
    # Importing dlt takes half a second, which the command's help and status do not need.
    if name in __all__:
        from gaussdb_tasks import source  # noqa: PLC0415

        return getattr(source, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
