"""A folder or a bucket of Delta tables, through deltalake and, for listings, through fsspec."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import in_one_line
from gaussdb_tasks.model.tables import TASKS
from gaussdb_tasks.publication.buckets import BucketAccess, bucket_access, check_bucket_packages
from gaussdb_tasks.publication.engine_errors import REMEDY_OF_FILES
from gaussdb_tasks.publication.lane import (
    MAX_CAUSE_LENGTH,
    PublicationError,
    TransientPublicationError,
)
from gaussdb_tasks.publication.target import is_bucket

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.table import FilterConjunctionType
    from pyarrow.dataset import Dataset

LANE: Final = "lane"
"""The column that tables are partitioned by: the SHA-256 of an archive's first entry."""

_DELTALAKE: Final = "1.6.6"
# The log repeats the least and the greatest value of a column, also after its rows were removed. So
# it gets those of columns that no redaction changes.
_COLUMNS_WITH_STATISTICS: Final = ("created_date", "observed_at")
_CONFIGURATION: Final[Mapping[str, str]] = MappingProxyType(
    {
        # A lane is read at versions that may be old.
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": "interval 36500 days",
    }
)
# deltalake keeps so many rows in memory before it writes them.
_ROWS_OF_A_GROUP: Final = 100_000
_BYTES_OF_A_FILE: Final = 64 * 1024**2
# A night writes those files of tasks again that have a row of an observed day.
_BYTES_OF_A_FILE_OF_TASKS: Final = 8 * 1024**2


class DeltaTables:
    """The Delta tables in a folder or a bucket."""

    def __init__(self, url: str) -> None:
        """Open a folder or a bucket; this makes no call.

        Args:
            url: an absolute path or ``s3://bucket/prefix``, as ``DeltaTarget`` has it.

        Raises:
            ConfigurationError: a package is not installed, or there are no credentials.
        """
        check_packages(url)
        self._remote = Remote(url, option="--to")
        self.name = url
        self._options = _options_of_bucket(bucket_access(url)) if is_bucket(url) else {}

    def open(self, table: str, version: int | None = None) -> "DeltaTable | None":
        """Open a table as it is now, or at a version; None if it does not exist."""
        from deltalake import DeltaTable  # noqa: PLC0415 - optional, and slow to import
        from deltalake.exceptions import TableNotFoundError  # noqa: PLC0415 - likewise

        with self.one_error(table):
            try:
                return DeltaTable(self._uri(table), version, self._options)
            except TableNotFoundError:
                return None

    def open_known(self, table: str, version: int | None = None) -> "DeltaTable":
        """Open a table that a publication made.

        Raises:
            PublicationError: it does not exist.
        """
        opened = self.open(table, version)
        if opened is None:
            message = f"{self.name}/{table} is missing; publish to another --to"
            raise PublicationError(message)
        return opened

    def open_or_create(self, table: ArchiveTable, *, has_lanes: bool = True) -> "DeltaTable":
        """Open a table; make it if it is missing."""
        from deltalake import DeltaTable  # noqa: PLC0415 - optional, and slow to import

        opened = self.open(table.name)
        if opened is not None:
            return opened
        kept = [name for name in _COLUMNS_WITH_STATISTICS if name in table.column_names]
        with self.one_error(table.name):
            return DeltaTable.create(
                self._uri(table.name),
                _schema(table, has_lanes=has_lanes),
                mode="error",
                partition_by=[LANE] if has_lanes else None,
                configuration={
                    **_CONFIGURATION,
                    "delta.dataSkippingStatsColumns": ",".join(kept or table.column_names[:1]),
                },
                storage_options=self._options,
            )

    def write(
        self,
        table: "DeltaTable",
        rows: "pa.RecordBatchReader",
        transactions: Mapping[str, int],
        replaced: str | None = None,
    ) -> None:
        """Commit rows, in batches.

        Args:
            table: the table as the rows were chosen for it.
            rows: all columns of the table.
            transactions: of Delta, which no other writer may have committed since.
            replaced: a predicate of the rows that the new ones replace; None to append.

        Raises:
            TransientPublicationError: another writer committed the same.
        """
        from deltalake import (  # noqa: PLC0415 - optional, and slow to import
            CommitProperties,
            Transaction,
            WriterProperties,
            write_deltalake,
        )

        name = table.table_uri.rstrip("/").rpartition("/")[2]
        with self.one_error(name):
            write_deltalake(  # type: ignore[call-overload]  # a predicate needs a literal mode
                table,
                rows,
                mode="append" if replaced is None else "overwrite",
                predicate=replaced,
                schema_mode="merge",  # a later version of this program adds columns
                target_file_size=(
                    _BYTES_OF_A_FILE_OF_TASKS if name == TASKS.name else _BYTES_OF_A_FILE
                ),
                writer_properties=WriterProperties(
                    compression="ZSTD", max_row_group_size=_ROWS_OF_A_GROUP
                ),
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(*each) for each in transactions.items()]
                ),
            )

    def stored_files(self, table: str, lane: str) -> set[str]:
        """Return the names of all files that a lane has in a table, also those not in use."""
        return set(self._remote.files(f"{table}/{LANE}={lane}"))

    def remove_files(self, table: str, lane: str, names: Sequence[str]) -> None:
        """Delete files of a lane."""
        for name in names:
            self._remote.remove(f"{table}/{LANE}={lane}/{name}")

    def _uri(self, table: str) -> str:
        return f"{self.name}/{table}"

    @contextmanager
    def one_error(self, table: str) -> Iterator[None]:
        """Turn any exception of deltalake, or of its files, into one error."""
        from deltalake.exceptions import (  # noqa: PLC0415 - optional, and slow to import
            CommitFailedError,
            DeltaError,
        )

        where = f"{self.name}/{table}"
        try:
            yield
        except (DeltaError, OSError, ValueError) as error:
            cause = in_one_line(str(error), MAX_CAUSE_LENGTH)  # the reason is on a later line
            # Two writers that create a table get no error of their own.
            if isinstance(error, CommitFailedError) or "already exists" in cause:
                message = f"{where} was changed by another writer at the same time: {cause}"
                raise TransientPublicationError(message) from error
            message = f"{where} cannot be reached, read or written: {cause}; {REMEDY_OF_FILES}"
            raise PublicationError(message) from error


def active_files(table: "DeltaTable", lane: str | None = None) -> list[str]:
    """Return the Parquet files that are in use: those of a lane, or all."""
    return table.file_uris(file_pruning_predicate=_of(lane))


def lanes_of(table: "DeltaTable") -> set[str]:
    """Return the lanes that have rows."""
    return {each[LANE] for each in table.partitions()}


def rows_of(table: "DeltaTable", lane: str | None = None, days: Sequence[date] = ()) -> "Dataset":
    """Return the rows of a lane, or all, as a dataset of Arrow.

    If days are given, files without tasks that started on one of them are left out.
    """
    predicate = _of(lane)
    if days:
        predicate = [*(predicate or ()), ("created_date", "in", days)]
    return table.to_pyarrow_dataset(file_pruning_predicate=predicate)


def _of(lane: str | None) -> "FilterConjunctionType | None":
    return None if lane is None else [(LANE, "=", lane)]


def file_names(uris: Sequence[str]) -> set[str]:
    """Return the names of files without their folders."""
    return {PurePosixPath(uri).name for uri in uris}


def _schema(table: ArchiveTable, *, has_lanes: bool) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - slow; most commands build no Arrow table

    fields = [
        pa.field(
            column.name,
            column.arrow_type,
            nullable=column.nullable,
            metadata={"comment": column.description},
        )
        for column in table.columns
    ]
    comment = {"comment": "SHA-256 of the archive's first entry."}
    lane = pa.field(LANE, pa.string(), nullable=False, metadata=comment)
    return pa.schema([*fields, lane] if has_lanes else fields)


def check_packages(url: str) -> None:
    """Refuse a missing package, or another version of it.

    Args:
        url: a folder or a bucket.

    Raises:
        ConfigurationError: it is refused.
    """
    try:
        import deltalake  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        message = "--to: Delta needs a further package; run pip install 'gaussdb-tasks[delta]'"
        raise ConfigurationError(message) from error
    if deltalake.__version__ != _DELTALAKE:
        message = (
            f"--to: deltalake {deltalake.__version__} is installed, but {_DELTALAKE} is needed; "
            "run pip install 'gaussdb-tasks[delta]'"
        )
        raise ConfigurationError(message)
    if is_bucket(url):
        check_bucket_packages()


def _options_of_bucket(access: BucketAccess) -> dict[str, str]:
    """Return the options of deltalake's store for a bucket."""
    options = {
        "aws_access_key_id": access.key_id,
        "aws_secret_access_key": access.secret,
        "aws_session_token": access.token,
        "aws_region": access.region,
        "aws_endpoint_url": access.endpoint,
        "aws_allow_http": str(access.endpoint.startswith("http://")).lower(),
        "aws_conditional_put": "etag",
    }
    return {name: value for name, value in options.items() if value}
