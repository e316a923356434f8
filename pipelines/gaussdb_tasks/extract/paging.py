"""Walking through the pages of one query, whatever its offset turns out to count.

The list shifts while it is read: new tasks push records onto the next page, deleted ones pull
records from it, and one that slips over a page's edge is skipped without a trace in the counts. So
neighbouring pages are made to overlap by one record: as long as each page holds the last record of
the one before, nothing slipped through between them. That costs one call in a hundred.

The overlap also tells what the offset counts. Records from 0 is the contract; should a server count
pages, ``offset=99`` lands far behind the end or amid strangers, while ``offset=1`` with a page of
99 begins with the very record that the first page ended with. Pages can overlap there too, if each
has a limit of its own: page k of a length n begins with record k * n, so a length is chosen for
which that falls just short of where the page before ended. That costs one call in eight.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count, pairwise
from typing import NamedTuple, Protocol

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.model.record import Record


class FetchPage(Protocol):
    """Fetches one page of a query."""

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Return the page."""


class OffsetStyle(Enum):
    """What an offset counts, as far as it is known."""

    UNKNOWN = "unknown"
    RECORDS = "records"
    PAGES_FROM_ZERO = "pages from 0"
    PAGES_FROM_ONE = "pages from 1"


@dataclass(frozen=True, slots=True)
class PagedRead:
    """What one walk through a query's pages brought.

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
    """Walks through the pages of one project's queries, and remembers how it pages.

    Attributes:
        is_count_seen: whether a total_count was seen that is not just the length of its page.
    """

    def __init__(
        self, fetch_page: FetchPage, executor: Executor, is_count_trusted: Callable[[], bool]
    ) -> None:
        self.fetch_page = fetch_page
        self.style = OffsetStyle.UNKNOWN
        self.is_count_seen = False
        self._is_count_trusted = is_count_trusted
        self._executor = executor
        self._uncapped_length = 0

    def walk(self, query: TaskQuery, first: Page | None = None) -> PagedRead:
        """Walk through all pages of a query; the first may be at hand already."""
        first = self.fetch_page(query, offset=0) if first is None else first
        size = self._page_size(query, first)
        if size is None:
            return PagedRead((first,), reached_end=True, is_gapless=True)
        second: Page | None = None
        if self.style is OffsetStyle.UNKNOWN:
            second = self.fetch_page(query, offset=max(size - 1, 1))
            self.style = self._recognise(query, first, second)
        if self._counts_pages:
            return self._walk_pages(query, first, size)
        return self._walk_records(query, first, second, size)

    def fetch_middle(self, query: TaskQuery, first: Page) -> Page:
        """Fetch a page from the middle of a list."""
        middle = (first.total_count or 0) // 2
        if self._counts_pages:
            middle //= PAGE_LIMIT
        return self.fetch_page(query, offset=middle)

    def forget_style(self) -> None:
        """Doubt what the offset counts: a walk with it had gaps."""
        self.style = OffsetStyle.UNKNOWN

    @property
    def _counts_pages(self) -> bool:
        return self.style in {OffsetStyle.PAGES_FROM_ZERO, OffsetStyle.PAGES_FROM_ONE}

    def _page_size(self, query: TaskQuery, first: Page) -> int | None:
        """Return how many records a full page has; None if the first page is all there is."""
        length = len(first.records)
        if length >= PAGE_LIMIT:
            return PAGE_LIMIT
        if first.total_count is not None and length < first.total_count:
            return length or None
        if length > self._uncapped_length and not self._is_count_trusted():
            # A short page may be the end, or this server's own idea of a full one.
            if self._goes_on(query, first):
                return length
            self._uncapped_length = length
        return None

    def _goes_on(self, query: TaskQuery, first: Page) -> bool:
        """Tell whether there are records behind the first page, whatever an offset counts."""
        known = {record.identity for record in first.records}
        beginning = first.records[0].identity
        for offset in (1, 2):
            page = self.fetch_page(query, offset=offset)
            if first.total_count == page.total_count != len(page.records):
                self.is_count_seen = page.total_count is not None
            if any(record.identity not in known for record in page.records):
                return True
            if not page.records or page.records[0].identity != beginning:
                break  # only where pages are counted from one is offset 1 the first page again
        return False

    def _recognise(self, query: TaskQuery, first: Page, second: Page) -> OffsetStyle:
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
        self, query: TaskQuery, first: Page, second: Page | None, size: int
    ) -> PagedRead:
        step = max(size - 1, 1)
        pages = [first] if second is None else [first, second]
        places = (_PageRequest(at, PAGE_LIMIT, at, size) for at in count(len(pages) * step, step))
        return self._walk(query, pages, [size] * len(pages), places)

    def _walk_pages(self, query: TaskQuery, first: Page, size: int) -> PagedRead:
        from_one = int(self.style is OffsetStyle.PAGES_FROM_ONE)
        places = (
            _PageRequest(number + from_one, length, number * length, length)
            for number, length in _overlapping_pages(size)
        )
        return self._walk(query, [first], [size], places)

    def _walk(
        self,
        query: TaskQuery,
        pages: list[Page],
        lengths: list[int],
        places: "Iterator[_PageRequest]",
    ) -> PagedRead:
        """Fetch page after page until one is short, as many at once as the count promises."""
        total = pages[0].total_count or 0
        upcoming = next(places)
        while _is_full(pages[-1], lengths[-1]):
            batch: list[_PageRequest] = []
            # Ever more at a time, lest a count that is far off cost as many calls as it promises.
            while upcoming.begin < total - 1 and len(batch) < 8 * len(pages):
                batch.append(upcoming)
                upcoming = next(places)
            if not batch:  # the count may lag behind the list: only a page that is short ends it
                if not _brings_news(pages):
                    break
                batch.append(upcoming)
                upcoming = next(places)
            pages += self._executor.map(partial(self._fetch_at, query), batch)
            lengths += [place.length for place in batch]
        return _walk_of(pages, lengths)

    def _fetch_at(self, query: TaskQuery, place: "_PageRequest") -> Page:
        return self.fetch_page(query, offset=place.offset, limit=place.limit)


class _PageRequest(NamedTuple):
    """Where to fetch a page: what to ask for, where it begins, and how long it is if it is full."""

    offset: int
    limit: int
    begin: int
    length: int


def _overlapping_pages(size: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of pages that each begin before the one before has ended.

    Page k of length n holds the records from k * n on. Of all lengths the one is taken that reaches
    farthest; where the size is so small that none overlaps, pages follow each other.
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


def _brings_news(pages: Sequence[Page]) -> bool:
    """Tell whether the last page held a record that no page before did.

    Without news a walk would go on for ever with a server that does not heed the offset.
    """
    if len(pages) == 1:
        return True
    before = {record.identity for page in pages[-3:-1] for record in page.records}
    return any(record.identity not in before for record in pages[-1].records)


def _walk_of(pages: Sequence[Page], lengths: Sequence[int]) -> PagedRead:
    """Judge pages that were made to overlap; empty ones behind the end of the list are dropped."""
    kept = list(pages)
    while len(kept) > 1 and not kept[-1].records and not _is_full(kept[-2], lengths[len(kept) - 2]):
        kept.pop()
    is_gapless = all(_touches(before, after) for before, after in pairwise(kept))
    reached_end = not _is_full(pages[-1], lengths[len(pages) - 1])
    return PagedRead(tuple(kept), reached_end=reached_end, is_gapless=is_gapless)


def _touches(before: Page, after: Page) -> bool:
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
