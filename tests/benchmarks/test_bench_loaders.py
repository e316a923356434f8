"""What a load costs, as counts and as a ratio to a peer in the same run: never a time."""

import sys
from dataclasses import asdict
from pathlib import Path

import duckdb
import msgspec
import pytest

from gaussdb_tasks.database.data_dir import DATABASE_NAME
from gaussdb_tasks.model.times import DAY, HOUR
from tests.benchmarks.loaders import LOADERS, check_size, load_night
from tests.benchmarks.processes import Cost, cheapest, measure
from tests.benchmarks.tables import markdown
from tests.benchmarks.task_center import FIRST, NOW, Pages, running_task_center

SIZE = 20_000
MAX_CPU_RATIO = 1.3
"""It was 0.5: what the tasks add to a load without new ones, by all that dlt with Arrow needs."""
MAX_BYTES_PER_TASK = 900
"""Database and archive together had 600."""
OURS = LOADERS[0]
ARROW = next(loader for loader in LOADERS if loader.module == "dlt_arrow")


def test_the_cost_of_a_load(tmp_path: Path) -> None:
    """Calls, rows, bytes and CPU time for each task stay near those of a short program with dlt."""
    ours, theirs = folders(tmp_path, 2)
    with running_task_center(SIZE) as center:
        arrow = ARROW.load(center, theirs, SIZE)
        first = OURS.load(center, ours, SIZE)
        night = load_night(center, ours, NOW + HOUR, SIZE)
    pages = SIZE // 100
    assert arrow.calls == pages + 1
    assert pages <= first.calls <= pages * 1.1
    assert night.calls <= 4
    assert rows(ours / "data" / DATABASE_NAME, "task_versions") == SIZE
    written = sum(file.stat().st_size for file in ours.rglob("*") if file.is_file())
    assert written / SIZE < MAX_BYTES_PER_TASK
    assert (first.cpu - night.cpu) / arrow.cpu < MAX_CPU_RATIO


def test_every_peer_loads_every_task(tmp_path: Path) -> None:
    peers = [loader for loader in LOADERS if loader not in {OURS, ARROW}]
    with running_task_center(150) as center:
        costs = [
            peer.load(center, folder, 150)
            for peer, folder in zip(peers, folders(tmp_path, len(peers)), strict=True)
        ]
    assert all(2 <= cost.calls <= 3 for cost in costs)


def test_a_lost_task_is_no_result(tmp_path: Path) -> None:
    """A loader that loses rows, or fails, is not compared."""
    with duckdb.connect(tmp_path / "peer.duckdb") as connection:
        connection.execute("create schema task_center; create table task_center.tasks as select 1")
    check_size(tmp_path / "peer.duckdb", 1)
    with pytest.raises(RuntimeError, match="has 1 tasks instead of 2"):
        check_size(tmp_path / "peer.duckdb", 2)
    with pytest.raises(RuntimeError, match=r"code 1: .*no such peer"):
        measure([sys.executable, "-c", "raise SystemExit('no such peer')"], tmp_path, {})


@pytest.mark.parametrize(
    ("query", "count", "listed"),
    [
        ("", 250, 100),
        ("offset=200&limit=100", 250, 50),
        ("offset=300", 250, 0),
        ("limit=7&status=Completed", 250, 7),
        ("status=Running", 0, 0),
        (f"start_time={FIRST // 1000}&end_time={NOW // 1000}", 250, 100),
        (f"start_time={NOW // 1000}", 0, 0),
        (f"end_time={FIRST // 1000 - 1}", 0, 0),
    ],
)
def test_pages(query: str, count: int, listed: int) -> None:
    page = msgspec.json.decode(Pages(250).body(query))
    assert (page["total_count"], len(page["tasks"])) == (count, listed)


def test_windows_share_the_tasks() -> None:
    """Bounds are inclusive; each task is in the window of its time, the newest first."""
    pages, middle = Pages(90), (FIRST + 10 * DAY) // 1_000
    found = [
        task
        for query in (f"start_time={middle}", f"end_time={middle - 1}")
        for task in msgspec.json.decode(pages.body(query))["tasks"]
    ]
    assert found == msgspec.json.decode(pages.body(""))["tasks"]
    times = [task["created_at"] for task in found]
    assert times == sorted(times, reverse=True)


def test_the_tables() -> None:
    """Each loader and each command has a line, with the least of each cost."""
    cost = asdict(cheapest([Cost(1.5, 2.0, 3_000.2, 12), Cost(2.5, 1.0, 4_000.0, 11)]))
    measured = {
        "machine": {"cores": "2"},
        "loads": {"100": {"a loader": cost}, "1,000": {"a loader": cost}},
        "commands": {"`status`": cost},
    }
    assert markdown(measured).splitlines()[4:] == [
        "| loader | 100 | 1,000 |",
        "| --- | ---: | ---: |",
        "| a loader | 1.50 / 1.00 / 3,000 / 11 | 1.50 / 1.00 / 3,000 / 11 |",
        "",
        "Wall s / CPU s, with a database of 10,000 tasks:",
        "",
        "| command | cost |",
        "| --- | ---: |",
        "| `status` | 1.50 / 1.00 |",
    ]


def folders(parent: Path, count: int) -> list[Path]:
    """Make some empty folders."""
    made = [parent / str(number) for number in range(count)]
    for folder in made:
        folder.mkdir()
    return made


def rows(database: Path, table: str) -> int:
    """Count the rows of a table."""
    with duckdb.connect(database, read_only=True) as connection:
        ((count,),) = connection.execute(f"select count(*) from task_center.{table}").fetchall()
    assert isinstance(count, int)
    return count
