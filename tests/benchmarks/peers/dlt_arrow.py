"""dlt with Arrow tables, upserted by job_id: the table of tasks only, without history.

Usage: python -m tests.benchmarks.peers.dlt_arrow URL FOLDER
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow as pa

from tests.benchmarks.peers.pages import read_batches


def main(url: str, folder: Path) -> None:
    """Load all tasks into one table."""

    @dlt.resource(
        name="tasks",
        primary_key="job_id",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    def tasks() -> Iterator[pa.Table]:
        yield from read_batches(url)

    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=str(folder / "dlt"),
        destination=dlt.destinations.duckdb(str(folder / "peer.duckdb")),
        dataset_name="task_center",
    )
    pipeline.run(tasks())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
