"""The lanes of a folder of Delta tables: a row for each archive, and marks in each table's log."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.verification.verify_derived import stored
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import Column, Table
from gaussdb_tasks.model.times import from_datetime, iso, parse_time
from gaussdb_tasks.publication.delta_tables import DeltaTables, rows_of
from gaussdb_tasks.publication.lane import LANES, Lane

if TYPE_CHECKING:
    from deltalake import DeltaTable

LANES_OF_DELTA: Final = Table(
    LANES.name,
    LANES.grain,
    (
        *LANES.columns,
        Column("projects", "json", "Region and id of each project of the archive."),
        Column("versions", "json", "For each table, the version of Delta with these entries."),
    ),
    LANES.primary_key,
)


class LaneRow(msgspec.Struct, frozen=True):
    """A lane with what only Delta needs.

    Attributes:
        lane: its sequence is 0 before the first publication is complete.
        projects: region and id.
        versions: for each table, the version that has the entries up to the lane's head.
    """

    lane: Lane
    projects: tuple[ProjectKey, ...] = ()
    versions: Mapping[str, int] = {}


def read_lane_rows(target: DeltaTables) -> dict[str, LaneRow]:
    """Return the lanes, by archive; also those whose first publication is not complete."""
    table = target.open(LANES.name)
    return {} if table is None else rows_in(target, table)


def rows_in(target: DeltaTables, table: "DeltaTable") -> dict[str, LaneRow]:
    """Return the lanes that a table has, by archive."""
    with target.one_error(LANES.name):
        found = rows_of(table).to_table().to_pylist()
        return {row["archive_id"]: _lane_row(row) for row in found}


def _lane_row(row: Mapping[str, Any]) -> LaneRow:
    return LaneRow(
        Lane(
            row["archive_id"],
            row["archive_sequence"],
            row["head_digest"],
            iso(from_datetime(row["published_at"])),
            row["tool_version"],
            is_cleanup_due=row["is_cleanup_due"],
        ),
        msgspec.json.decode(row["projects"], type=tuple[ProjectKey, ...]),
        msgspec.json.decode(row["versions"], type=dict[str, int]),
    )


def store_lane(target: DeltaTables, row: LaneRow, table: "DeltaTable | None" = None) -> None:
    """Write a lane's row.

    Raises:
        TransientPublicationError: another lane's row was written since the table was opened.
    """
    lane = row.lane
    values = {
        "archive_id": lane.archive_id,
        "archive_sequence": lane.sequence,
        "head_digest": lane.head_digest,
        "published_at": parse_time(lane.published_at, option="published_at"),
        "tool_version": lane.tool_version,
        "views_digest": None,
        "is_cleanup_due": lane.is_cleanup_due,
        "projects": msgspec.json.encode(row.projects).decode(),
        "versions": msgspec.json.encode(row.versions, order="sorted").decode(),
    }
    opened = table or target.open_or_create(stored(LANES_OF_DELTA), has_lanes=False)
    target.write(
        opened,
        LANES_OF_DELTA.arrow_from_rows([values]).to_reader(),
        {LANES.name: lane.sequence},
        f"archive_id = {quoted_text(lane.archive_id)}",
    )


def marks(archive_id: str, head_digest: str, sequence: int) -> dict[str, int]:
    """Return the transactions of Delta that mark rows up to a head.

    A transaction has only a number: of the digest, it has the first 60 bits.
    """
    return {archive_id: sequence, f"{archive_id}/head": int(head_digest[:15], 16)}


def repeated_marks(table: "DeltaTable", archive_id: str) -> dict[str, int]:
    """Return the marks that a table has, to commit them once more."""
    return {name: table.transaction_version(name) or 0 for name in marks(archive_id, "0", 0)}


def recorded_sequence(table: "DeltaTable", archive_id: str, digests: Mapping[int, str]) -> int:
    """Return the last entry of an archive that a table has the rows of; 0 for none.

    Args:
        table: a table with lanes.
        archive_id: the archive.
        digests: the SHA-256 of each manifest, by sequence.
    """
    found = repeated_marks(table, archive_id)
    sequence = found[archive_id]
    digest = digests.get(sequence)
    return sequence if digest and found == marks(archive_id, digest, sequence) else 0
