"""Publish to a DuckLake: its catalogue is in PostgreSQL or in a file, its rows in Parquet files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.database.dialects import DUCKLAKE
from gaussdb_tasks.database.files import publish
from gaussdb_tasks.database.views import VIEW_SCHEMA
from gaussdb_tasks.errors import ConfigurationError, LockedError
from gaussdb_tasks.model.tables import AMENDMENTS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.publication.buckets import check_bucket_packages, use_buckets
from gaussdb_tasks.publication.catalogue import CATALOGUE, Catalogue
from gaussdb_tasks.publication.engine_errors import one_error
from gaussdb_tasks.publication.extensions import connected_with, extension_files
from gaussdb_tasks.publication.lane import DamagedTargetError, Lane, Publication
from gaussdb_tasks.publication.postgres import (
    MAX_LOCK_SECONDS,
    SECRET,
    ask_server,
    create_secret,
    rewrite_tables,
    server_lock,
)
from gaussdb_tasks.publication.target import DuckLakeTarget, PostgresServer, is_bucket

_METADATA: Final = f"__ducklake_metadata_{CATALOGUE}"
_NOT_ATTACHED: Final = MappingProxyType(
    {
        "is explicitly disabled": "there is no {} yet; publish to it first",
        "data_path is not set": "there is no {} yet; to create it, name the folder or bucket of "
        "its data files with --data-path",
        "does not match existing data path": "{} has its data files in another place than "
        "--data-path; remove the option, or choose another catalogue",
        "catalog version mismatch": "{} was made by another version of DuckLake than the one that "
        "is installed; nothing was changed: install the DuckDB and the duckdb-extension-ducklake "
        "that made it, or let DuckDB migrate it: attach it there with automatic_migration true",
    }
)
# DuckLake only widens the bounds of a table's columns: they may be texts that were removed.
_BOUNDS_OF_TEXTS: Final = f"""
    update {_METADATA}.ducklake_table_column_stats as bounds
    set min_value = files.min_value, max_value = files.max_value
    from (
        select
            bounds.table_id,
            bounds.column_id,
            case when not bool_or(is_unknown) then min(files.min_value) end as min_value,
            case when not bool_or(is_unknown) then max(files.max_value) end as max_value
        from {_METADATA}.ducklake_table_column_stats as bounds
        inner join {_METADATA}.ducklake_column as columns using (table_id, column_id)
        left join (
            select *, min_value is null and value_count > null_count as is_unknown
            from {_METADATA}.ducklake_file_column_stats
        ) as files using (table_id, column_id)
        where columns.end_snapshot is null and columns.column_type in ('varchar', 'json')
        group by all
    ) as files
    where bounds.table_id = files.table_id and bounds.column_id = files.column_id
"""


class LakeCatalogue(Catalogue):
    """Tables and views of a DuckLake."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, target: DuckLakeTarget, scratch: Path
    ) -> None:
        super().__init__(connection, target.name, DUCKLAKE, scratch)
        self._target = target
        self._is_damaged = False

    def _run(self, script: str) -> None:
        self._connection.execute(script)

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring entries and the lane there.

        If all rows are replaced and files of them are damaged, the tables are made again.
        """
        try:
            super().publish(chain, first, lane)
        except DamagedTargetError:
            archives = {*self.owners().values(), *(each.archive_id for each in self.lanes())}
            if first or archives - {lane.archive_id}:
                raise
            self._is_damaged = True
            super().publish(chain, first, lane)

    def _remove_rows(self, archive_id: str, chain: Sequence[ChainEntry]) -> None:
        if not self._is_damaged:
            super()._remove_rows(archive_id, chain)
            return
        for table in (*LOADED_TABLES, AMENDMENTS):
            self._connection.execute(f"drop table if exists {SCHEMA_NAME}.{table.name}")
        self._create_tables()

    def _kept_views(self) -> Sequence[str]:
        sql = """
            select view_name || ' ' || sql from duckdb_views()
            where database_name = ? and schema_name = ?
        """
        rows = self._connection.execute(sql, [CATALOGUE, VIEW_SCHEMA]).fetchall()
        return [text for (text,) in rows]

    def _clean(self) -> None:
        """Leave only the files of the newest snapshot, without deleted rows in them."""
        self._refuse_foreign_files()
        for call in (
            "ducklake_rewrite_data_files(?, delete_threshold => 0)",
            "ducklake_expire_snapshots(?, older_than => now())",
            "ducklake_cleanup_old_files(?, cleanup_all => true)",
            "ducklake_delete_orphaned_files(?, cleanup_all => true)",
        ):
            self._connection.execute(f"call {call}", [CATALOGUE])
        self._connection.execute(_BOUNDS_OF_TEXTS)
        if isinstance(self._target.catalogue, Path):
            self._rewrite_file(self._target.catalogue)
            return
        sql = """
            select format('%I.%I', schemaname, tablename) from pg_tables
            where tablename like 'ducklake%column_stats' or tablename like 'ducklake_inlined_data_%'
        """
        tables = ask_server(self._connection, sql, _METADATA)
        rewrite_tables(self._connection, _METADATA, tables)

    def _refuse_foreign_files(self) -> None:
        """Refuse files of others, which DuckLake would delete with those of stopped publications.

        Raises:
            ConfigurationError: there are some below the lake's folder.
        """
        sql = f"select value from {_METADATA}.ducklake_metadata where key = 'data_path'"
        (folder,) = self._connection.execute(sql).fetchone() or ("",)
        call = "ducklake_delete_orphaned_files(?, cleanup_all => true, dry_run => true)"
        for (path,) in self._connection.execute(f"from {call}", [CATALOGUE]).fetchall():
            if not path.startswith(f"{folder}{SCHEMA_NAME}/"):
                message = (
                    f"{path} is in the folder of {self._name}, but not one of its files; nothing "
                    "was deleted: move the file, and publish again"
                )
                raise ConfigurationError(message)

    def _rewrite_file(self, catalogue: Path) -> None:
        """Copy the catalogue to a new file: a file keeps the bytes of deleted rows."""
        fresh = catalogue.with_name(f"{catalogue.name}.new")
        fresh.unlink(missing_ok=True)
        self._connection.execute(f"use memory; detach {CATALOGUE}")
        for name, path in (("old_catalogue", catalogue), ("new_catalogue", fresh)):
            self._connection.execute(f"attach {quoted_text(str(path))} as {name}")
        self._connection.execute("copy from database old_catalogue to new_catalogue")
        self._connection.execute("detach old_catalogue; detach new_catalogue")
        publish(fresh, catalogue)
        _attach(self._connection, self._target, is_writing=True)


@contextmanager
def open_lake(target: DuckLakeTarget, scratch: Path, *, is_writing: bool) -> Iterator[Publication]:
    """Open a DuckLake; for writing, make it if it is missing, and hold its lock."""
    with connected_with(lake_extensions(target), scratch) as connection, one_error(target.name):
        # Small inserts would be rows of the catalogue, and stay there after an amendment.
        connection.execute("set ducklake_default_data_inlining_row_limit = 0")
        if isinstance(target.catalogue, PostgresServer):
            create_secret(connection)
        lake = LakeCatalogue(connection, target, scratch)
        with _locked(connection, target, is_writing=is_writing) as check:
            lake.check_lock = check
            _attach(connection, target, is_writing=is_writing)
            yield lake


def lake_extensions(target: DuckLakeTarget) -> Sequence[Path]:
    """Return the files of the extensions that a lake needs, as far as its target shows it.

    Raises:
        ConfigurationError: one is missing, or another package.
    """
    names = ["ducklake"]
    if isinstance(target.catalogue, PostgresServer):
        names.append("postgres_scanner")
    if target.data_path is not None and is_bucket(target.data_path):
        check_bucket_packages()
        names.append("httpfs")
    return extension_files("lake", *names)


@contextmanager
def _locked(
    connection: duckdb.DuckDBPyConnection, target: DuckLakeTarget, *, is_writing: bool
) -> Iterator[Callable[[], object]]:
    """Hold the lock for writing; yield a function that raises an error if it was lost."""
    catalogue = target.catalogue
    if isinstance(catalogue, Path):
        with _file_lock(catalogue, target.name, is_writing=is_writing):
            yield lambda: None
    elif is_writing:
        with server_lock(connection, catalogue, target.name) as check:
            yield check
    else:
        yield lambda: None


def _attach(
    connection: duckdb.DuckDBPyConnection, target: DuckLakeTarget, *, is_writing: bool
) -> None:
    """Attach a lake as the catalogue, and make it the current database.

    Raises:
        ConfigurationError: there is no lake yet, it is of another version, or its data files are in
            another place.
    """
    try:
        _attach_or_create(connection, target, is_writing=is_writing)
    except duckdb.Error as error:
        for cause, message in _NOT_ATTACHED.items():
            if cause in str(error):
                raise ConfigurationError(message.format(target.name)) from None
        raise
    snapshot = "" if is_writing else "; begin transaction"
    connection.execute(f"use {CATALOGUE}{snapshot}")


def _attach_or_create(
    connection: duckdb.DuckDBPyConnection, target: DuckLakeTarget, *, is_writing: bool
) -> None:
    options = ["create_if_not_exists false"] if is_writing else ["read_only"]
    location = str(target.catalogue)
    if isinstance(target.catalogue, PostgresServer):
        location = f"postgres:{target.catalogue.conninfo}"
        options.append(f"meta_secret {SECRET}")
    if target.data_path is not None:
        options.append(f"data_path {quoted_text(target.data_path)}")
        if is_bucket(target.data_path):
            use_buckets(connection, target.data_path)
    statement = f"attach {quoted_text(f'ducklake:{location}')} as {CATALOGUE}"
    try:
        connection.execute(f"{statement} ({', '.join(options)})")
    except duckdb.Error as error:
        if "requires the extension httpfs" in str(error):
            use_buckets(connection, target.name)
        elif is_writing and "is explicitly disabled" in str(error):
            _refuse_used_folder(connection, target)
            options[0] = "create_if_not_exists true"
        else:
            raise
        connection.execute(f"{statement} ({', '.join(options)})")


def _refuse_used_folder(connection: duckdb.DuckDBPyConnection, target: DuckLakeTarget) -> None:
    """Refuse to make a lake above files of others: each lake deletes what it does not know.

    Raises:
        ConfigurationError: there are Parquet files.
    """
    # Without a path, DuckLake has the files beside a catalogue in a file, and refuses a server's.
    folder = target.data_path or f"{target.catalogue}.files"
    pattern = f"{folder}/**/*.parquet"
    found = connection.execute("select file from glob(?) limit 1", [pattern]).fetchone()
    if found is not None:
        message = (
            f"--data-path: {folder} has files, such as {found[0]}, and {target.name} "
            "would be new; name an empty folder: a lake deletes files that it does not know"
        )
        raise ConfigurationError(message)


@contextmanager
def _file_lock(path: Path, name: str, *, is_writing: bool) -> Iterator[None]:
    """Hold the lock of a catalogue in a file.

    Raises:
        LockedError: another publication holds it for too long.
        ConfigurationError: the catalogue is missing, or its folder cannot be written.
    """
    if not is_writing:
        if not path.exists():
            message = f"there is no {name} yet; publish to it first"
            raise ConfigurationError(message)
        yield
        return
    from filelock import FileLock, Timeout  # noqa: PLC0415 - slow to import

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f"{path.name}.lock"))
        lock.acquire(timeout=MAX_LOCK_SECONDS)
    except Timeout as error:
        message = f"another publication to {name} is running; run it again later"
        raise LockedError(message) from error
    except OSError as error:
        message = f"{name}: the folder cannot be written: {error.strerror}"
        raise ConfigurationError(message) from error
    try:
        yield
    finally:
        lock.release()
