"""The findings of a verification."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gaussdb_tasks.archive.store import ChainEntry, Entry
from gaussdb_tasks.archive.tombstones import Removal
from gaussdb_tasks.errors import GaussdbTasksError, ResourceError
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.os_errors import explain_machine


class Fault(StrEnum):
    """Kind of finding."""

    INVALID = "invalid"
    """A file differs from its manifest, or is not what it must be."""
    UNREAD = "unread"
    """The machine did not let a file be read: its disk, its network or a permission."""
    MISSING = "missing"
    """A file or an entry is missing."""
    GAP = "gap"
    """The chain is broken: an entry does not follow the previous one."""
    EXTRA = "extra"
    """A file, entry, table, column or load is not in the archive's manifests."""
    DIFFERS = "differs"
    """The database, or a copy, differs from the archive."""
    SIGNATURE = "signature"
    """A signature is invalid, missing, or made with an unknown key."""
    TIMESTAMP = "timestamp"
    """A time stamp is invalid, of something else, or not from a given authority."""
    AMENDMENT = "amendment"
    """An amendment removed or changed other rows than it says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Describe one fault.

    Attributes:
        where: file or table.
        entry: name of the entry, and so of the load.
        task: key of the row.
        column: name of the column.
    """

    fault: Fault
    where: str
    detail: str
    entry: str | None = None
    task: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class StampedEntries:
    """Entries that existed at a time, confirmed by an authority.

    Attributes:
        first: sequence number of the first of them.
        last: sequence number of the last of them, which has the time stamp.
    """

    first: int
    last: int
    at: Micros
    authority: str


@dataclass(frozen=True, slots=True)
class AmendmentAccount:
    """Describe what an amendment removed and changed.

    Attributes:
        rows_removed: number of rows, recomputed from the row counts of the chain.
        rows_changed: number of rows.
        is_recomputed: whether ``rows_changed`` was recomputed from rows; else it is what the
            amendment says, and the rows before it are gone or were not read.
        is_later: whether it was added after the expected head.
    """

    entry: ChainEntry
    rows_removed: int
    rows_changed: int
    is_recomputed: bool
    is_later: bool


@dataclass
class Verification:
    """The findings of a verification and the entries that it read.

    Attributes:
        chain: entries with a readable manifest, in order.
        damaged: paths of archive tables that are missing or changed.
        removed: paths of archive tables that amendments removed.
        removals: files that amendments removed.
        matched: archive tables whose rows in the database were equal to those of intact files.
        stamped: entries with a proved time, in order; only if authorities are trusted.
        amendments: what each amendment removed and changed, in order.
        notes: checks that were skipped, and other information.
    """

    chain: list[ChainEntry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    removals: list[Removal] = field(default_factory=list)
    matched: set[str] = field(default_factory=set)
    stamped: list[StampedEntries] = field(default_factory=list)
    amendments: list[AmendmentAccount] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Whether there are no findings."""
        return not self.findings

    def is_readable(self, file: Path | None) -> bool:
        """Whether an archive table is there as it was written; None, without rows, always is."""
        return file is None or (str(file) not in self.damaged and str(file) not in self.removed)

    def add(self, fault: Fault, where: str, detail: str, **more: str | None) -> None:
        """Add a finding."""
        self.findings.append(Finding(fault, where, detail, **more))

    def add_file(
        self, entry: Entry | ChainEntry, name: str, detail: str, fault: Fault = Fault.INVALID
    ) -> None:
        """Add a finding about a file in the folder of an entry."""
        self.add(fault, f"{entry.name}/{name}", detail, entry=entry.name)

    @contextmanager
    def reading(self, entry: Entry | ChainEntry, name: str) -> Iterator[None]:
        """Add a finding if a file of an entry is missing, or cannot be read."""
        try:
            yield
        except FileNotFoundError:
            self.add_file(entry, name, "the file is missing", Fault.MISSING)
        except (OSError, GaussdbTasksError) as error:
            self.add_unreadable(f"{entry.name}/{name}", error, entry=entry.name)

    def add_unreadable(
        self,
        where: str,
        error: BaseException,
        *,
        entry: str | None,
        fault: Fault = Fault.INVALID,
        words: str = "",
    ) -> None:
        """Add a finding for a file that cannot be read.

        If its content is at fault, this fault is found, and the words stand before the reason.

        Raises:
            ResourceError: this process lacks memory, threads, open files or space.
        """
        explained = explain_machine(error, path=where)
        if isinstance(explained, ResourceError):
            message = f"verify stopped at {where}: {explained}"
            raise explained.with_lines(message) from error
        if explained is not None:
            self.add(Fault.UNREAD, where, f"it was not verified: {explained}", entry=entry)
        else:
            reason = str(error).partition("\n")[0]
            self.add(fault, where, f"{words}{reason}", entry=entry)
