"""The points at which a load can be killed, found by tracing one.

The points are traced, so no list of steps must be kept up to date. A point is a line of a module
that writes (load, archive, database), or a call of a dlt function that moves files, uses the
database, or records progress.
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
    """The steps of a load."""

    LOCK = "take the lock, make the scratch folder, release both"
    READ = "read state, plan, call the API, normalise"
    EXTRACT = "dlt: extract and normalise"
    PACKAGES = "dlt: move packages and their records"
    LOAD = "dlt: load, merge, record finished jobs"
    CHECK = "apply the views, run the checks"
    ARCHIVE = "recover from the archive, write the entry"
    PUBLISH = "clone; close, sync, rename, sync"


_PACKAGE: Final = "/gaussdb_tasks/"
_LINES_OF: Final = ("load.py", "archive/", "database/")
_CALLS_OF: Final = ("source.py", "extract/")
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

# Each call of these is a point: statements, transactions, and the records of a finished job.
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
    ("archive/", Step.ARCHIVE),
    ("database/data_dir.py", Step.LOCK),
    ("database/files.py", Step.PUBLISH),
    ("database/connect.py", Step.PUBLISH),
    ("database/views.py", Step.CHECK),
    ("database/sql_files.py", Step.CHECK),
    ("database/checks.py", Step.CHECK),
)

_Trace = Callable[[FrameType, str, Any], Any]


class CrashPoint(NamedTuple):
    """The n-th time that a load reaches a place.

    Attributes:
        module: the file, relative to its package.
        place: ``line N``, or the qualified name of the function that is called.
        hit: n, from 1.
    """

    module: str
    place: str
    hit: int

    def __str__(self) -> str:
        return f"{self.module} {self.place}, hit {self.hit}"


@contextmanager
def tracing(on_step: Callable[[CrashPoint], None]) -> Iterator[None]:
    """Call ``on_step`` just before each point, also in threads that start inside the block."""
    hits: Counter[tuple[str, str]] = Counter()

    def trace(frame: FrameType, event: str, _argument: Any) -> _Trace | None:
        module, by_line = _module_of(frame.f_code.co_filename)
        if module is None:
            return None
        if event == "line" or (event == "call" and not by_line):
            place = f"line {frame.f_lineno}" if by_line else frame.f_code.co_qualname
            hits[module, place] += 1
            on_step(CrashPoint(module, place, hits[module, place]))
        return trace if by_line else None

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


def is_distinct(point: CrashPoint) -> bool:
    """Whether a point differs from the ones before: a first hit, or a call of ``_EACH_CALL_OF``."""
    return point.hit == 1 or point.place in _EACH_CALL_OF


@contextmanager
def killed_at(target: CrashPoint) -> Iterator[None]:
    """End this process by SIGKILL just before a point."""

    def kill(point: CrashPoint) -> None:
        if point == target:
            os.kill(os.getpid(), signal.SIGKILL)

    with tracing(kill):
        yield


def step_of(point: CrashPoint) -> Step:
    """Return the step of the load that a point belongs to."""
    return next((step for prefix, step in _STEP_OF if point.module.startswith(prefix)), Step.READ)


def _module_of(filename: str) -> tuple[str | None, bool]:
    """Return the name of a traced module, and whether each of its lines is a point."""
    _, found, module = filename.rpartition(_PACKAGE)
    if found:
        if module.startswith(_LINES_OF):
            return module, True
        return (module, False) if module.startswith(_CALLS_OF) else (None, False)
    for package, modules in ((_DLT, _DLT_CALLS_OF), (_FILELOCK, ("",))):
        _, found, module = filename.rpartition(package)
        if found and module.startswith(modules):
            return f"{package.split('/')[-2]}/{module}", False
    return None, False
