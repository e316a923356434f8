"""Run ten years of daily loads with an invented clock, and measure what grows.

``make simulate-decade`` runs 3,650 loads (fewer: NIGHTS=400) from the emulator. For each year it
prints sizes, the seconds of the last loads, and the seconds of a clone of the database. Then it
verifies and rebuilds. It exits with 1 if loads have become slower by more than the clone.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.demo_loads import load_nights, nights_before
from gaussdb_tasks.model.times import iso, parse_time

_LAST: Final = parse_time("2036-03-18T12:00:00Z", option="last load")
_YEAR: Final = 365
_COMPARED_LOADS: Final = 30
# Loads differ in their tasks, and machines in their other work.
_SLACK_SECONDS: Final = 0.5
_MEGABYTE: Final = 1024**2


def main(load_count: int, tasks_per_day: int) -> int:
    """Run the loads, and print the measurements."""
    with tempfile.TemporaryDirectory(prefix="gaussdb-tasks-decade-") as folder:
        data_dir = DataDir(Path(folder))
        seconds: list[float] = []
        clones: list[float] = []
        print("load        tasks      database MB  archive MB  entries  load s  clone s")  # noqa: T201
        seen = 0
        reports = load_nights(
            data_dir.path, nights_before(_LAST, load_count), seed=1, tasks_per_day=tasks_per_day
        )
        for number, report in enumerate(reports, start=1):
            seconds.append(report.seconds)
            seen += report.total("new_count")
            if number in (_COMPARED_LOADS + 1, load_count) or number % _YEAR == 0:
                clones.append(_measured(lambda: _clone(data_dir)))
                _print_year(data_dir, report.entry_name, seen, seconds, clones[-1])
        first = statistics.median(seconds[1 : _COMPARED_LOADS + 1])
        last = statistics.median(seconds[-_COMPARED_LOADS:])
        grown, allowed = last - first, clones[-1] - clones[0] + _SLACK_SECONDS
        for name, work in _works(data_dir).items():
            print(f"{name:<15} {_measured(work):8.1f} s")  # noqa: T201
        verdict = "ok" if grown <= allowed else "FAILED"
        print(  # noqa: T201
            f"a load: {first:.2f} s at first, {last:.2f} s at last; allowed growth is that of the "
            f"clone and {_SLACK_SECONDS} s ({allowed:.2f} s): {verdict}"
        )
        return 0 if grown <= allowed else 1


def _works(data_dir: DataDir) -> dict[str, Callable[[], object]]:
    def verify_all(*, is_fast: bool) -> None:
        found = verify(data_dir, VerifyOptions(is_fast=is_fast))
        if not found.is_intact:
            raise AssertionError(found.findings[:5])

    return {
        "verify --fast": lambda: verify_all(is_fast=True),
        "verify": lambda: verify_all(is_fast=False),
        "rebuild": lambda: rebuild(data_dir, is_replacing=True),
    }


def _print_year(
    data_dir: DataDir, entry_name: str, seen: int, seconds: list[float], clone: float
) -> None:
    archive = sum(path.stat().st_size for path in data_dir.archive.rglob("*"))
    entries = sum(1 for _ in data_dir.archive.iterdir())
    median = statistics.median(seconds[-_COMPARED_LOADS:])
    print(  # noqa: T201
        f"{entry_name[7:15]}  {seen:9,}  {data_dir.database.stat().st_size / _MEGABYTE:11.1f}  "
        f"{archive / _MEGABYTE:10.1f}  {entries:7,}  {median:6.2f}  "
        f"{clone:7.3f}",
        flush=True,
    )


def _clone(data_dir: DataDir) -> None:
    copy = data_dir.path / "clone"
    files.clone(data_dir.database, copy)
    copy.unlink()


def _measured(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(f"last load: {iso(_LAST)}")  # noqa: T201
    sys.exit(main(int(os.environ.get("NIGHTS", "3650")), int(os.environ.get("TASKS", "40"))))
