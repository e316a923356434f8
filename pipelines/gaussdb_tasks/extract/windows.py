"""Read a window of time, and prove that every task of it was read.

A window is proved if its pages have no gap and hold as many distinct tasks as the API counts on
every page. If it is not proved, it is read again. If it is still not proved, it is split in time
until the parts are proved, at the latest where a part fits a single response. A window that cannot
be proved is kept too, and is recorded as incomplete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.paging import PagedRead, Pager
from gaussdb_tasks.extract.traits import WINDOW_MARGIN, ApiTraits, OffsetUnit
from gaussdb_tasks.model.normalise import created_at_of
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros

_MAX_SPLITS: Final = 64
"""How often a window may be split because it was not proved."""

_MAX_SPLITS_OF_A_STABLE_LIST: Final = 2
"""How often if the list was the same twice, and only the count is higher."""

# Large enough that splitting a window costs next to nothing, small enough that reading a part again
# does not either, and that an offset of 99 lies behind its end should the offset count pages.
_MAX_RECORDS_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of reading a window, or a part of one.

    Attributes:
        total_count: the last total_count of the window; None if the API does not count.
        incomplete_reason: why the window is not proved; None if it is.
    """

    time_range: TimeRange
    distinct_count: int
    total_count: int | None
    incomplete_reason: str | None

    @property
    def is_complete(self) -> bool:
        """Whether every task of the window was proved read."""
        return self.incomplete_reason is None

    def marked_incomplete(self, reason: str) -> "WindowResult":
        """Return the result with a reason, unless it has one."""
        return self if self.incomplete_reason else replace(self, incomplete_reason=reason)


@dataclass(frozen=True, slots=True)
class _UnprovedWindow:
    time_range: TimeRange
    records: Sequence[Record]
    total_count: int | None
    reason: str

    @property
    def identities(self) -> set[str]:
        return {record.identity for record in self.records}

    def result(self, identities: set[str], reason: str) -> WindowResult:
        return WindowResult(self.time_range, len(identities), self.total_count, reason)


class WindowReader:
    """Reads windows of one project, and learns whether its counts and its order can be relied on.

    Attributes:
        announced_count: the tasks that the API announced for the windows read so far.
    """

    def __init__(self, pager: Pager, traits: ApiTraits) -> None:
        self.announced_count = 0
        self._pager = pager
        self._traits = traits
        self._splits_left = _MAX_SPLITS

    def read(
        self, time_range: TimeRange, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        """Yield the window's records, repeats included; append the result of each part."""
        self._splits_left = _MAX_SPLITS
        first = self._first_page(time_range)
        self.announced_count += first.total_count or 0
        yield from self._read(time_range, first, results)

    def read_query(self, query: TaskQuery, first: Page) -> tuple[PagedRead, str | None]:
        """Read all pages of any query, twice if needed; return the last read and its weakness.

        The second value is the reason why the read is not proved; None if it is.
        """
        paged_read = self._pager.read(query, first)
        reason = self._incomplete_reason(paged_read)
        if reason is None:
            return paged_read, None
        self._pager.fetched_alone += paged_read.records()
        again = self._read_again(query, paged_read)
        return again, self._incomplete_reason(again)

    def can_count(self, query: TaskQuery, first: Page) -> bool:
        """Check whether the total_count of a query's first page counts its tasks.

        On a full page it may be the length of the page; a page of one record shows the difference.
        """
        if first.total_count is None:
            self._traits.is_count_usable_in_load = False
        elif first.total_count == len(first.records) == PAGE_LIMIT:
            single = self._pager.fetch_page(query, offset=0, limit=1)
            self._traits.is_count_usable_in_load = single.total_count != 1
        return self._traits.is_count_usable_in_load is not False

    def _read(
        self, time_range: TimeRange, first: Page, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        halves = self._counted_halves(time_range, first)
        for half, page in halves:
            yield from self._read(half, page, results)
        if halves:
            return
        if not self._traits.is_order_stable and len(first.records) >= PAGE_LIMIT:
            yield iter(first.records)
            reason = "the order of the list changes from call to call"
            yield from self._split(
                _UnprovedWindow(time_range, first.records, first.total_count, reason), results
            )
            return
        yield from self._read_by_offset(time_range, first, results)

    def _read_by_offset(
        self, time_range: TimeRange, first: Page, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        query = _query(time_range)
        paged_read = self._pager.read(query, first)
        yield paged_read.records()
        reason = self._incomplete_reason(paged_read)
        if reason is None:
            results.append(_result(time_range, paged_read, None))
            return
        again = self._read_again(query, paged_read)
        yield again.records()
        reason = self._incomplete_reason(again)
        if reason is None or again.is_one_response:
            results.append(_result(time_range, again, reason))
            return
        if _is_same_list(paged_read, again):
            self._splits_left = min(self._splits_left, _MAX_SPLITS_OF_A_STABLE_LIST)
        records = (*paged_read.records(), *again.records())
        unproved = _UnprovedWindow(time_range, records, again.total_counts[-1], reason)
        yield from self._split(unproved, results)

    def _read_again(self, query: TaskQuery, before: PagedRead) -> PagedRead:
        if not before.is_gapless:
            self._traits.offset_unit = OffsetUnit.UNKNOWN
        again = self._pager.read(query)
        if not before.is_gapless and not again.is_gapless:
            self._traits.is_order_stable = False
        return again

    def _incomplete_reason(self, paged_read: PagedRead) -> str | None:
        """Return why one paged read does not prove that every task was read."""
        self._learn_from_counts(paged_read)
        if not paged_read.reached_end:
            return "the list of pages does not end"
        if not paged_read.is_gapless:
            return "the list changed while it was read"
        if self._traits.is_count_usable_in_load is False:
            return None
        counts = set(paged_read.total_counts)
        read_count = len(paged_read.identities)
        if counts == {read_count}:
            return None
        if read_count > max(count or 0 for count in counts):
            # A list without a gap proves itself; a smaller total_count is not a count.
            self._traits.is_count_too_low = True
            self._traits.is_count_usable_in_load = False
            return None
        return f"{read_count} tasks were read, but the API counts {_joined(counts)}"

    def _learn_from_counts(self, paged_read: PagedRead) -> None:
        traits = self._traits
        if paged_read.counts_are_page_lengths or None in paged_read.total_counts:
            traits.is_count_usable_in_load = False
        elif traits.is_count_usable_in_load is None:
            is_shown = traits.is_count_seen or not paged_read.is_one_response
            traits.is_count_usable_in_load = is_shown or None

    def _split(
        self, unproved: _UnprovedWindow, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        """Split a window that is not proved, and read the parts."""
        start, end = unproved.time_range
        cut = _time_without_starts(unproved.records, unproved.time_range)
        if cut is None or not self._splits_left:
            results.append(unproved.result(unproved.identities, unproved.reason))
            return
        self._splits_left -= 1
        parts: list[WindowResult] = []
        listed: set[str] = set()
        for half in (TimeRange(start, cut), TimeRange(cut, end)):
            for batch in self._read(half, self._first_page(half), parts):
                records = list(batch)
                listed.update(record.identity for record in records)
                yield iter(records)
        reason = self._incomplete_reason_of_parts(unproved, listed)
        if reason is not None and all(part.is_complete for part in parts):
            results.append(unproved.result(unproved.identities | listed, reason))
        else:
            results += parts

    def _incomplete_reason_of_parts(
        self, unproved: _UnprovedWindow, listed: set[str]
    ) -> str | None:
        """Return why parts, each proved, do not prove the window that they are parts of.

        A filter that looks at the end of tasks hides those that end after the cut.
        """
        hidden = len(unproved.identities - listed)
        if hidden:
            return f"{hidden} tasks of the window are missing in its parts"
        is_counted = (
            self._traits.is_count_usable_in_load is not False and unproved.total_count is not None
        )
        if is_counted and not self._traits.is_count_too_low:
            missing = (unproved.total_count or 0) - len(listed)
            return (
                f"the parts hold {missing} tasks fewer than the API counts" if missing > 0 else None
            )
        if self._traits.is_running_listed is True:
            return None
        return "the API does not count tasks, and its time filter may hide some"

    def _counted_halves(
        self, time_range: TimeRange, first: Page
    ) -> tuple[tuple[TimeRange, Page], ...]:
        """Cut a window that is too large to read at once into two.

        Return nothing if it is not too large, or if the counts of the halves do not add up to its
        own.
        """
        query = _query(time_range)
        total = first.total_count or 0
        if self._traits.is_count_usable_in_load is False or total <= _MAX_RECORDS_AT_ONCE:
            return ()
        cut = _time_without_starts(self._pager.fetch_middle(query, first).records, time_range)
        if cut is None:
            return ()
        halves = (TimeRange(time_range.start, cut), TimeRange(cut, time_range.end))
        pages = [self._first_page(half) for half in halves]
        counts = [page.total_count or 0 for page in pages]
        if max(counts) >= total:
            return ()
        if sum(counts) != total:
            # Tasks may appear or vanish: the sum must be between the counts before and after.
            recount = self._first_page(time_range).total_count or 0
            if not min(total, recount) <= sum(counts) <= max(total, recount):
                return ()
        return tuple(zip(halves, pages, strict=True))

    def _first_page(self, time_range: TimeRange) -> Page:
        return self._pager.fetch_page(_query(time_range), offset=0)


def _query(time_range: TimeRange) -> TaskQuery:
    return TaskQuery(start=time_range.start, end=time_range.end)


def _result(time_range: TimeRange, paged_read: PagedRead, reason: str | None) -> WindowResult:
    count = len(paged_read.identities)
    return WindowResult(time_range, count, paged_read.total_counts[-1], reason)


def _is_same_list(first: PagedRead, second: PagedRead) -> bool:
    """Check whether a list was the same twice, without a gap, to its end."""
    are_full = all(each.is_gapless and each.reached_end for each in (first, second))
    return are_full and first.identities == second.identities


def _joined(counts: set[int | None]) -> str:
    return " or ".join(str(count) for count in sorted(count or 0 for count in counts))


def _time_without_starts(records: Sequence[Record], time_range: TimeRange) -> Micros | None:
    """Return a time near the median start of tasks with no start close to it.

    None if there is none strictly inside the time range.
    """
    starts = sorted(
        {
            at
            for at in map(created_at_of, records)
            if at is not None and time_range.start <= at <= time_range.end
        }
    )
    pauses = [
        (before, after) for before, after in pairwise(starts) if after - before >= WINDOW_MARGIN
    ]
    if not pauses:
        return None
    before, after = pauses[len(pauses) // 2]
    return (before + after) // 2
