"""Read all pages of a task center into Arrow tables with eight threads, as a short program does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import pyarrow as pa
import urllib3

_CONNECTIONS: Final = 8
_PAGE: Final = 100
_BATCH: Final = 10_000
_TIME: Final = pa.timestamp("us", "UTC")


def read_batches(url: str) -> Iterator[pa.Table]:
    """Yield the tasks in batches.

    Args:
        url: address of the list, with the query that selects the tasks.
    """
    pool = urllib3.PoolManager(maxsize=_CONNECTIONS)
    decoder = msgspec.json.Decoder()

    def fetch(offset: int) -> Any:
        response = pool.request("GET", f"{url}&offset={offset}&limit={_PAGE}", retries=3)
        if response.status != 200:
            raise RuntimeError(response.status)
        return decoder.decode(response.data)

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        size = fetch(0)["total_count"]
        for begin in range(0, size, _BATCH):
            pages = threads.map(fetch, range(begin, min(begin + _BATCH, size), _PAGE))
            yield _table([task for page in pages for task in page["tasks"]])


def _table(tasks: list[dict[str, Any]]) -> pa.Table:
    instances = [task["instance_info"] for task in tasks]
    names = ("job_id", "name", "status", "process", "fail_reason")
    of_instance = ("instance_id", "instance_name", "instance_status")
    columns: dict[str, pa.Array[Any]] = {
        name: pa.array([task[name] for task in tasks], pa.string()) for name in names
    }
    columns |= {name: pa.array([each[name] for each in instances]) for name in of_instance}
    columns |= {
        name: pa.array([task[name] for task in tasks], pa.string()).cast(_TIME)
        for name in ("created_at", "ended_at")
    }
    return pa.table(columns)
