"""Open the context of an amendment: lock and verify the archive, and open a scratch database."""

from collections.abc import Iterator
from contextlib import contextmanager

from gaussdb_tasks.archive.amendments.context import AmendmentContext
from gaussdb_tasks.archive.rebuild import read_intact_chain, refuse_data_loss
from gaussdb_tasks.archive.replay import number_loads
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.database.connect import open_database
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.untrusted import BELIEVING_NO_STATISTICS


@contextmanager
def open_context(data_dir: DataDir) -> Iterator[AmendmentContext]:
    """Lock a data directory, and verify every byte of its archive.

    Raises:
        ConfigurationError: there is no archive.
        ArchiveError: the archive is damaged, or the database has entries that it lacks.
        LockedError: a load is running.
    """
    with (
        data_dir.locked_with_archive(),
        data_dir.scratch("amendment") as scratch,
        open_database(scratch / "work.duckdb", BELIEVING_NO_STATISTICS) as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        archive = Archive(data_dir.archive)
        chain, _ = read_intact_chain(archive, is_skipping_damage=False)
        put_tombstones(archive, chain)  # finish an amendment that was interrupted
        refuse_data_loss(data_dir.database, chain[-1].manifest.sequence)
        number_loads(connection, chain)
        yield AmendmentContext(connection, chain, scratch)
