"""Walking through the pages of one query, whatever its offset turns out to count.

The list shifts while it is read: new tasks push records onto the next page, deleted ones pull
records from it, and one that slips over a page's edge is skipped without a trace in the counts. So
neighbouring pages are made to overlap by one record: as long as each page holds the last record of
the one before, nothing slipped through between them. That costs one call in a hundred.

The overlap also tells what the offset counts. Records from 0 is the contract; should a server count
pages, ``offset=99`` lands far behind the end or amid strangers, while ``offset=1`` with a page of
99 begins with the very record that the first page ended with. Pages can overlap there too: with a
limit of 100 - k, page k begins k records before the end of page k - 1.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import islice, pairwise
from typing import Final, Protocol

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.records import Listing, Record

# With a smaller limit at each page, page 15 still brings 70 new records of its 85, page 50 none.
_MOST_OVERLAPPING_PAGES: Final = 16

# Large enough that splitting a window costs next to nothing, small enough that reading a part again
# does not either, and that an offset of 99 lies behind its end should the offset count pages.
_MOST_RECORDS_AT_ONCE: Final = 5_000


class FetchPage(Protocol):
    """Fetches one page of a query."""

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Listing:
        """Return the page."""


class OffsetStyle(Enum):
    """What an offset counts, as far as it is known."""

    UNKNOWN = "unknown"
    RECORDS = "records"
    PAGES_FROM_ZERO = "pages from 0"
    PAGES_FROM_ONE = "pages from 1"


@dataclass(frozen=True, slots=True)
class Walk:
    """What one walk through a query's pages brought.

    Attributes:
        pages: as fetched, in the order of the list.
        reached_end: whether the last page was short, so that nothing can follow it.
        is_gapless: whether each page held the last record of the one before; None where pages
            could not be made to overlap.
    """

    pages: tuple[Listing, ...]
    reached_end: bool
    is_gapless: bool | None

    def records(self) -> Iterator[Record]:
        """Yield every record of every page, repeats included."""
        return (record for page in self.pages for record in page.records)

    @property
    def identities(self) -> frozenset[str]:
        """The distinct tasks (and records without a job_id) that were listed."""
        return frozenset(record.identity for record in self.records())

    @property
    def total_counts(self) -> tuple[int | None, ...]:
        """What the API counted, page by page."""
        return tuple(page.total_count for page in self.pages)

    @property
    def is_one_answer(self) -> bool:
        """Whether all of it came in the first answer already, during which nothing can shift."""
        first = {record.identity for record in self.pages[0].records}
        return len(self.pages[0].records) < PAGE_LIMIT and self.identities <= first

    @property
    def counts_pages(self) -> bool:
        """Whether each total_count is just the length of its page."""
        lengths = {len(page.records) for page in self.pages}
        return len(lengths) > 1 and all(
            page.total_count == len(page.records) for page in self.pages
        )


class Pager:
    """Walks through the pages of one project's queries, and remembers how it pages."""

    def __init__(self, fetch_page: FetchPage, executor: Executor) -> None:
        self.fetch_page = fetch_page
        self.style = OffsetStyle.UNKNOWN
        self._executor = executor

    def walk(self, query: TaskQuery, first: Listing | None = None) -> Walk:
        """Walk through all pages of a query; the first may be at hand already."""
        first = self.fetch_page(query, offset=0) if first is None else first
        size = _page_size(first)
        if not _may_continue(first):
            return Walk((first,), reached_end=True, is_gapless=True)
        second: Listing | None = None
        if self.style is OffsetStyle.UNKNOWN:
            second = self.fetch_page(query, offset=max(size - 1, 1))
            self.style = self._recognise(query, first, second)
        if self.style in {OffsetStyle.UNKNOWN, OffsetStyle.RECORDS}:
            return self._walk_records(query, first, second, size)
        return self._walk_pages(query, first, size)

    def most_records(self, query: TaskQuery, first: Listing) -> int:
        """Return how long a list can be and still be walked through dependably."""
        total = first.total_count or 0
        if self.style is OffsetStyle.UNKNOWN and total > _overlapping_reach(PAGE_LIMIT):
            second = self.fetch_page(query, offset=_page_size(first) - 1)
            self.style = self._recognise(query, first, second)
        if self.style in {OffsetStyle.PAGES_FROM_ZERO, OffsetStyle.PAGES_FROM_ONE}:
            return _overlapping_reach(PAGE_LIMIT)
        return _MOST_RECORDS_AT_ONCE

    def fetch_middle(self, query: TaskQuery, first: Listing) -> Listing:
        """Fetch a page from the middle of a list."""
        middle = (first.total_count or 0) // 2
        if self.style in {OffsetStyle.PAGES_FROM_ZERO, OffsetStyle.PAGES_FROM_ONE}:
            middle //= PAGE_LIMIT
        return self.fetch_page(query, offset=middle)

    def forget_style(self) -> None:
        """Doubt what the offset counts: a walk with it had gaps."""
        self.style = OffsetStyle.UNKNOWN

    def _recognise(self, query: TaskQuery, first: Listing, second: Listing) -> OffsetStyle:
        """Find out what the offset counts, from the pages at offset 0 and one before the end."""
        last = first.records[-1].identity
        if any(record.identity == last for record in second.records):
            return OffsetStyle.RECORDS
        probe = self.fetch_page(query, offset=1, limit=max(len(first.records) - 1, 1))
        beginning = probe.records[0].identity if probe.records else None
        if beginning == last:
            return OffsetStyle.PAGES_FROM_ZERO
        if beginning == first.records[0].identity:
            return OffsetStyle.PAGES_FROM_ONE
        return OffsetStyle.UNKNOWN

    def _walk_records(
        self, query: TaskQuery, first: Listing, second: Listing | None, size: int
    ) -> Walk:
        step = max(size - 1, 1)
        pages = [first] if second is None else [first, second]
        planned = iter(range(len(pages) * step, (first.total_count or 0) - 1, step))
        # Ever more pages at a time, lest a count that is far off cost as many calls as it promises.
        while _is_full(pages[-1], size) and (offsets := list(islice(planned, 8 * len(pages)))):
            pages += self._executor.map(partial(self._fetch_at, query), offsets)
        # The count may lag behind the list: only a page that is short ends it.
        while _is_full(pages[-1], size) and _brings_news(pages):
            pages.append(self.fetch_page(query, offset=len(pages) * step))
        return _walk_of(pages, size, reached_end=not _is_full(pages[-1], size))

    def _walk_pages(self, query: TaskQuery, first: Listing, size: int) -> Walk:
        from_one = int(self.style is OffsetStyle.PAGES_FROM_ONE)
        overlap = (first.total_count or 0) <= _overlapping_reach(size)
        pages = [first]
        while _is_full(pages[-1], size - (len(pages) - 1) * overlap):
            number = len(pages)
            limit = size - number * overlap
            if limit < size - _MOST_OVERLAPPING_PAGES or not _brings_news(pages):
                return Walk(tuple(pages), reached_end=False, is_gapless=False)
            pages.append(self.fetch_page(query, offset=number + from_one, limit=limit))
        if not overlap:
            return Walk(tuple(pages), reached_end=True, is_gapless=None)
        return _walk_of(pages, size, reached_end=True)

    def _fetch_at(self, query: TaskQuery, offset: int) -> Listing:
        return self.fetch_page(query, offset=offset)


def _page_size(first: Listing) -> int:
    """Return the size of a full page: the limit, or less where the server caps it."""
    return len(first.records) if _is_capped(first) else PAGE_LIMIT


def _is_capped(first: Listing) -> bool:
    length = len(first.records)
    return 0 < length < PAGE_LIMIT and first.total_count is not None and first.total_count > length


def _may_continue(first: Listing) -> bool:
    return len(first.records) >= PAGE_LIMIT or _is_capped(first)


def _is_full(page: Listing, size: int) -> bool:
    return len(page.records) >= size


def _overlapping_reach(size: int) -> int:
    """Return how many records pages of shrinking size can reach while they overlap."""
    last = min(_MOST_OVERLAPPING_PAGES, size - 1)
    return (last + 1) * (size - last)


def _brings_news(pages: Sequence[Listing]) -> bool:
    """Tell whether the last page held a record that no page before did.

    Without news a walk would go on for ever with a server that does not heed the offset.
    """
    if len(pages) == 1:
        return True
    before = {record.identity for page in pages[-3:-1] for record in page.records}
    return any(record.identity not in before for record in pages[-1].records)


def _walk_of(pages: Sequence[Listing], size: int, *, reached_end: bool) -> Walk:
    """Judge pages that were made to overlap; empty ones behind the end of the list are dropped."""
    kept = list(pages)
    while len(kept) > 1 and not kept[-1].records and not _is_full(kept[-2], size):
        kept.pop()
    is_gapless = all(_touches(before, after) for before, after in pairwise(kept))
    return Walk(tuple(kept), reached_end=reached_end, is_gapless=is_gapless)


def _touches(before: Listing, after: Listing) -> bool:
    """Tell whether a page goes on where the one before ended.

    Up to the last record of the page before it must repeat that page, and behind it bring none of
    it again: in a list without an order the last record may well be met by chance.
    """
    if not before.records:
        return False
    known = {record.identity for record in before.records}
    identities = [record.identity for record in after.records]
    last = before.records[-1].identity
    if last not in identities:
        return False
    repeated = identities.index(last) + 1
    return known.issuperset(identities[:repeated]) and known.isdisjoint(identities[repeated:])
