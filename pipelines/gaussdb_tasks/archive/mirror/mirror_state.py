"""The progress of the mirror, which a load stores beside the archive."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gaussdb_tasks.archive.manifest import Sha256, Text
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir

_MAX_NOTE_BYTES: Final = 64 * 1024


class MirrorState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the mirror.

    Attributes:
        remote: the URL of the remote, without secrets.
        sequence: the last entry that is complete there, with all before it; 0 for none.
        sha256: SHA-256 of that entry's digest.
        waiting: the number of entries that are not there yet.
        at: when this state was stored, UTC.
        error: why entries wait, or why the remote was refused.
    """

    remote: Text = msgspec.field(name="place")
    sequence: Annotated[int, Meta(ge=0, le=10**12)] = 0
    sha256: Sha256 | None = None
    waiting: Annotated[int, Meta(ge=0, le=10**12)] = 0
    at: Annotated[str, Meta(max_length=32)] = ""
    error: Text | None = None

    @property
    def is_behind(self) -> bool:
        """Whether entries wait, or the remote was refused."""
        return bool(self.waiting or self.error)

    @property
    def waiting_line(self) -> str:
        """A line about the entries that wait."""
        return (
            f"copies: {self.waiting:,} entries wait to be copied to {self.remote} since "
            f"{self.at}: {self.error}; the next load with --archive-url tries again"
        )


def read_mirror_state(data_dir: DataDir) -> MirrorState | None:
    """Read the progress after the last load; None if there is no mirror, or no readable state."""
    try:
        with files.open_regular(data_dir.copies_state) as file:
            return msgspec.json.decode(file.read(_MAX_NOTE_BYTES), type=MirrorState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
