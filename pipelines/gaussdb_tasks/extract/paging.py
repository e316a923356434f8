"""Read all pages of one query, whatever its offset counts.

The list may shift during a paged read. New tasks push records onto the next page; deleted tasks
pull records from it. A record that slips over the edge of a page is skipped, and the counts do not
show it. So neighbouring pages overlap by one record: if each page holds the last record of the page
before, nothing was skipped. That costs one call in a hundred.

The overlap also shows what the offset counts. By the contract it counts records from 0. If a server
counts pages, ``offset=99`` lies far behind the end or shows other records, while ``offset=1`` with
a limit of 99 begins with the last record of the first page. Pages can overlap there too, if each
has another limit: page k of length n begins with record k * n. So a length is chosen for which
the page begins just before the end of the page before. That costs one call in eight.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from typing import NamedTuple, Protocol

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract.traits import ApiTraits, OffsetUnit
from gaussdb_tasks.model.record import Record


class FetchPage(Protocol):
    """Fetches one page of a query."""

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Return the page."""


@dataclass(frozen=True, slots=True)
class PagedRead:
    """The pages of one query, read from the first to the last.

    Attributes:
        pages: as fetched, in the order of the list.
        reached_end: whether the last page was short, so that nothing can follow it.
        is_gapless: whether each page held the last record of the one before.
    """

    pages: tuple[Page, ...]
    reached_end: bool
    is_gapless: bool

    def records(self) -> Iterator[Record]:
        """Yield every record of every page, repeats included."""
        return (record for page in self.pages for record in page.records)

    @property
    def identities(self) -> frozenset[str]:
        """The distinct tasks that were listed, and the records without a job_id."""
        return frozenset(record.identity for record in self.records())

    @property
    def total_counts(self) -> tuple[int | None, ...]:
        """The total_count of each page."""
        return tuple(page.total_count for page in self.pages)

    @property
    def is_one_response(self) -> bool:
        """Whether the first page held all of it, so that nothing could shift."""
        first = {record.identity for record in self.pages[0].records}
        return len(self.pages[0].records) < PAGE_LIMIT and self.identities <= first

    @property
    def counts_are_page_lengths(self) -> bool:
        """Whether each total_count is just the length of its page."""
        lengths = {len(page.records) for page in self.pages}
        return len(lengths) > 1 and all(
            page.total_count == len(page.records) for page in self.pages
        )


class Pager:
    """Reads the pages of one project's queries, and learns what an offset counts.

    Attributes:
        fetched_alone: records of pages that may be in no paged read; whoever observes them
            empties the list.
    """

    def __init__(self, fetch_page: FetchPage, executor: Executor, traits: ApiTraits) -> None:
        self._fetch_page = fetch_page
        self._executor = executor
        self._traits = traits
        self._uncapped_length = 0
        self.fetched_alone: list[Record] = []

    def fetch_page(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Fetch one page, up to now only if the service refuses a window that ends later.

        Windows end a little after now, since clocks differ.

        Raises:
            RequestRefusedError: the service refuses the query for another reason.
        """
        page = self._fetch(query, offset, limit)
        self.fetched_alone += page.records
        return page

    def _fetch(self, query: TaskQuery, offset: int, limit: int) -> Page:
        if query.end is None or query.end <= self._traits.now:
            return self._fetch_page(query, offset=offset, limit=limit)
        if not self._traits.is_future_refused:
            try:
                return self._fetch_page(query, offset=offset, limit=limit)
            except RequestRefusedError:
                page = self._fetch_up_to_now(query, offset, limit)
                self._traits.is_future_refused = True
                return page
        return self._fetch_up_to_now(query, offset, limit)

    def read(self, query: TaskQuery, first: Page | None = None) -> PagedRead:
        """Read all pages of a query; ``first`` is its first page, if it was fetched before."""
        first = self.fetch_page(query, offset=0) if first is None else first
        size = self._page_size(query, first)
        if size is None:
            return PagedRead((first,), reached_end=True, is_gapless=True)
        second: Page | None = None
        if self._traits.offset_unit is OffsetUnit.UNKNOWN:
            second = self.fetch_page(query, offset=max(size - 1, 1))
            self._traits.offset_unit = self._find_offset_unit(query, first, second)
        if self._traits.offset_counts_pages:
            return self._read_by_page_number(query, first, size)
        return self._read_by_record_number(query, first, second, size)

    def fetch_middle(self, query: TaskQuery, first: Page) -> Page:
        """Fetch a page from the middle of a list."""
        middle = (first.total_count or 0) // 2
        if self._traits.offset_counts_pages:
            middle //= PAGE_LIMIT
        return self.fetch_page(query, offset=middle)

    def _fetch_up_to_now(self, query: TaskQuery, offset: int, limit: int) -> Page:
        return self._fetch_page(replace(query, end=self._traits.now), offset=offset, limit=limit)

    def _page_size(self, query: TaskQuery, first: Page) -> int | None:
        """Return the number of records of a full page; None if the first page holds everything."""
        length = len(first.records)
        if length >= PAGE_LIMIT:
            return PAGE_LIMIT
        if first.total_count is not None and length < first.total_count:
            return length or None
        if length > self._uncapped_length and self._traits.is_count_usable is not True:
            # A short page is the end of the list, or the server's own limit for a page.
            if self._has_more(query, first):
                return length
            self._uncapped_length = length
        return None

    def _has_more(self, query: TaskQuery, first: Page) -> bool:
        """Check for records behind the first page, whatever an offset counts."""
        on_first = {record.identity for record in first.records}
        beginning = first.records[0].identity
        for offset in (1, 2):
            page = self.fetch_page(query, offset=offset)
            if first.total_count == page.total_count != len(page.records):
                self._traits.is_count_seen = page.total_count is not None
            if any(record.identity not in on_first for record in page.records):
                return True
            if not page.records or page.records[0].identity != beginning:
                break  # only where pages are counted from one, offset 1 is the first page again
        return False

    def _find_offset_unit(self, query: TaskQuery, first: Page, second: Page) -> OffsetUnit:
        """Find what an offset counts, from the pages at offset 0 and just before the end of it."""
        last = first.records[-1].identity
        if any(record.identity == last for record in second.records):
            return OffsetUnit.RECORDS
        probe = self.fetch_page(query, offset=1, limit=max(len(first.records) - 1, 1))
        beginning = probe.records[0].identity if probe.records else None
        if beginning == last:
            return OffsetUnit.PAGES_FROM_ZERO
        if beginning == first.records[0].identity:
            return OffsetUnit.PAGES_FROM_ONE
        return OffsetUnit.UNKNOWN

    def _read_by_record_number(
        self, query: TaskQuery, first: Page, second: Page | None, size: int
    ) -> PagedRead:
        step = max(size - 1, 1)
        pages = [first] if second is None else [first, second]
        requests = (_PageRequest(at, PAGE_LIMIT, at, size) for at in count(len(pages) * step, step))
        return self._read_pages(query, pages, [size] * len(pages), requests)

    def _read_by_page_number(self, query: TaskQuery, first: Page, size: int) -> PagedRead:
        from_one = int(self._traits.offset_unit is OffsetUnit.PAGES_FROM_ONE)
        requests = (
            _PageRequest(number + from_one, length, number * length, length)
            for number, length in _overlapping_pages(size)
        )
        return self._read_pages(query, [first], [size], requests)

    def _read_pages(
        self,
        query: TaskQuery,
        pages: list[Page],
        lengths: list[int],
        requests: "Iterator[_PageRequest]",
    ) -> PagedRead:
        """Fetch pages until one is short, as many at once as total_count announces."""
        total = pages[0].total_count or 0
        upcoming = next(requests)
        while _is_full(pages[-1], lengths[-1]):
            batch: list[_PageRequest] = []
            # Batches grow step by step: a wrong total_count must not cost as many calls as it says.
            while upcoming.begin < total - 1 and len(batch) < 8 * len(pages):
                batch.append(upcoming)
                upcoming = next(requests)
            if not batch:  # total_count may be behind the list: only a short page ends it
                if not _has_new_records(pages):
                    break
                batch.append(upcoming)
                upcoming = next(requests)
            pages += self._executor.map(partial(self._fetch_request, query), batch)
            lengths += [request.length for request in batch]
        return _paged_read(pages, lengths)

    def _fetch_request(self, query: TaskQuery, request: "_PageRequest") -> Page:
        return self._fetch(query, request.offset, request.limit)


class _PageRequest(NamedTuple):
    """A page to fetch: its parameters, the record it begins with, and its length if it is full."""

    offset: int
    limit: int
    begin: int
    length: int


def _overlapping_pages(size: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of pages that each begin before the end of the page before.

    Page k of length n holds the records from k * n on. The length is taken that reaches farthest.
    If the size is so small that no page overlaps, pages follow each other.
    """
    end = size
    while True:
        choices = [((end - 1) // length, length) for length in range(1, size + 1)]
        number, length = max(choices, key=lambda choice: (choice[0] + 1) * choice[1])
        if (number + 1) * length <= end:
            number, length = -(-end // size), size
        end = (number + 1) * length
        yield number, length


def _is_full(page: Page, length: int) -> bool:
    return len(page.records) >= length


def _has_new_records(pages: Sequence[Page]) -> bool:
    """Check whether the last page holds a record that the two pages before it do not hold.

    Otherwise a server that ignores the offset would be read without end.
    """
    if len(pages) == 1:
        return True
    before = {record.identity for page in pages[-3:-1] for record in page.records}
    return any(record.identity not in before for record in pages[-1].records)


def _paged_read(pages: Sequence[Page], lengths: Sequence[int]) -> PagedRead:
    """Check that pages overlap; drop empty ones behind the end of the list."""
    kept = list(pages)
    while len(kept) > 1 and not kept[-1].records and not _is_full(kept[-2], lengths[len(kept) - 2]):
        kept.pop()
    is_gapless = all(_is_continued(before, after) for before, after in pairwise(kept))
    reached_end = not _is_full(pages[-1], lengths[len(pages) - 1])
    return PagedRead(tuple(kept), reached_end=reached_end, is_gapless=is_gapless)


def _is_continued(before: Page, after: Page) -> bool:
    """Check whether a page goes on where the page before ended.

    Up to the last record of the page before, it must repeat that page. Behind it, it must repeat
    nothing: in a list without an order the last record may be met by chance.
    """
    if not before.records:
        return False
    on_page_before = {record.identity for record in before.records}
    identities = [record.identity for record in after.records]
    last = before.records[-1].identity
    if last not in identities:
        return False
    repeated = identities.index(last) + 1
    return on_page_before.issuperset(identities[:repeated]) and on_page_before.isdisjoint(
        identities[repeated:]
    )
