"""Every step of a load as a place where it can be killed, found by watching one.

Nobody keeps a list of steps up to date. The steps are what Python executes: each line of the rooms
that write (the night, the archive, the warehouse), and each call of a function of dlt's that moves
files, talks to the database, or keeps note of what is done.
"""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from types import FrameType
from typing import Any, Final, NamedTuple


class Step(StrEnum):
    """The steps of a load, as far as points are told apart."""

    LOCK = "take the lock, make the scratch folder, leave both"
    READ = "recall, plan, call the API, normalise"
    EXTRACT = "dlt: extract and normalise"
    PACKAGES = "dlt: move packages and their notes"
    LOAD = "dlt: load, merge, note what is done"
    CHECK = "apply the views, run the checks"
    SEAL = "catch up with the archive, write the night's entry"
    PUBLISH = "clone; close, sync, rename, sync"


_PACKAGE: Final = "/gaussdb_tasks/"
_LINES_OF: Final = ("night.py", "archive/", "warehouse/")
_CALLS_OF: Final = ("source.py", "rows.py", "extract/")
_DLT: Final = "/site-packages/dlt/"
_DLT_CALLS_OF: Final = (
    "common/storages/",
    "destinations/impl/duckdb/duck.py",
    "destinations/impl/duckdb/sql_client.py",
    "destinations/job_client_impl.py",
    "destinations/job_impl.py",
    "destinations/sql_jobs.py",
    "extract/extract.py",
    "load/",
    "normalize/normalize.py",
    "pipeline/pipeline.py",
)
_FILELOCK: Final = "/site-packages/filelock/"

# Of these every call is a step of its own: statements, transactions, and the notes of a job's end.
_EACH_CALL_OF: Final = frozenset(
    {
        "DuckDbSqlClient.execute_query",
        "DuckDbSqlClient.commit_transaction",
        "FileStorage.atomic_rename",
        "Load.complete_package",
        "PackageStorage._move_job",
        "ParallelRunner.run",
    }
)

_STEP_OF: Final = (
    ("dlt/extract/", Step.EXTRACT),
    ("dlt/normalize/", Step.EXTRACT),
    ("dlt/common/", Step.PACKAGES),
    ("dlt/", Step.LOAD),
    ("filelock/", Step.LOCK),
    ("archive/", Step.SEAL),
    ("warehouse/datadir.py", Step.LOCK),
    ("warehouse/files.py", Step.PUBLISH),
    ("warehouse/database.py", Step.PUBLISH),
    ("warehouse/objects.py", Step.CHECK),
    ("warehouse/sql_files.py", Step.CHECK),
    ("warehouse/gaps.py", Step.CHECK),
)

_Trace = Callable[[FrameType, str, Any], Any]


class CrashPoint(NamedTuple):
    """The so-manieth time that a load comes to a place."""

    room: str
    """The file, from its package on."""
    place: str
    """The line, or the function that is called."""
    hit: int

    def __str__(self) -> str:
        return f"{self.room} {self.place}, time {self.hit}"


@contextmanager
def watching(on_step: Callable[[CrashPoint], None]) -> Iterator[None]:
    """Tell of each step just before it is taken, in every thread that starts meanwhile."""
    hits: Counter[tuple[str, str]] = Counter()

    def trace(frame: FrameType, event: str, _argument: Any) -> _Trace | None:
        room, by_line = _room_of(frame.f_code.co_filename)
        if room is None:
            return None
        if event == "line" or (event == "call" and not by_line):
            place = f"line {frame.f_lineno}" if by_line else frame.f_code.co_qualname
            hits[room, place] += 1
            on_step(CrashPoint(room, place, hits[room, place]))
        return trace if by_line else None

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


def is_worth_a_kill(point: CrashPoint) -> bool:
    """Tell whether a step differs from the ones before: the first time, or one of its own."""
    return point.hit == 1 or point.place in _EACH_CALL_OF


@contextmanager
def killed_at(doom: CrashPoint) -> Iterator[None]:
    """End this process by SIGKILL just before a step."""

    def kill(point: CrashPoint) -> None:
        if point == doom:
            os.kill(os.getpid(), signal.SIGKILL)

    with watching(kill):
        yield


def step_of(point: CrashPoint) -> Step:
    """Name the step of a load that a point belongs to; the reading is what no other room does."""
    return next((step for room, step in _STEP_OF if point.room.startswith(room)), Step.READ)


def _room_of(filename: str) -> tuple[str | None, bool]:
    """Return the room whose steps count, and whether each line is one."""
    _, found, ours = filename.rpartition(_PACKAGE)
    if found:
        if ours.startswith(_LINES_OF):
            return ours, True
        return (ours, False) if ours.startswith(_CALLS_OF) else (None, False)
    for package, rooms in ((_DLT, _DLT_CALLS_OF), (_FILELOCK, ("",))):
        _, found, theirs = filename.rpartition(package)
        if found and theirs.startswith(rooms):
            return f"{package.split('/')[-2]}/{theirs}", False
    return None, False
