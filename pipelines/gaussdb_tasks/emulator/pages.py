"""Filter, order, cut and count the tasks of a page.

A page of a plain window costs two binary searches, whatever the size of the world. Filters that
must read every task are cached while the snapshot stays the same.
"""

import itertools
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final, TypeAlias

from gaussdb_tasks.emulator.behaviour import Behaviour, Order
from gaussdb_tasks.emulator.random_source import RandomSource
from gaussdb_tasks.emulator.world import Snapshot
from gaussdb_tasks.model.times import SECOND, Micros

_CREATED_AT: Final = attrgetter("created_at")
_CACHED_SELECTIONS: Final = 8

TotalCount: TypeAlias = int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A valid request for a page of a project's tasks."""

    project_id: str
    status: str | None = None
    name: str | None = None
    start: Micros | None = None
    end: Micros | None = None
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """The records of a page as JSON, and `total_count` if the answer has one."""

    bodies: list[bytes]
    total_count: TotalCount
    has_total_count: bool


@dataclass(frozen=True, slots=True)
class _Window:
    """First and last created_at, and the last ended_at; all inclusive."""

    first: Micros
    last: Micros = sys.maxsize
    ended_by: Micros | None = None


@dataclass(frozen=True, slots=True)
class _Filter:
    status: str | None
    name: str | None
    ended_by: Micros | None

    def apply(self, snapshot: Snapshot, positions: range) -> Sequence[int]:
        if self == _NO_FILTER:
            return positions
        return [position for position in positions if self._matches(snapshot, position)]

    def _matches(self, snapshot: Snapshot, position: int) -> bool:
        task, now = snapshot.tasks[position], snapshot.now
        return (
            (self.name is None or task.name == self.name)
            and (self.status is None or task.status_at(now) == self.status)
            and (self.ended_by is None or _has_ended(snapshot, position, self.ended_by))
        )


_NO_FILTER: Final = _Filter(None, None, None)


def _has_ended(snapshot: Snapshot, position: int, ended_by: Micros) -> bool:
    if position >= snapshot.dated_count:
        return True
    end = snapshot.tasks[position].shown_end_at(snapshot.now)
    return end is not None and end <= ended_by


class Paginator:
    """Cuts pages out of snapshots; caches the latest selections, so use one for each emulator."""

    def __init__(self) -> None:
        self._select = lru_cache(_CACHED_SELECTIONS)(_select)
        self._answers = itertools.count()

    def page(self, snapshot: Snapshot, query: Query, behaviour: Behaviour, now: Micros) -> Page:
        """Return the requested page."""
        window = _window(query, behaviour, now)
        criteria = _Filter(query.status, query.name, window.ended_by)
        selected = self._select(snapshot, _span(snapshot, window), criteria, behaviour.order)
        if behaviour.order == "shuffled":
            selected = RandomSource(next(self._answers)).sample(selected, len(selected))
        limit = min(query.limit, behaviour.page_cap)
        first = _first_index(query.offset, limit, behaviour)
        bodies = [
            snapshot.tasks[position].body_at(snapshot.now)
            for position in selected[first : first + limit]
        ]
        total_count = _total_count(len(selected), len(bodies), behaviour)
        return Page(bodies, total_count, has_total_count=behaviour.total_count != "missing")


def _window(query: Query, behaviour: Behaviour, now: Micros) -> _Window:
    oldest = now - behaviour.horizon
    if query.start is None and query.end is None:
        return _Window(max(oldest, now - behaviour.default_period))
    exclusion = 1 if behaviour.bounds == "exclusive" else 0
    first, last = oldest, sys.maxsize
    if query.start is not None:
        first = max(oldest, _rounded(query.start, behaviour) + exclusion)
    if query.end is not None:
        last = _rounded(query.end, behaviour) - exclusion
    if behaviour.time_filter == "created":
        return _Window(first, last)
    return _Window(first, ended_by=None if query.end is None else last)


def _rounded(bound: Micros, behaviour: Behaviour) -> Micros:
    return bound if behaviour.bound_precision == "milliseconds" else bound // SECOND * SECOND


def _span(snapshot: Snapshot, window: _Window) -> range:
    tasks, dated = snapshot.tasks, snapshot.dated_count
    first = bisect_left(tasks, window.first, hi=dated, key=_CREATED_AT)
    stop = bisect_right(tasks, window.last, lo=first, hi=dated, key=_CREATED_AT)
    return range(first, stop)


def _select(snapshot: Snapshot, span: range, criteria: _Filter, order: Order) -> Sequence[int]:
    """Return the positions of the listed tasks; tasks with unreadable times come last."""
    dated = criteria.apply(snapshot, span)
    undated = criteria.apply(snapshot, range(snapshot.dated_count, len(snapshot.tasks)))
    if order == "newest_first":
        dated = dated[::-1]
    selected = [*dated, *undated] if undated else dated
    return _ordered_by_checksum(snapshot, selected) if order == "arbitrary" else selected


def _ordered_by_checksum(snapshot: Snapshot, positions: Iterable[int]) -> Sequence[int]:
    def checksum(position: int) -> int:
        return zlib.crc32(snapshot.tasks[position].job_id.encode())

    return sorted(positions, key=checksum)


def _first_index(offset: int, limit: int, behaviour: Behaviour) -> int:
    match behaviour.offset_unit:
        case "records":
            return offset
        case "pages":
            return offset * limit
        case "pages_from_one":
            return max(offset - 1, 0) * limit


def _total_count(selected: int, on_page: int, behaviour: Behaviour) -> TotalCount:
    match behaviour.total_count:
        case "exact":
            return selected
        case "lagging":
            return max(selected - behaviour.lag, 0)
        case "page_length":
            return on_page
        case "string":
            return str(selected)
        case "missing" | "null":
            return None
