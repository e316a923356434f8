"""Reading a window of time, with the proof that every task of it was read.

A window is proved if its pages are without a gap and the distinct tasks on them are as many as the
API counts, on every page alike. If not, it is read again; still not, it is split in time until the
parts prove themselves, at the latest where a part fits a single answer. What cannot be proved is
kept all the same and recorded as incomplete.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.paging import PagedRead, Pager
from gaussdb_tasks.model.normalise import created_at_of
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import SECOND, Micros

_MOST_REPAIRS: Final = 64
"""How many times a window may be split because it was not proved."""

_REPAIRS_OF_A_SOUND_LIST: Final = 2
"""How many times if the list is without fault, and only the count says that there is more."""

# Large enough that splitting a window costs next to nothing, small enough that reading a part again
# does not either, and that an offset of 99 lies behind its end should the offset count pages.
_MOST_RECORDS_AT_ONCE: Final = 5_000

_QUIET: Final[Micros] = 2 * SECOND
"""A window is cut where no task starts for so long, since the API may round its bounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a window, or a part of one, came to.

    Attributes:
        total_count: tasks the API counted in it at last; None where it does not count.
        doubt: why it is not proved; None if it is.
    """

    time_range: TimeRange
    distinct_count: int
    total_count: int | None
    doubt: str | None

    @property
    def is_complete(self) -> bool:
        """Whether every task of the window was proved read."""
        return self.doubt is None

    def doubted(self, doubt: str) -> "Reading":
        """Return the reading with a doubt, unless it has one already."""
        return self if self.doubt is not None else replace(self, doubt=doubt)


@dataclass(frozen=True, slots=True)
class _Unproved:
    """A window that was read, but not proved."""

    time_range: TimeRange
    records: Sequence[Record]
    total_count: int | None
    doubt: str

    @property
    def identities(self) -> set[str]:
        return {record.identity for record in self.records}

    def reading(self, identities: set[str], doubt: str) -> Reading:
        return Reading(self.time_range, len(identities), self.total_count, doubt)


class WindowReader:
    """Reads windows of one project, and learns on the way what its counts and order are worth."""

    def __init__(
        self,
        pager: Pager,
        looks_at_starts_only: Callable[[], bool],
        *,
        is_count_usable: bool | None,
    ) -> None:
        self.is_count_usable = is_count_usable
        """Whether total_count is a count; None until an answer told."""
        self.announced_count = 0
        """Tasks that the API announced for the windows read so far."""
        self._pager = pager
        self._looks_at_starts_only = looks_at_starts_only
        self._is_order_stable = True
        self._is_count_behind = False
        """Whether a list, twice the same, was longer than its count."""
        self._repairs_left = _MOST_REPAIRS

    def read(self, time_range: TimeRange, readings: list[Reading]) -> Iterator[Iterator[Record]]:
        """Yield the window's records, repeats among them; append what each part came to."""
        self._repairs_left = _MOST_REPAIRS
        first = self._first_page(time_range)
        self.announced_count += first.total_count or 0
        yield from self._read(time_range, first, readings)

    def read_query(self, query: TaskQuery, first: Page) -> tuple[PagedRead, str | None]:
        """Walk through any query, twice if need be; return the last walk and what is in doubt."""
        walk = self._pager.walk(query, first)
        doubt = self._doubt(walk)
        if doubt is None:
            return walk, None
        again = self._walk_again(query, walk)
        return again, self._doubt(again)

    def can_count(self, query: TaskQuery, first: Page) -> bool:
        """Tell whether the total_count of a query's first page is a count of its tasks.

        Of a page that is full it might as well be the length; a page of one record tells.
        """
        if first.total_count is None:
            self.is_count_usable = False
        elif first.total_count == len(first.records) == PAGE_LIMIT:
            single = self._pager.fetch_page(query, offset=0, limit=1)
            self.is_count_usable = single.total_count != 1
        return self.is_count_usable is not False

    def _read(
        self, time_range: TimeRange, first: Page, readings: list[Reading]
    ) -> Iterator[Iterator[Record]]:
        halves = self._counted_halves(time_range, first)
        for half, page in halves:
            yield from self._read(half, page, readings)
        if halves:
            return
        if not self._is_order_stable and len(first.records) >= PAGE_LIMIT:
            yield iter(first.records)
            doubt = "the order of the list changes from call to call"
            yield from self._repair(
                _Unproved(time_range, first.records, first.total_count, doubt), readings
            )
            return
        yield from self._read_by_offset(time_range, first, readings)

    def _read_by_offset(
        self, time_range: TimeRange, first: Page, readings: list[Reading]
    ) -> Iterator[Iterator[Record]]:
        query = _query(time_range)
        walk = self._pager.walk(query, first)
        yield walk.records()
        doubt = self._doubt(walk)
        if doubt is None:
            readings.append(_reading(time_range, walk, None))
            return
        again = self._walk_again(query, walk)
        yield again.records()
        doubt = self._doubt(again)
        if doubt is None or again.is_one_answer:
            readings.append(_reading(time_range, again, doubt))
            return
        if _is_sound(walk, again):
            self._repairs_left = min(self._repairs_left, _REPAIRS_OF_A_SOUND_LIST)
        records = (*walk.records(), *again.records())
        unproved = _Unproved(time_range, records, again.total_counts[-1], doubt)
        yield from self._repair(unproved, readings)

    def _walk_again(self, query: TaskQuery, walk: PagedRead) -> PagedRead:
        if not walk.is_gapless:
            self._pager.forget_style()
        again = self._pager.walk(query)
        if not walk.is_gapless and not again.is_gapless:
            self._is_order_stable = False
        return again

    def _doubt(self, walk: PagedRead) -> str | None:
        """Say why one walk does not prove that it saw every task."""
        if walk.counts_pages or None in walk.total_counts:
            self.is_count_usable = False
        elif self.is_count_usable is None:
            self.is_count_usable = self._pager.is_count_seen or not walk.is_one_answer or None
        if not walk.reached_end:
            return "the pages of the list have no end"
        if not walk.is_gapless:
            return "the list shifted while it was read"
        if self.is_count_usable is False:
            return None
        counts = set(walk.total_counts)
        if counts == {len(walk.identities)}:
            return None
        if len(walk.identities) > max(count or 0 for count in counts):
            # A list without a gap proves itself; what counts fewer than there are is no count.
            self._is_count_behind = True
            self.is_count_usable = False
            return None
        return f"{len(walk.identities)} tasks were read, the API counts {_spoken(counts)}"

    def _repair(self, unproved: "_Unproved", readings: list[Reading]) -> Iterator[Iterator[Record]]:
        """Split a window that could not be proved, and read the parts."""
        start, end = unproved.time_range
        cut = _quiet_instant(unproved.records, unproved.time_range)
        if cut is None or not self._repairs_left:
            readings.append(unproved.reading(unproved.identities, unproved.doubt))
            return
        self._repairs_left -= 1
        parts: list[Reading] = []
        listed: set[str] = set()
        for half in (TimeRange(start, cut), TimeRange(cut, end)):
            for batch in self._read(half, self._first_page(half), parts):
                records = list(batch)
                listed.update(record.identity for record in records)
                yield iter(records)
        doubt = self._doubt_of_parts(unproved, listed)
        if doubt is not None and all(part.is_complete for part in parts):
            readings.append(unproved.reading(unproved.identities | listed, doubt))
        else:
            readings += parts

    def _doubt_of_parts(self, unproved: "_Unproved", listed: set[str]) -> str | None:
        """Say why parts, proved each for itself, do not prove the whole.

        A filter that looks at the end of tasks hides those that end after the cut.
        """
        hidden = len(unproved.identities - listed)
        if hidden:
            return f"{hidden} tasks of the whole window are in none of its parts"
        is_counted = self.is_count_usable is not False and unproved.total_count is not None
        if is_counted and not self._is_count_behind:
            lacking = (unproved.total_count or 0) - len(listed)
            return (
                f"{lacking} tasks fewer than the API counts are in its parts"
                if lacking > 0
                else None
            )
        if self._looks_at_starts_only():
            return None
        return "the API does not count, and what its time filter hides is not known"

    def _counted_halves(
        self, time_range: TimeRange, first: Page
    ) -> tuple[tuple[TimeRange, Page], ...]:
        """Cut a window too large to read at once in two whose counts add up to the whole's.

        Nothing if it is not too large, or if the counts do not add up.
        """
        query = _query(time_range)
        total = first.total_count or 0
        if self.is_count_usable is False or total <= _MOST_RECORDS_AT_ONCE:
            return ()
        cut = _quiet_instant(self._pager.fetch_middle(query, first).records, time_range)
        if cut is None:
            return ()
        halves = (TimeRange(time_range.start, cut), TimeRange(cut, time_range.end))
        pages = [self._first_page(half) for half in halves]
        counts = [page.total_count or 0 for page in pages]
        if max(counts) >= total:
            return ()
        if sum(counts) != total:
            # Tasks may have come or gone meanwhile: the sum must lie between before and after.
            recount = self._first_page(time_range).total_count or 0
            if not min(total, recount) <= sum(counts) <= max(total, recount):
                return ()
        return tuple(zip(halves, pages, strict=True))

    def _first_page(self, time_range: TimeRange) -> Page:
        return self._pager.fetch_page(_query(time_range), offset=0)


def _query(time_range: TimeRange) -> TaskQuery:
    return TaskQuery(start=time_range.start, end=time_range.end)


def _reading(time_range: TimeRange, walk: PagedRead, doubt: str | None) -> Reading:
    return Reading(time_range, len(walk.identities), walk.total_counts[-1], doubt)


def _is_sound(walk: PagedRead, again: PagedRead) -> bool:
    """Tell whether a list was the same twice, without a gap, to its end."""
    walks_are_whole = all(each.is_gapless and each.reached_end for each in (walk, again))
    return walks_are_whole and walk.identities == again.identities


def _spoken(counts: set[int | None]) -> str:
    return " or ".join(str(count) for count in sorted(count or 0 for count in counts))


def _quiet_instant(records: Sequence[Record], time_range: TimeRange) -> Micros | None:
    """Return an instant near the median start of tasks at which none of them starts.

    None if there is none strictly inside the stretch.
    """
    instants = sorted(
        {
            at
            for at in map(created_at_of, records)
            if at is not None and time_range.start <= at <= time_range.end
        }
    )
    gaps = [(before, after) for before, after in pairwise(instants) if after - before >= _QUIET]
    if not gaps:
        return None
    before, after = gaps[len(gaps) // 2]
    return (before + after) // 2
