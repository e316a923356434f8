"""The requests that read a list page by page, with an overlap; pure but for the page size."""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.traits import OffsetUnit

_PAGES_UNTIL_LARGER: Final = 4
_MAX_SKIPPED: Final = 3


class PageRequest(NamedTuple):
    """A page to fetch: its parameters, the record it begins with, and its length if it is full."""

    offset: int
    limit: int
    begin: int
    length: int


class PageSize:
    """The number of records to request at once in one query.

    It is halved where a response is too large, and doubled after some that were not.

    Attributes:
        limit: the number of records.
        skipped_count: the number of records that are too large to be read.
    """

    def __init__(self, limit: int, skipped_count: int = 0) -> None:
        self.limit = limit
        self.skipped_count = skipped_count
        self._fitting_pages = 0

    def grow(self) -> None:
        """Record a response that was not too large."""
        self._fitting_pages += 1
        if self._fitting_pages % _PAGES_UNTIL_LARGER == 0:
            self.limit = min(2 * self.limit, PAGE_LIMIT)

    def shrink(self, limit: int) -> bool:
        """Record that a response was too large; return False if its only record is skipped."""
        self._fitting_pages = 0
        if limit > 1:
            self.limit = min(self.limit, (limit + 1) // 2)
            return True
        self.skipped_count += 1
        self.limit = PAGE_LIMIT  # its neighbours may fit
        return False

    @property
    def is_exhausted(self) -> bool:
        """Whether so many single records are too large that reading on is pointless."""
        return self.skipped_count > _MAX_SKIPPED


def requests_after(unit: OffsetUnit, end: int, length: int, limit: int) -> Iterator[PageRequest]:
    """Yield the requests of the pages that follow the records before ``end``.

    Args:
        unit: what an offset counts.
        end: position behind the last record that was read.
        length: the number of records of a full page.
        limit: the number of records to request; the server may send fewer.
    """
    if unit not in {OffsetUnit.PAGES_FROM_ZERO, OffsetUnit.PAGES_FROM_ONE}:
        step = max(length - 1, 1)
        start = end - 1 if length > 1 else end
        yield from (PageRequest(at, limit, at, length) for at in count(start, step))
        return
    for number, page_length in _overlapping_pages(end, length):
        yield _numbered(unit, number, page_length)


def request_after(unit: OffsetUnit, end: int, limit: int, *, is_first: bool) -> PageRequest:
    """Return the request of at most ``limit`` records that follow those before ``end``.

    It repeats the last of them, unless it is the first request or the limit is one record.
    """
    if unit in {OffsetUnit.PAGES_FROM_ZERO, OffsetUnit.PAGES_FROM_ONE}:
        number, length = next(_overlapping_pages(end, limit)) if end else (0, limit)
        return _numbered(unit, number, length)
    begin = end if is_first or limit == 1 else end - 1
    return PageRequest(begin, limit, begin, limit)


def _numbered(unit: OffsetUnit, number: int, length: int) -> PageRequest:
    from_one = int(unit is OffsetUnit.PAGES_FROM_ONE)
    return PageRequest(number + from_one, length, number * length, length)


def _overlapping_pages(end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of pages that each begin before the end of the page before.

    Page k of length n holds the records from k * n on. The length is taken that reaches farthest.
    If the size is so small that no page overlaps, pages follow each other.
    """
    while True:
        choices = [((end - 1) // length, length) for length in range(1, size + 1)]
        number, length = max(choices, key=lambda choice: (choice[0] + 1) * choice[1])
        if (number + 1) * length <= end:
            number, length = -(-end // size), size
        end = (number + 1) * length
        yield number, length
