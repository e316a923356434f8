"""Making the database again from the archive alone: into a new file first, put in place whole."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from gaussdb_tasks.archive.findings import Fault, Finding, Verification
from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.archive.replay import apply_entries
from gaussdb_tasks.archive.store import Archive, Link
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.verify_database import known_sequence
from gaussdb_tasks.archive.verify_files import Demands, verify_archive
from gaussdb_tasks.archive.write import known_head
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError

_USERS_VIEWS = """
    select view_name, sql from duckdb_views() where not internal and schema_name = 'main'
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild made.

    Attributes:
        version_count: rows of ``task_versions``.
        left_out: entries and files that were damaged and so not read.
        lost_views: views of users that do not work on the new database.
    """

    path: Path
    entry_count: int
    version_count: int
    head_digest: str
    seconds: float
    left_out: tuple[Finding, ...] = ()
    lost_views: tuple[str, ...] = field(default=())


def rebuild(
    data_dir: DataDir,
    *,
    output: Path | None = None,
    is_replacing: bool = False,
    is_damage_left_out: bool = False,
) -> Rebuilt:
    """Make the database of a data directory again.

    Args:
        data_dir: where the archive lies, and where the database is put.
        output: another file to write, which must not exist; the data directory's own is left alone.
        is_replacing: whether a database that is there gives way.
        is_damage_left_out: whether damaged segments are passed over; otherwise they stop it.

    Raises:
        ConfigurationError: there is no archive, or a database is in the way.
        ArchiveError: the archive is damaged, or the database has what the archive lacks.
        LockedError: a load is at work.
    """
    started = time.monotonic()
    with data_dir.locked_with_archive(), data_dir.scratch("rebuild") as scratch:
        target = output or data_dir.database
        _refuse_to_overwrite(target, is_replacing=is_replacing and output is None)
        archive = Archive(data_dir.archive)
        chain, left_out = readable_chain(archive, is_damage_left_out=is_damage_left_out)
        put_tombstones(archive, chain)  # what an act that was stopped had left to do
        if output is None and not is_damage_left_out:
            refuse_to_lose(target, chain[-1].digest.sequence)
        fresh = scratch / data_dir.database.name
        lost_views = restore(chain, fresh, views_of=target)
        with connect.read_published(fresh) as connection:
            (version_count,) = connection.execute(
                "select count(*) from task_center.task_versions"
            ).fetchone() or (0,)
            head = known_head(connection)
        if output is None:
            files.publish(fresh, target)
        else:
            files.move(fresh, target)
    return Rebuilt(
        path=target,
        entry_count=len(chain),
        version_count=version_count,
        head_digest="" if head is None else head.sha256,
        seconds=time.monotonic() - started,
        left_out=left_out,
        lost_views=lost_views,
    )


def restore(chain: Sequence[Link], path: Path, views_of: Path | None = None) -> tuple[str, ...]:
    """Write a new database with what a chain holds.

    Args:
        chain: the entries, in order.
        path: the file to write.
        views_of: a database of which users' own views are taken along, if it is there.

    Returns:
        the names of users' views that do not work on it.
    """
    with connect.writable_clone(None, path) as connection:
        apply_entries(connection, chain)
        apply_views(connection)
        return _take_along(connection, _views(views_of))


def _views(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        with connect.read_published(path) as connection:
            return dict(connection.execute(_USERS_VIEWS).fetchall())
    except (GaussdbTasksError, duckdb.Error):  # it may be why there is a rebuild
        return {}


def _take_along(connection: duckdb.DuckDBPyConnection, wanted: dict[str, str]) -> tuple[str, ...]:
    """Make users' views, which may select from each other, until no more can be made."""
    made = dict(connection.execute(_USERS_VIEWS).fetchall())
    waiting = {name: sql for name, sql in wanted.items() if name not in made}
    is_moving = True
    while waiting and is_moving:
        is_moving = False
        for name, sql in list(waiting.items()):
            with _forgiven():
                connection.execute(sql)
                del waiting[name]
                is_moving = True
    return tuple(sorted(waiting))


@contextmanager
def _forgiven() -> Iterator[None]:
    try:
        yield
    except duckdb.Error:
        return  # said in the end, if it stays so


def readable_chain(
    archive: Archive, *, is_damage_left_out: bool
) -> tuple[list[Link], tuple[Finding, ...]]:
    """Read an archive, every byte of it, and return its chain.

    Args:
        archive: what to read.
        is_damage_left_out: whether what is damaged is passed over, and told.

    Raises:
        ArchiveError: it is damaged.
    """
    found = verify_archive(archive, Demands())
    if not found.chain:
        first = found.findings[0]
        message = f"{archive.path} has no entry that can be read: {first.where}: {first.detail}"
        raise ArchiveError(message)
    harm = tuple(each for each in found.findings if each.fault is not Fault.EXTRA)
    if not harm:
        return found.chain, ()
    if not is_damage_left_out:
        first = harm[0]
        message = (
            f"the archive is damaged: {len(harm):,} findings, such as {first.where}: "
            f"{first.detail}; bring the files back from a copy (gaussdb-tasks verify names them), "
            "or leave out what is damaged with --skip-damaged"
        )
        raise ArchiveError(message)
    return _without_damage(found), harm


def _without_damage(found: Verification) -> list[Link]:
    return [link.without(found.damaged) for link in found.chain]


def _refuse_to_overwrite(target: Path, *, is_replacing: bool) -> None:
    if target.exists() and not is_replacing:
        message = (
            f"{target} is there; say --replace to put the rebuilt one in its place, or --output "
            "FILE to write another"
        )
        raise ConfigurationError(message)


def refuse_to_lose(target: Path, last_sequence: int) -> None:
    """Refuse to replace a database that knows more than the archive holds.

    Raises:
        ArchiveError: it does.
    """
    if not target.exists():
        return
    try:
        known = known_sequence(target)
    except (GaussdbTasksError, duckdb.Error):
        return  # it cannot be read: there is nothing to lose
    if known > last_sequence:
        message = (
            f"{target} knows entries up to {known}, the archive ends at {last_sequence}; bring the "
            "entries back from a copy, or write another file with --output"
        )
        raise ArchiveError(message)
