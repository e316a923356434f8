"""A job on a Spark cluster: read views; run with a Python that has pyspark."""

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any


def main(url: str, job: str, answers: str) -> None:
    """Create tables and views, and write the answers: rows and comments, or seconds."""
    from pyspark.sql import (  # type: ignore[import-not-found]  # noqa: PLC0415 - it is elsewhere
        SparkSession,
    )

    wanted = json.loads(Path(job).read_text())
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": wanted["memory"],
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(Path(answers).with_name("warehouse")),
        "spark.ui.enabled": "false",
    }
    session = SparkSession.builder.master(url).config(map=settings).getOrCreate()
    for statement in wanted["statements"]:
        session.sql(statement)
    found = {view: read(session, view, wanted["repeats"]) for view in wanted["views"]}
    # The driver is on none of the workers: each executor is a process of one.
    executors = session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
    with Path(answers).open("wb") as file:
        pickle.dump({"executors": executors, "views": found}, file)
    session.stop()


def read(session: Any, view: str, repeats: int) -> Any:
    """Return the rows of a view and the comments of its columns, or the seconds that it took."""
    table = session.table(f"main.{view}")
    if repeats:
        seconds = [computed(table) for _ in range(repeats)]
        print(f"{view} in {seconds[-1]:.1f} s", flush=True)  # noqa: T201 - a view takes minutes
        return seconds
    comments = [field.metadata["comment"] for field in table.schema]
    return [tuple(row) for row in table.collect()], comments


def computed(table: Any) -> float:
    """Compute all values of a view, without moving them to Python."""
    started = time.perf_counter()
    table.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
