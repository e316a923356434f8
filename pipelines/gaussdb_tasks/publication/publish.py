"""Publish the entries of the archive that a target lacks, in order."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import tenacity

from gaussdb_tasks.archive.recover import read_chain, refuse_damage
from gaussdb_tasks.archive.replay import task_types_file
from gaussdb_tasks.archive.store import Archive, ChainEntry, archive_id_of
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.write import Head
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.model.times import iso, now
from gaussdb_tasks.publication.delta import open_delta
from gaussdb_tasks.publication.delta_tables import check_packages
from gaussdb_tasks.publication.ducklake import lake_extensions, open_lake
from gaussdb_tasks.publication.lane import (
    Lane,
    LaneError,
    Publication,
    TransientPublicationError,
)
from gaussdb_tasks.publication.postgres import open_postgres, server_extensions
from gaussdb_tasks.publication.target import DuckLakeTarget, PostgresTarget, Target
from gaussdb_tasks.version import VERSION

_MAX_ATTEMPTS: Final = 6
_MAX_WAIT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Published:
    """The result of a publication.

    Attributes:
        target: the target's URL, without secrets.
        sequence: the last entry that is published; None after an error.
        entries: the entries that were brought there now.
        is_replaced: whether the rows that were there were replaced.
        is_cleaned: whether older snapshots and files with removed rows were removed.
        error: why the publication failed.
    """

    target: str
    archive_id: str | None = None
    sequence: int | None = None
    entries: int = 0
    is_replaced: bool = False
    is_cleaned: bool = False
    error: str | None = None


def publish_entries(
    data_dir: DataDir, target: Target, scratch: Path, *, is_replacing: bool = False
) -> Published:
    """Publish the entries that a target lacks; the data directory is locked.

    Lost connections and other publications at the same time are tried again.

    Args:
        data_dir: the directory of the archive.
        target: where to publish.
        scratch: a folder for temporary files.
        is_replacing: whether to replace all rows of the archive there.

    Raises:
        LaneError: the target has other entries of this archive, or projects of another archive.
        ArchiveError: an entry is damaged.
        PublicationError: the target cannot be reached or written.
        ConfigurationError: a package is missing, or a setting is wrong.
        LockedError: another publication holds the lock for too long.
    """
    archive = Archive(data_dir.archive)
    chain = read_chain(archive.entries())
    archive_id = archive_id_of(chain)
    if archive_id is None:
        message = f"the archive in {data_dir.path} has no first entry; run gaussdb-tasks verify"
        raise ConfigurationError(message)
    put_tombstones(archive, chain)  # an amendment may have been stopped before this
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientPublicationError),
        stop=tenacity.stop_after_attempt(_MAX_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=_MAX_WAIT_SECONDS),
        reraise=True,
    )
    return attempts(_publish_once, target, chain, archive_id, scratch, is_replacing=is_replacing)


def publish_after_load(data_dir: DataDir, target: Target, scratch: Path) -> Published:
    """Publish like ``publish_entries``; an error is a part of the result."""
    try:
        return publish_entries(data_dir, target, scratch)
    except GaussdbTasksError as error:
        return Published(target.name, error=str(error))


def read_lanes(target: Target, scratch: Path) -> Sequence[Lane]:
    """Return the lanes of a target."""
    with open_target(target, scratch, is_writing=False) as publication:
        return publication.lanes()


def verify_published(data_dir: DataDir, target: Target, options: VerifyOptions) -> Verification:
    """Verify the archive of a data directory, and what is published of it.

    Raises:
        PublicationError: the target cannot be read.
        ConfigurationError: there is no archive, or a package is missing.
    """
    if not data_dir.archive.is_dir():
        message = f"there is no archive in {data_dir.path}; name its directory with --data-dir"
        raise ConfigurationError(message)
    found = verify_archive(Archive(data_dir.archive), options)
    found.notes.append("the local database was not verified")
    with TemporaryDirectory(prefix="gaussdb-tasks-") as folder:
        _compare(data_dir, target, found, Path(folder), is_fast=options.is_fast)
    return found


def _compare(
    data_dir: DataDir, target: Target, found: Verification, scratch: Path, *, is_fast: bool
) -> None:
    archive_id = archive_id_of(found.chain)
    with open_target(target, scratch, is_writing=False) as publication:
        lane = _lane_of(publication, archive_id)
        if lane is None:
            detail = f"the archive in {data_dir.path} is not published there"
            found.add(Fault.MISSING, target.name, detail)
            return
        count = _published_count(found.chain, lane)
        if count is None:
            detail = f"its head {lane.head_digest} is not entry {lane.sequence} of the archive"
            found.add(Fault.DIFFERS, target.name, detail)
            return
        for entry in found.chain[count:]:
            detail = "it is not published yet; the next publication brings it"
            found.add(Fault.MISSING, target.name, detail, entry=entry.name)
        if lane.is_cleanup_due:
            detail = "what an amendment removed may be in older snapshots or files; publish again"
            found.add(Fault.DIFFERS, target.name, detail)
        if is_fast or found.damaged:
            cause = "--fast was given" if is_fast else "files of the archive are damaged"
            found.notes.append(f"rows of {target.name} were not compared: {cause}")
        else:
            publication.verify(found.chain[:count], lane, found)


def refuse_unusable(target: Target) -> None:
    """Refuse a target whose packages are missing, before a load.

    What is there now is no reason: the load must run, and the next one publishes its entry, too.

    Raises:
        ConfigurationError: a package is missing, or does not fit.
    """
    if isinstance(target, PostgresTarget):
        server_extensions()
    elif isinstance(target, DuckLakeTarget):
        lake_extensions(target)
    else:
        check_packages(target.name)


def _refuse_other_files(target: Target) -> None:
    for folder in target.folders:
        if folder.exists() and not folder.is_dir():
            message = f"{folder} is a file, not a folder; choose another target"
            raise ConfigurationError(message)
    for catalogue in filter(Path.is_file, target.files):
        with catalogue.open("rb") as file:
            head = file.read(12)
        if not head.endswith(b"DUCK"):  # behind the checksum of a DuckDB file
            message = f"{catalogue} is not a catalogue of DuckLake; choose another target"
            raise ConfigurationError(message)


def open_target(
    target: Target, scratch: Path, *, is_writing: bool
) -> AbstractContextManager[Publication]:
    """Open a target of any kind.

    Raises:
        ConfigurationError: its place has something else.
    """
    _refuse_other_files(target)
    if isinstance(target, PostgresTarget):
        return open_postgres(target, scratch, is_writing=is_writing)
    if isinstance(target, DuckLakeTarget):
        return open_lake(target, scratch, is_writing=is_writing)
    return open_delta(target, scratch)


def _publish_once(
    target: Target,
    chain: Sequence[ChainEntry],
    archive_id: str,
    scratch: Path,
    *,
    is_replacing: bool,
) -> Published:
    with open_target(target, scratch, is_writing=True) as publication:
        lane = _lane_of(publication, archive_id)
        start = _unpublished_from(chain, lane, target)
        new, head = chain[start:], chain[-1]
        # Without its lane, which somebody deleted, an archive can still have rows there.
        is_there = lane is not None or archive_id in publication.owners().values()
        is_replacing = is_there and (is_replacing or any(entry.manifest.restates for entry in new))
        if new or is_replacing or not publication.are_views_current():
            first = 0 if is_replacing else start
            _refuse_other_archives(publication, chain[first:], archive_id, target)
            _refuse_damage(chain, first)
            publication.publish(
                chain,
                first,
                Lane(
                    archive_id,
                    head.manifest.sequence,
                    head.sha256,
                    iso(now()),
                    VERSION,
                    is_cleanup_due=is_replacing or (lane is not None and lane.is_cleanup_due),
                ),
            )
        is_cleaning = is_replacing or any(each.is_cleanup_due for each in publication.lanes())
        if is_cleaning:
            publication.clean()
    return Published(
        target.name,
        archive_id,
        head.manifest.sequence,
        entries=len(new),
        is_replaced=is_replacing,
        is_cleaned=is_cleaning,
    )


def _lane_of(publication: Publication, archive_id: str | None) -> Lane | None:
    return next((each for each in publication.lanes() if each.archive_id == archive_id), None)


def _published_count(chain: Sequence[ChainEntry], lane: Lane) -> int | None:
    """Return how many entries of the chain the lane has; None if its head is not one of them."""
    head = (lane.sequence, lane.head_digest)
    entries = [(entry.manifest.sequence, entry.sha256) for entry in chain]
    return entries.index(head) + 1 if head in entries else None


def _unpublished_from(chain: Sequence[ChainEntry], lane: Lane | None, target: Target) -> int:
    """Return the index of the first entry that the lane lacks.

    Raises:
        LaneError: its head is not an entry of the chain.
    """
    if lane is None:
        return 0
    count = _published_count(chain, lane)
    if count is not None:
        return count
    message = (
        f"{target.name} has entry {lane.sequence} of this archive with the digest "
        f"{lane.head_digest}, which the local archive lacks: another data directory continued the "
        "same archive, or this one lost entries; nothing was published: bring the entries back "
        "with gaussdb-tasks rebuild --from a copy, or publish to another --to"
    )
    raise LaneError(message)


def _refuse_other_archives(
    publication: Publication, new: Sequence[ChainEntry], archive_id: str, target: Target
) -> None:
    # By its id alone: a project under another region is the same one.
    others = {
        key.project_id: (key, owner)
        for key, owner in publication.owners().items()
        if owner != archive_id
    }
    ids = {each.project_id for entry in new for each in entry.manifest.projects}
    for project_id in sorted(ids & others.keys()):
        key, owner = others[project_id]
        message = (
            f"{target.name} has project {project_id} ({key.region}) from archive "
            f"{owner}; this archive {archive_id} has it, too, and its tasks would be "
            "doubled; nothing was published: publish only one of the two archives there"
        )
        raise LaneError(message)


def _refuse_damage(chain: Sequence[ChainEntry], first: int) -> None:
    """Refuse entries whose files differ from their digests: of these, no row is published."""
    before = chain[first - 1] if first else None
    refuse_damage(
        chain[first:], None if before is None else Head(before.manifest.sequence, before.sha256)
    )
    file = task_types_file(chain)
    holder = next((each for each in chain if file is not None and each.path == file.parent), None)
    if holder is not None:
        previous = holder.manifest.previous
        refuse_damage([holder], None if previous is None else Head(0, previous))
