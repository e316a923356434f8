"""What verification finds, each kind by its name."""

from dataclasses import dataclass, field
from enum import StrEnum

from gaussdb_tasks.archive.current_rows import Removal
from gaussdb_tasks.archive.store import Link


class Fault(StrEnum):
    """What is wrong."""

    INVALID = "invalid"
    """Something is not what its digest says, or cannot be read."""
    MISSING = "missing"
    """A file or an entry is not there."""
    GAP = "gap"
    """The chain is broken: an entry does not follow the one before it."""
    EXTRA = "extra"
    """Something is there that the archive does not know of."""
    DIFFERS = "differs"
    """The database is not what the archive says."""
    SIGNATURE = "signature"
    """A signature is wrong, missing, or by an unknown key."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        where: the file or table.
        detail: what is wrong with it, in words.
        entry: the name of the entry, which tells the night.
        task: the row it is about, as its key.
        column: the column it is about.
    """

    fault: Fault
    where: str
    detail: str
    entry: str | None = None
    task: str | None = None
    column: str | None = None


@dataclass
class Verification:
    """What a verification looked at, and what it found.

    Attributes:
        chain: the entries whose digests can be read, in order.
        damaged: files of segments that are missing or not what they were, as paths.
        removals: files that were removed on purpose, as recorded.
        notes: what was not looked at, or is no fault and good to know.
    """

    chain: list[Link] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    removals: list[Removal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def add(self, fault: Fault, where: str, detail: str, **more: str | None) -> None:
        """Note a finding."""
        self.findings.append(Finding(fault, where, detail, **more))
