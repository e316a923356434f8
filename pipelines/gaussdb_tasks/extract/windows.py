"""Read a window of time, and prove that every task of it was read.

A window that one paged read does not prove is read again. If that does not prove it either, it
is split in time until the parts are proved, at the latest where a part fits a single response. A
window that cannot be proved is kept too, and is recorded as incomplete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import ResponseTooLargeError
from gaussdb_tasks.extract.paged_read import PagedRead
from gaussdb_tasks.extract.paging import Pager
from gaussdb_tasks.extract.proof import incomplete_reason, is_partial, is_same_list, reason_of_two
from gaussdb_tasks.extract.traits import WINDOW_MARGIN, ApiTraits, OffsetUnit
from gaussdb_tasks.extract.window_result import WindowResult
from gaussdb_tasks.model.normalise import created_at_of
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros

_MAX_SPLITS: Final = 64
"""How often a window may be split because it was not proved."""

_MAX_SPLITS_OF_A_LONG_LIST: Final = 8
"""How often if the list was too long to be read at once: it may have no end."""

# Large enough that splitting a window costs next to nothing, small enough that reading a part again
# does not either, and that an offset of 99 lies behind its end should the offset count pages.
_MAX_RECORDS_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class _UnprovedWindow:
    time_range: TimeRange
    records: Sequence[Record]
    total_count: int | None
    reason: str
    is_filtered: bool = True
    """Whether the service applies the bounds of the window."""

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
        self._is_empty_list_checked = False

    def read(
        self, time_range: TimeRange, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        """Yield the window's records, repeats included; append the result of each part.

        Raises:
            LimitReachedError: a bound of the load was reached; the results so far are right.
            ResponseTooLargeError: not even single records can be read.
        """
        self._splits_left = _MAX_SPLITS
        first = self._first_page(time_range)
        self.announced_count += first.total_count or 0
        yield from self._read(time_range, first, results)

    def read_query(self, query: TaskQuery, first: Page) -> tuple[PagedRead, PagedRead]:
        """Read all pages of any query, twice if needed; return the first and the last read."""
        paged_read = self._pager.read(query, first)
        if incomplete_reason(paged_read, self._traits) is None or is_partial(paged_read):
            return paged_read, paged_read
        self._pager.fetched_alone += paged_read.records()
        return paged_read, self._read_again(query, paged_read)

    def can_count(self, query: TaskQuery, first: Page) -> bool:
        """Check whether the total_count of a query's first page counts its tasks.

        On a full page it may be the length of the page; a page of one record shows the difference.
        """
        if first.total_count is None:
            self._traits.is_count_usable_in_load = False
        elif first.total_count == len(first.records) == first.limit:
            single = self._pager.fetch_first(query, limit=1)
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
        if not self._traits.is_order_stable and len(first.records) >= first.limit:
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
        reason = incomplete_reason(paged_read, self._traits)
        if reason is None:
            results.append(WindowResult.of(time_range, paged_read, None))
            return
        if is_partial(paged_read):
            yield from self._split(self._partial_window(time_range, paged_read, reason), results)
            return
        again = self._read_again(query, paged_read)
        yield again.records()
        reason = reason_of_two(paged_read, again, self._traits)
        if reason and is_same_list(paged_read, again) and self._is_count_made_up(time_range, again):
            reason = None
        if reason is None or again.is_one_response:
            result = WindowResult.of(time_range, again, reason)
            if is_same_list(paged_read, again):  # nothing else can be read
                result = result.proved_as_listed()
            results.append(result)
            return
        records = (*paged_read.records(), *again.records())
        unproved = _UnprovedWindow(time_range, records, again.total_counts[-1], reason)
        yield from self._split(unproved, results)

    def _partial_window(
        self, time_range: TimeRange, paged_read: PagedRead, reason: str
    ) -> _UnprovedWindow:
        """Return a window that was not read to its end, or not every record of it."""
        records = tuple(paged_read.records())
        if paged_read.is_cut:
            self._splits_left = min(self._splits_left, _MAX_SPLITS_OF_A_LONG_LIST)
        is_filtered = not (paged_read.is_cut and _are_outside(records, time_range))
        total_count = paged_read.total_counts[-1]
        return _UnprovedWindow(time_range, records, total_count, reason, is_filtered)

    def _read_again(self, query: TaskQuery, before: PagedRead) -> PagedRead:
        """Read a list again; with other page bounds if it seems to list records twice.

        A record that is listed twice shows twice within any bounds. A record that shifted from one
        page to the next does not.
        """
        if not before.is_gapless:
            self._traits.offset_unit = OffsetUnit.UNKNOWN
        length = len(before.pages[0].records)
        rows = before.rows
        has_repeats = rows is None or len(rows) > len(before.identities)
        limit = PAGE_LIMIT
        if has_repeats and not before.is_one_response:
            limit = max(length * 9 // 10, 2)
        again = self._pager.read(query, limit=limit)
        if not (before.is_gapless or again.is_gapless or is_same_list(before, again)):
            self._traits.is_order_stable = False
        return again

    def _is_count_made_up(self, time_range: TimeRange, paged_read: PagedRead) -> bool:
        """Check whether the API counts tasks where it lists none, and record it.

        Then total_count is not a count, and the same list twice is all there is.
        """
        if self._is_empty_list_checked:
            return False
        starts = _starts(tuple(paged_read.records()), time_range)
        edges = [time_range.start, *starts, time_range.end]
        before, after = max(pairwise(edges), key=lambda pause: pause[1] - pause[0])
        if after - before < WINDOW_MARGIN:
            return False
        at = (before + after) // 2
        quiet = TaskQuery(at - WINDOW_MARGIN // 4, at + WINDOW_MARGIN // 4)
        page = self._pager.fetch_first(quiet)
        self._is_empty_list_checked = not page.records
        if page.records or not page.total_count:
            return False
        self._is_empty_list_checked = False
        self._traits.is_count_usable_in_load = False
        return True

    def _split(
        self, unproved: _UnprovedWindow, results: list[WindowResult]
    ) -> Iterator[Iterator[Record]]:
        """Split a window that is not proved, and read the parts."""
        start, end = unproved.time_range
        cut = _time_without_starts(unproved.records, unproved.time_range)
        if cut is None or not unproved.is_filtered or not self._splits_left:
            results.append(unproved.result(unproved.identities, unproved.reason))
            return
        self._splits_left -= 1
        parts: list[WindowResult] = []
        listed: set[str] = set()
        for half in (TimeRange(start, cut), TimeRange(cut, end)):
            try:
                first = self._first_page(half)
            except ResponseTooLargeError as error:
                parts.append(WindowResult(half, 0, None, str(error)))
                continue
            for batch in self._read(half, first, parts):
                records = list(batch)
                listed.update(record.identity for record in records)
                yield iter(records)
        excess = sum(part.repeated_count + part.unlisted_count for part in parts)
        reason = self._incomplete_reason_of_parts(unproved, listed, excess)
        if reason is not None and all(part.is_complete for part in parts):
            results.append(unproved.result(unproved.identities | listed, reason))
        else:
            results += parts

    def _incomplete_reason_of_parts(
        self, unproved: _UnprovedWindow, listed: set[str], excess: int
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
            missing = (unproved.total_count or 0) - len(listed) - excess
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
        cut = _time_without_starts(self._pager.fetch_middle(query, first), time_range)
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
        return self._pager.fetch_first(_query(time_range))


def _query(time_range: TimeRange) -> TaskQuery:
    return TaskQuery(start=time_range.start, end=time_range.end)


def _are_outside(records: Sequence[Record], time_range: TimeRange) -> bool:
    """Check whether some tasks start outside the time range."""
    start, end = time_range.start - WINDOW_MARGIN, time_range.end + WINDOW_MARGIN
    starts = map(created_at_of, records)
    return any(at is not None and not start <= at <= end for at in starts)


def _starts(records: Sequence[Record], time_range: TimeRange) -> list[Micros]:
    """Return the distinct starts of tasks inside a time range, sorted."""
    starts = map(created_at_of, records)
    return sorted(
        {at for at in starts if at is not None and time_range.start <= at <= time_range.end}
    )


def _time_without_starts(records: Sequence[Record], time_range: TimeRange) -> Micros | None:
    """Return a time near the median start of tasks with no start close to it.

    None if there is none strictly inside the time range.
    """
    pauses = [
        (before, after)
        for before, after in pairwise(_starts(records, time_range))
        if after - before >= WINDOW_MARGIN
    ]
    if not pauses:
        return None
    before, after = pauses[len(pauses) // 2]
    return (before + after) // 2
