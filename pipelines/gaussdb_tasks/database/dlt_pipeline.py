"""Load an extraction into the open clone with dlt.

dlt's working directory is the scratch folder of the load, and is removed with the clone. A working
directory that outlives a load is a risk. If dlt 1.31 is killed between a job's commit and its own
note of it, the next run in the same directory writes the rows twice. A leftover load package makes
the next run load only that package.
"""

import ctypes
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.database.connect import sparing
from gaussdb_tasks.errors import GaussdbTasksError, causes
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.model.tables import SCHEMA_NAME, TASKS, Table

if TYPE_CHECKING:
    from dlt import Pipeline

# All that dlt is told. Neither variables nor files of the environment reach it.
_SETTINGS: Final[Mapping[str, Any]] = {
    "runtime": {
        "dlthub_telemetry": False,
        "log_level": "CRITICAL",
        # A stopped load discards the clone, so dlt has nothing to finish.
        "intercept_signals": False,
    },
    # dlt would take its schema and state from rows of the database, which nothing verifies. A
    # changed row could make it discard records.
    "restore_from_destination": False,
    "extract": {"next_item_mode": "fifo"},
    # DuckDB uses all cores for one job. Jobs beside it would keep it from a checkpoint after each,
    # and it would write all rows to its log first.
    "load": {"workers": 1},
    "normalize": {"parquet_normalizer": {"add_dlt_load_id": True}},
}
# dlt sets 1 GB: so many rows would be written to DuckDB's log first.
_CHECKPOINT_EARLY: Final = "checkpoint_threshold = '16MB'"

_MODULES: Final = (
    "dlt",
    "dlt.common.libs.pyarrow",
    "dlt.destinations.impl.duckdb.duck",
)


def start_import() -> Thread:
    """Import dlt in another thread, which must have ended before ``load_into``.

    The import takes as long as DuckDB needs for the work before that.
    """
    thread = Thread(target=_import_modules, name="import dlt")
    thread.start()
    return thread


def _import_modules() -> None:
    with suppress(ImportError):  # load_into imports them again, and fails
        for name in _MODULES:
            import_module(name)


def load_into(
    connection: duckdb.DuckDBPyConnection,
    extraction: Extraction,
    working_dir: Path,
    on_read: Callable[[Mapping[str, Path]], None],
) -> None:
    """Run an extraction into the database of a connection, as one dlt load package.

    Args:
        connection: the clone.
        extraction: the tables to load.
        working_dir: a new folder for dlt.
        on_read: called before rows are loaded, with the Parquet file of each table that is loaded
            from one and appended to: its rows, in their order. The files are in the working
            directory.

    Raises:
        GaussdbTasksError: the extraction failed.
        OSError: the disk is full or fails.
        duckdb.Error: DuckDB cannot write, for the same reasons.
    """
    appends_tasks = _is_empty(connection, TASKS)
    working_dir.mkdir()
    with _confined(working_dir):
        # Imported here: other commands do not need it.
        import dlt  # noqa: PLC0415
        from dlt.common.schema.typing import TMergeDispositionDict  # noqa: PLC0415
        from dlt.pipeline.exceptions import PipelineStepFailed  # noqa: PLC0415

        from gaussdb_tasks.source import resources  # noqa: PLC0415
        from gaussdb_tasks.source_settings import SOURCE_NAME  # noqa: PLC0415

        pipeline = _pipeline(connection, working_dir)
        merged = TMergeDispositionDict(disposition="merge", strategy="upsert")
        source = dlt.source(
            lambda: resources(lambda: extraction, merged=merged, appends_tasks=appends_tasks),
            name=SOURCE_NAME,
            max_table_nesting=0,
        )
        try:
            pipeline.extract(source())
            pipeline.normalize()
            _release_memory()
            on_read(_files_to_append(pipeline))
            with sparing(connection) if appends_tasks else nullcontext():
                pipeline.load().raise_on_failed_jobs()
        except PipelineStepFailed as error:
            _raise_cause(error)
            raise
        _release_memory()


def _pipeline(connection: duckdb.DuckDBPyConnection, working_dir: Path) -> "Pipeline":
    import dlt  # noqa: PLC0415 - as above
    from dlt.common.destination.configuration import ParquetFormatConfiguration  # noqa: PLC0415
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials  # noqa: PLC0415

    return dlt.pipeline(
        "gaussdb_tasks",
        pipelines_dir=str(working_dir),
        destination=dlt.destinations.duckdb(
            DuckDbCredentials(connection, pragmas=[_CHECKPOINT_EARLY]),
            # As in the archive, which takes over these files.
            parquet_format=ParquetFormatConfiguration(
                compression="zstd", supports_dictionary_encoding=False
            ),
        ),
        dataset_name=SCHEMA_NAME,
    )


def _is_empty(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    rows = connection.execute(f"select 1 from {SCHEMA_NAME}.{table.name} limit 1")  # noqa: S608 - a constant
    return rows.fetchone() is None


def _release_memory() -> None:
    """Return memory that is free to the system: extraction leaves a hole for each record."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _files_to_append(pipeline: "Pipeline") -> Mapping[str, Path]:
    tables = pipeline.default_schema.tables
    files: dict[str, list[Path]] = {}
    for load_id in pipeline.list_normalized_load_packages():
        for job in pipeline.get_load_package_info(load_id).jobs["new_jobs"]:
            if job.job_file_info.file_format == "parquet":
                files.setdefault(job.job_file_info.table_name, []).append(Path(job.file_path))
    # A merge stores rows in another order.
    appended = {name for name in files if tables[name].get("write_disposition") == "append"}
    return {name: files[name][0] for name in appended if len(files[name]) == 1}


@contextmanager
def _confined(working_dir: Path) -> Iterator[None]:
    """Keep dlt inside its working directory, with our settings only.

    By default dlt reads variables, ``./.dlt`` and ``~/.dlt``, which belong to other pipelines, and
    writes a file into the latter.
    """
    from dlt.common.configuration.container import Container  # noqa: PLC0415
    from dlt.common.configuration.specs.pluggable_run_context import (  # noqa: PLC0415
        PluggableRunContext,
    )

    from gaussdb_tasks.database.dlt_context import ConfinedContext  # noqa: PLC0415

    context = PluggableRunContext(ConfinedContext(working_dir, _SETTINGS))
    # dlt writes the SQL of its merges there and renames it: it must be the same file system.
    usual_tempdir, tempfile.tempdir = tempfile.tempdir, str(working_dir)
    try:
        with Container().injectable_context(context):
            yield
    finally:
        tempfile.tempdir = usual_tempdir


def _raise_cause(error: BaseException) -> None:
    """Raise the first cause that the caller can report: our own, an interrupt, a disk error."""
    for cause in causes(error):
        if isinstance(cause, (GaussdbTasksError, KeyboardInterrupt, OSError, duckdb.Error)):
            raise cause
