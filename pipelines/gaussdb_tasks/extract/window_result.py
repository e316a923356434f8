"""The result of reading a window of time."""

from dataclasses import dataclass, replace

from gaussdb_tasks.extract.paged_read import PagedRead
from gaussdb_tasks.model.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of reading a window, or a part of one.

    Attributes:
        total_count: the last total_count of the window; None if the API does not count.
        incomplete_reason: why the window is not proved; None if it is.
        repeated_count: records that a proved window lists more than once.
        unlisted_count: tasks that the API counts in a proved window, but lists in no reading.
    """

    time_range: TimeRange
    distinct_count: int
    total_count: int | None
    incomplete_reason: str | None
    repeated_count: int = 0
    unlisted_count: int = 0

    @classmethod
    def of(cls, time_range: TimeRange, paged_read: PagedRead, reason: str | None) -> "WindowResult":
        """Return the result of a paged read; the reason is None if it proves the window."""
        count, total_count = len(paged_read.identities), paged_read.total_counts[-1]
        repeated = 0
        if total_count is not None and total_count > count:
            repeated = max(len(paged_read.rows or ()) - count, 0)
        return cls(time_range, count, total_count, reason, repeated)

    @property
    def note(self) -> str | None:
        """What is unusual about a window that is proved; None if nothing is."""
        if self.unlisted_count:
            return f"the API counts {self.unlisted_count} tasks more than it lists"
        if self.repeated_count:
            return f"{self.repeated_count} records are listed more than once"
        return None

    @property
    def is_complete(self) -> bool:
        """Whether every task of the window was proved read."""
        return self.incomplete_reason is None

    def proved_as_listed(self) -> "WindowResult":
        """Return the result as proved: the whole list fits one response, and was the same twice."""
        unlisted = (self.total_count or 0) - self.distinct_count - self.repeated_count
        if self.is_complete or unlisted <= 0:
            return self
        return replace(self, incomplete_reason=None, unlisted_count=unlisted)

    def marked_incomplete(self, reason: str) -> "WindowResult":
        """Return the result with a reason, unless it has one."""
        return self if self.incomplete_reason else replace(self, incomplete_reason=reason)
