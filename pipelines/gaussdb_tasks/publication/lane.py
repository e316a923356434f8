"""What every kind of target implements: lanes, and entries that are published to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gaussdb_tasks.archive.store import ChainEntry
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.database.views import table_comments
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import SCHEMA_NAME, Column, Table

MAX_CAUSE_LENGTH: Final = 300
"""The characters of another program's message that an error repeats."""


class PublicationError(GaussdbTasksError):
    """A target cannot be reached, read or written; a retry may help."""


class DamagedTargetError(PublicationError):
    """Files of a target are missing or damaged."""


class TransientPublicationError(PublicationError):
    """Another publication came first, or the connection was lost: the next attempt may succeed."""


class LaneError(PublicationError):
    """A target holds other entries, or projects of another archive; nothing was published."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Lane:
    """How far an archive is published.

    Attributes:
        archive_id: SHA-256 of the archive's first manifest.
        sequence: the last published entry; 0 for none.
        head_digest: SHA-256 of its manifest.
        published_at: when it was published, UTC, as ``iso`` writes it.
        tool_version: the version of this program that published it.
        is_cleanup_due: whether older snapshots or files may still hold what an amendment removed.
    """

    archive_id: str
    sequence: int
    head_digest: str
    published_at: str
    tool_version: str
    is_cleanup_due: bool = False


LANES = Table(
    "published_archives",
    "one row per archive that is published here",
    (
        Column("archive_id", "text", "SHA-256 of the archive's first digest.json.", nullable=False),
        Column("archive_sequence", "bigint", "Number of the last published entry.", nullable=False),
        Column("head_digest", "text", "SHA-256 of that entry's digest.json.", nullable=False),
        Column("published_at", "timestamp", "When it was published, UTC.", nullable=False),
        Column("tool_version", "text", "Version of gaussdb-tasks.", nullable=False),
        Column("views_digest", "text", "SHA-256 of the views, as they were created."),
        Column(
            "is_cleanup_due",
            "bool",
            "Whether older snapshots or files may still hold what an amendment removed.",
            nullable=False,
        ),
    ),
    ("archive_id",),
)
"""The table of lanes, in the schema of the other tables. It is in no archive."""


def published_comments() -> dict[tuple[str, str, str | None], str]:
    """Return the comments of the published tables like ``table_comments``, with the lanes."""
    return (
        table_comments()
        | {(SCHEMA_NAME, LANES.name, None): f"{LANES.grain.capitalize()}."}
        | {(SCHEMA_NAME, LANES.name, column.name): column.description for column in LANES.columns}
    )


class Publication(Protocol):
    """An open target. For writing, it is locked: no other process publishes to it."""

    def lanes(self) -> Sequence[Lane]:
        """Return the lanes, sorted by archive; none if nothing was ever published there."""
        ...

    def owners(self) -> Mapping[ProjectKey, str]:
        """Return the archive that published each project."""
        ...

    def are_views_current(self) -> bool:
        """Whether the views are as this version makes them, if the target has views at all."""
        ...

    def publish(self, chain: Sequence[ChainEntry], first: int, lane: Lane) -> None:
        """Bring entries and the lane there: all of them or, after an error, none.

        Args:
            chain: all entries, in order; their files were verified.
            first: index of the first entry to apply. If it is 0, the archive's rows are replaced.
            lane: the lane as it is afterwards.
        """
        ...

    def clean(self) -> None:
        """Remove what amendments removed from older snapshots and files, too.

        Afterwards no lane is due for it. If it is stopped, it can be done again.
        """
        ...

    def verify(self, chain: Sequence[ChainEntry], lane: Lane, found: Verification) -> None:
        """Compare the rows of a lane with those of its entries.

        Args:
            chain: the entries up to the lane's head; some may be missing.
            lane: the lane as it is there.
            found: differences become findings of it.

        Raises:
            PublicationError: the target cannot be read.
        """
        ...
