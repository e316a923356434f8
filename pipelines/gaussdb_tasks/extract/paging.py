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
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from dataclasses import replace
from itertools import count
from typing import Final, Protocol

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import (
    LimitReachedError,
    RequestRefusedError,
    ResponseTooLargeError,
)
from gaussdb_tasks.extract.page_requests import PageRequest, PageSize, request_after, requests_after
from gaussdb_tasks.extract.paged_read import FetchedPage, PagedRead, has_new_records, joined
from gaussdb_tasks.extract.traits import ApiTraits, OffsetUnit
from gaussdb_tasks.model.record import Record

_MAX_CALLS: Final = 50_000
"""Calls for one project in one load: enough for five million tasks in a month."""

MAX_RECORDS_OF_A_READ: Final = 50_000
"""Records of one query that are kept in memory at a time; a longer list is read in parts."""

_MAX_BYTES_OF_A_READ: Final = 128 * 1024 * 1024


class FetchPage(Protocol):
    """Fetches one page of a query."""

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Return the page."""


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
        self._calls = count(1)

    def fetch_page(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Fetch one page, up to now only if the service refuses a window that ends later.

        Windows end a little after now, since clocks differ.

        Raises:
            LimitReachedError: more calls were made than any list of tasks needs.
            RequestRefusedError: the service refuses the query for another reason.
            ResponseTooLargeError: the page is too large; fewer records may fit.
        """
        page = self._fetch_page_within_bounds(query, offset, limit)
        self.fetched_alone += page.records
        return page

    def _fetch_page_within_bounds(self, query: TaskQuery, offset: int, limit: int) -> Page:
        if next(self._calls) > _MAX_CALLS:
            message = f"the project is not read after {_MAX_CALLS:,} calls"
            raise LimitReachedError(message)
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

    def fetch_first(self, query: TaskQuery, limit: int = PAGE_LIMIT) -> Page:
        """Fetch the first page of a query; with fewer records if it is too large.

        Raises:
            ResponseTooLargeError: not even single records can be read.
        """
        size = PageSize(limit)
        while True:
            begin, limit = size.skipped_count, size.limit
            try:
                page = self.fetch_page(query, offset=begin, limit=limit)
            except ResponseTooLargeError:
                size.shrink(limit)
                if size.is_exhausted:
                    raise
            else:
                return page._replace(begin=begin, limit=limit)

    def read(
        self, query: TaskQuery, first: Page | None = None, limit: int = PAGE_LIMIT
    ) -> PagedRead:
        """Read all pages of a query; ``first`` is its first page, if it was fetched before."""
        first = self.fetch_first(query, limit) if first is None else first
        length = self._page_length(query, first)
        if length is None:
            return PagedRead((first,), reached_end=True, is_gapless=True, skipped_count=first.begin)
        size = PageSize(first.limit, skipped_count=first.begin)
        fetched = [FetchedPage(first, length)]
        end = first.begin + length
        if self._traits.offset_unit is OffsetUnit.UNKNOWN:
            request = next(requests_after(OffsetUnit.RECORDS, end, length, first.limit))
            following = self._fetch(query, size, request)
            self._traits.offset_unit = self._find_offset_unit(query, first, following)
            if not self._traits.offset_counts_pages:
                fetched += following
                end = request.begin + request.length
        requests = requests_after(self._traits.offset_unit, end, length, first.limit)
        return self._read_pages(query, size, fetched, requests)

    def fetch_middle(self, query: TaskQuery, first: Page) -> list[Record]:
        """Fetch records from the middle of a list."""
        middle = (first.total_count or 0) // 2
        request = request_after(self._traits.offset_unit, middle, first.limit, is_first=True)
        fetched = self._fetch(query, PageSize(first.limit), request)
        return [record for page, _ in fetched for record in page.records]

    def _fetch_up_to_now(self, query: TaskQuery, offset: int, limit: int) -> Page:
        return self._fetch_page(replace(query, end=self._traits.now), offset=offset, limit=limit)

    def _page_length(self, query: TaskQuery, first: Page) -> int | None:
        """Return the number of records of a full page; None if the first page holds everything."""
        length = len(first.records)
        if length >= first.limit:
            return first.limit
        if first.total_count is not None and length < first.total_count:
            # The server's own limit for a page, or a count that is too high.
            return length if length and self._has_more(query, first) else None
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

    def _find_offset_unit(
        self, query: TaskQuery, first: Page, following: Sequence[FetchedPage]
    ) -> OffsetUnit:
        """Find what an offset counts, from the pages at offset 0 and just before the end of it."""
        last = first.records[-1].identity
        if any(record.identity == last for page, _ in following for record in page.records):
            return OffsetUnit.RECORDS
        probe = self.fetch_page(query, offset=1, limit=max(len(first.records) - 1, 1))
        beginning = probe.records[0].identity if probe.records else None
        if beginning == last:
            return OffsetUnit.PAGES_FROM_ZERO
        if beginning == first.records[0].identity:
            return OffsetUnit.PAGES_FROM_ONE
        return OffsetUnit.UNKNOWN

    def _read_pages(
        self,
        query: TaskQuery,
        size: PageSize,
        fetched: list[FetchedPage],
        requests: Iterator[PageRequest],
    ) -> PagedRead:
        """Fetch pages until one is short, as many at once as total_count announces."""
        total = fetched[0].page.total_count or 0
        volume = _Volume()
        volume.add(fetched)
        upcoming = next(requests)
        while fetched[-1].is_full and not volume.is_full and not size.is_exhausted:
            batch: list[PageRequest] = []
            # Batches grow step by step: a wrong total_count must not cost as many calls as it says.
            most = min(8 * len(fetched), volume.pages_left)
            while upcoming.begin < total - 1 and len(batch) < most:
                batch.append(upcoming)
                upcoming = next(requests)
            if not batch:  # total_count may be behind the list: only a short page ends it
                if not has_new_records(fetched):
                    break
                batch.append(upcoming)
                upcoming = next(requests)
            pages = self._fetch_all(query, size, batch)
            fetched += pages
            volume.add(pages)
        return joined(fetched, is_cut=volume.is_full, skipped_count=size.skipped_count)

    def _fetch_all(
        self, query: TaskQuery, size: PageSize, requests: Sequence[PageRequest]
    ) -> list[FetchedPage]:
        """Fetch pages at once; return them in their order."""
        running = [self._executor.submit(self._fetch, query, size, each) for each in requests]
        try:
            # Once for all: each time that this thread wakes, it takes turns with the others.
            wait(running, return_when=FIRST_EXCEPTION)
            return [page for fetch in running for page in fetch.result()]
        finally:
            for fetch in running:
                fetch.cancel()

    def _fetch(self, query: TaskQuery, size: PageSize, request: PageRequest) -> list[FetchedPage]:
        """Fetch a page; in parts if it is too large."""
        if request.limit <= size.limit:
            try:
                return [self._fetch_whole(query, request)]
            except ResponseTooLargeError:
                if request.limit > 1:
                    size.shrink(request.limit)
        return self._fetch_in_parts(query, size, request)

    def _fetch_in_parts(
        self, query: TaskQuery, size: PageSize, request: PageRequest
    ) -> list[FetchedPage]:
        """Fetch the records of a page with several requests, each with an overlap by one record."""
        parts: list[FetchedPage] = []
        end, stop = request.begin, request.begin + request.length
        while end < stop and not size.is_exhausted:
            limit = min(size.limit, stop - end + 1)
            part_request = request_after(self._traits.offset_unit, end, limit, is_first=not parts)
            try:
                part = self._fetch_whole(query, part_request)
            except ResponseTooLargeError:
                if not size.shrink(part_request.limit):
                    end += 1
                continue
            size.grow()
            parts.append(part)
            if not part.is_full:
                break
            end = part_request.begin + part_request.limit
        return parts

    def _fetch_whole(self, query: TaskQuery, request: PageRequest) -> FetchedPage:
        page = self._fetch_page_within_bounds(query, request.offset, request.limit)
        return FetchedPage(page._replace(begin=request.begin, limit=request.limit), request.length)


class _Volume:
    """What a read holds in memory."""

    def __init__(self) -> None:
        self._pages = self._records = self._bytes = 0

    def add(self, fetched: Sequence[FetchedPage]) -> None:
        """Add pages that were fetched."""
        for page, _ in fetched:
            self._pages += 1
            self._records += len(page.records)
            self._bytes += page.byte_count

    @property
    def is_full(self) -> bool:
        """Whether no more must be read at once."""
        return self._records >= MAX_RECORDS_OF_A_READ or self._bytes >= _MAX_BYTES_OF_A_READ

    @property
    def pages_left(self) -> int:
        """How many more pages of the usual size may be read at once."""
        by_bytes = (_MAX_BYTES_OF_A_READ - self._bytes) / max(self._bytes, 1)
        by_records = (MAX_RECORDS_OF_A_READ - self._records) / max(self._records, 1)
        return max(int(min(by_bytes, by_records) * self._pages), 1)
