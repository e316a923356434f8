"""The pages of one query, and what they show about the list that they come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.model.record import Record

_IDENTITY: Final = attrgetter("identity")


class FetchedPage(NamedTuple):
    """A page, and how many records it has if it is full."""

    page: Page
    length: int

    @property
    def is_full(self) -> bool:
        """Whether more records may follow the page."""
        return len(self.page.records) >= self.length


@dataclass(frozen=True)
class PagedRead:
    """The pages of one query, read from the first to the last.

    Attributes:
        pages: as fetched, in the order of the list.
        reached_end: whether the last page was short, so that nothing can follow it.
        is_gapless: whether each page held the last record of the one before, and none but that.
        is_cut: whether the list is longer than one read may be.
        skipped_count: the number of records that are too large to be read.
    """

    pages: tuple[Page, ...]
    reached_end: bool
    is_gapless: bool
    is_cut: bool = False
    skipped_count: int = 0

    def records(self) -> Iterator[Record]:
        """Yield every record of every page, repeats included."""
        return chain.from_iterable(page.records for page in self.pages)

    @cached_property
    def identities(self) -> frozenset[str]:
        """The distinct tasks that were listed, and the records without a job_id."""
        return frozenset(map(_IDENTITY, self.records()))

    @property
    def rows(self) -> tuple[str, ...] | None:
        """The identities by position, those listed twice included; None if pages do not fit.

        Neighbouring pages fit if they agree at each position that both hold: at least one, unless
        they have a single record.
        """
        rows: list[str] = []
        for page in self.pages:
            identities = list(map(_IDENTITY, page.records))
            overlap = rows[page.begin : page.begin + len(identities)]
            # A page of one record cannot overlap, nor can an empty one behind the end.
            is_next = page.begin == len(rows) and (page.limit == 1 or not identities)
            if rows and not overlap and not is_next:
                return None
            if identities[: len(overlap)] != overlap:
                return None
            rows += identities[len(overlap) :]
        return tuple(rows)

    @property
    def total_counts(self) -> tuple[int | None, ...]:
        """The total_count of each page."""
        return tuple(page.total_count for page in self.pages)

    @property
    def is_one_response(self) -> bool:
        """Whether the first page held all of it, so that nothing could shift."""
        first = self.pages[0]
        on_first = set(map(_IDENTITY, first.records))
        return len(first.records) < first.limit and self.identities <= on_first

    @property
    def counts_are_page_lengths(self) -> bool:
        """Whether each total_count is just the length of its page."""
        lengths = {len(page.records) for page in self.pages}
        return len(lengths) > 1 and all(
            page.total_count == len(page.records) for page in self.pages
        )


def joined(fetched: Sequence[FetchedPage], *, is_cut: bool, skipped_count: int) -> PagedRead:
    """Check that pages overlap; drop empty ones behind the end of the list."""
    kept = list(fetched)
    while len(kept) > 1 and not kept[-1].page.records and not kept[-2].is_full:
        kept.pop()
    return PagedRead(
        pages=tuple(page for page, _ in kept),
        reached_end=not fetched[-1].is_full,
        is_gapless=all(_is_continued(before.page, after.page) for before, after in pairwise(kept)),
        is_cut=is_cut,
        skipped_count=skipped_count,
    )


def has_new_records(fetched: Sequence[FetchedPage]) -> bool:
    """Check whether the last page holds a record that the two pages before it do not hold.

    Otherwise a server that ignores the offset would be read without end.
    """
    if len(fetched) == 1:
        return True
    before = {record.identity for each in fetched[-3:-1] for record in each.page.records}
    return any(record.identity not in before for record in fetched[-1].page.records)


def _is_continued(before: Page, after: Page) -> bool:
    """Check whether a page goes on where the page before ended.

    Up to the last record of the page before, it must repeat that page. Behind it, it must repeat
    nothing: in a list without an order the last record may be met by chance.
    """
    if not before.records:
        return False
    on_page_before = set(map(_IDENTITY, before.records))
    identities = list(map(_IDENTITY, after.records))
    last = before.records[-1].identity
    if last not in identities:
        return False
    repeated = identities.index(last) + 1
    return on_page_before.issuperset(identities[:repeated]) and on_page_before.isdisjoint(
        identities[repeated:]
    )
