"""Traits of the API that its documentation leaves open, as one load learns them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.times import HOUR, SECOND, Micros

WINDOW_MARGIN: Final[Micros] = 2 * SECOND
"""A window proves nothing this close to its bounds: the API may round or exclude them."""


class OffsetUnit(Enum):
    """The unit in which the API counts an offset."""

    UNKNOWN = "unknown"
    RECORDS = "records"
    PAGES_FROM_ZERO = "pages from 0"
    PAGES_FROM_ONE = "pages from 1"


@dataclass
class ApiTraits:
    """The traits of the API that a load has learned so far, for one project.

    The pager, the window reader, the observations and the project reader share one object. Each
    records here what its responses show, and reads what the others have recorded.

    Threads that fetch pages write ``is_future_refused`` only, and only from False to True. All
    other attributes belong to the thread that reads the project.

    Attributes:
        state: the state that the last load left; its traits hold until this load learns its own.
        now: the load's clock.
        offset_unit: what an offset counts; shown by overlapping pages. A paged read with gaps
            resets it.
        is_count_usable_in_load: whether total_count counts tasks, as this load has learned; None
            if no response has shown it. False if total_count is missing, is the length of its page,
            or is smaller than a list without gaps. A count that the last load found unusable starts
            as False; a usable one must prove itself again. Reading the full horizon resets it.
        is_count_seen: whether a total_count was seen that is not just the length of its page.
        is_count_too_low: whether a list without gaps was longer than its total_count.
        is_order_stable: False after one query had gaps in two paged reads in a row.
        is_future_refused: whether the service refused a window that ends after ``now``.
        are_times_required: whether the service refused a query without start and end.
        filters_by_start: True if a window listed a task that has no end; False if a window that
            closes before the end of a finished task hid it; None if neither was seen.
        is_running_hidden: whether a complete window up to now does not list a task that the query
            for running tasks listed.
        is_running_left_out: whether a window listed a running task that the query for running
            tasks had left out.
    """

    state: ProjectState
    now: Micros
    offset_unit: OffsetUnit = OffsetUnit.UNKNOWN
    is_count_usable_in_load: bool | None = None
    is_count_seen: bool = False
    is_count_too_low: bool = False
    is_order_stable: bool = True
    is_future_refused: bool = False
    are_times_required: bool = False
    filters_by_start: bool | None = None
    is_running_hidden: bool = False
    is_running_left_out: bool = False

    def __post_init__(self) -> None:
        if self.state.is_count_usable is False:
            self.is_count_usable_in_load = False

    @property
    def is_count_usable(self) -> bool | None:
        """Whether total_count counts tasks; None if neither this load nor the last one learned."""
        learned = self.is_count_usable_in_load
        return self.state.is_count_usable if learned is None else learned

    @property
    def is_running_listed(self) -> bool | None:
        """Whether windows list tasks without an end; None if no load has learned it."""
        if self.filters_by_start is not None:
            return self.filters_by_start
        return False if self.is_running_hidden else self.state.is_running_listed

    @property
    def is_sweep_whole(self) -> bool | None:
        """False if the query for running tasks leaves some out; None if no load has learned it."""
        return False if self.is_running_left_out else self.state.is_sweep_whole

    @property
    def offset_counts_pages(self) -> bool:
        """Whether an offset is known to count pages."""
        return self.offset_unit in {OffsetUnit.PAGES_FROM_ZERO, OffsetUnit.PAGES_FROM_ONE}

    def add_unswept(self, created_at: Micros) -> None:
        """Record a running task that a window listed and the query for running tasks did not.

        One that was created around the load shows nothing: it may have started in between.
        """
        if created_at < self.now - HOUR:
            self.is_running_left_out = True
