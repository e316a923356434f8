"""Measure extraction alone, from the bytes of a response to the Arrow tables that dlt takes.

There is no HTTP: pages are made from the number of each task. So the numbers are those of parsing,
normalising, change detection, proof and Arrow. Times are CPU seconds; the peak is that of the
process. Compare only numbers of the same machine.
"""

import gc
import hashlib
import resource
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import click

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page, parse_page
from gaussdb_tasks.contract import PAGE_LIMIT, STATUS_RUNNING
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.project_tables import ProjectSource, Run
from gaussdb_tasks.model.project_state import ProjectKey, ProjectState, known_since
from gaussdb_tasks.model.times import DAY, MINUTE, SECOND, Micros, parse_time, to_datetime
from gaussdb_tasks.settings import LoadSettings

NOW = parse_time("2026-05-18T02:00:00Z", option="NOW")
PROJECT = ProjectKey("eu-de", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
_FIRST = NOW - 29 * DAY


@dataclass
class NumberedTasks:
    """Lists completed backups, spread evenly over the month; usable as a ``FetchPage``."""

    count: int
    calls: int = 0
    seconds: float = 0.0
    """CPU time of making the pages."""

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Make the page and parse it."""
        began = time.thread_time()
        self.calls += 1
        numbers = self._numbers(query)
        page = numbers[offset : offset + limit]
        body = b'{"tasks":[%b],"total_count":%d}' % (b",".join(map(self._json, page)), len(numbers))
        self.seconds += time.thread_time() - began
        return parse_page(body)

    def _numbers(self, query: TaskQuery) -> range:
        if query.status == STATUS_RUNNING:
            return range(0)
        every = range(self.count)
        start = 0 if query.start is None else bisect_left(every, query.start, key=self._created_at)
        end = (
            self.count
            if query.end is None
            else bisect_right(every, query.end, key=self._created_at)
        )
        return range(start, end)

    def _created_at(self, number: int) -> Micros:
        return (_FIRST + number * (29 * DAY - 20 * MINUTE) // self.count) // SECOND * SECOND

    def _json(self, number: int) -> bytes:
        digest = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest().encode()
        created_at = self._created_at(number)
        ended_at = created_at + (1 + number % 1200) * SECOND
        return (
            b'{"instance_info":{"instance_id":"%bin14","instance_name":"orders-%d",'
            b'"instance_status":"normal"},"job_id":"%b-%b-%b-%b-%b",'
            b'"name":"BackupSnapshotGaussDBV5InInstance","status":"Completed","process":null,'
            b'"fail_reason":null,"created_at":"%b","ended_at":"%b"}'
        ) % (
            digest[::-1],
            number % 100,
            *(digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]),
            _written(created_at),
            _written(ended_at),
        )


def _written(at: Micros) -> bytes:
    return f"{to_datetime(at):%Y-%m-%dT%H:%M:%S}+0000".encode()


@click.command()
@click.option("--tasks", "size", type=int, default=100_000)
def bench(size: int) -> None:
    """Read a month of tasks once, as a first load does, and print its cost."""
    center = NumberedTasks(size)
    settings = LoadSettings(now=NOW)
    state = ProjectState(known_from=known_since(settings.visible.start))
    source = ProjectSource(PROJECT, center, lambda: center.calls, state, lambda _id, _at: None)
    extraction = Extraction(Run("bench", 1, "bench", settings), [source])
    gc.disable()  # as in a load
    peak_before, began = _peak_megabytes(), time.process_time()
    versions = sum(table.num_rows for table in extraction.task_versions())
    versions_peak, versions_seconds = _peak_megabytes(), time.process_time() - began
    tasks = sum(table.num_rows for table in extraction.tasks())
    seconds = time.process_time() - began - center.seconds
    click.echo(
        f"{size:,} tasks: {versions:,} versions, {tasks:,} tasks, {center.calls:,} calls; "
        f"{seconds:.1f} CPU s, {seconds / size * 1e6:.1f} us a task, of it "
        f"{versions_seconds - center.seconds:.1f} s for versions; "
        f"peak {versions_peak:.0f} and {_peak_megabytes():.0f} MB, {peak_before:.0f} MB before"
    )


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    bench()
