"""The limit: threads, msgspec, Arrow and one INSERT a batch, without history and without checks.

Usage: python -m tests.benchmarks.peers.no_dlt URL FOLDER
"""

import sys
from pathlib import Path

import duckdb

from tests.benchmarks.peers.pages import read_batches


def main(url: str, folder: Path) -> None:
    """Load all tasks into one table."""
    with duckdb.connect(folder / "peer.duckdb") as connection:
        connection.execute("create schema task_center")
        for number, batch in enumerate(read_batches(url)):
            connection.register("batch", batch)
            if number == 0:
                connection.execute("create table task_center.tasks as from batch")
            else:
                connection.execute("insert into task_center.tasks from batch")
            connection.unregister("batch")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
