"""Reading one project: the sweep, the planned windows, and the count that settles the rest."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.contract import STATUS_RUNNING, is_final
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract import reconciliation
from gaussdb_tasks.extract.change_detection import ChangeDetector
from gaussdb_tasks.extract.future import FutureTolerant
from gaussdb_tasks.extract.observations import Batch, Observations
from gaussdb_tasks.extract.paging import FetchPage, Pager
from gaussdb_tasks.extract.plan import Purpose, plan_load
from gaussdb_tasks.extract.reconciliation import EDGE, FADING, Expectation, Proved
from gaussdb_tasks.extract.windows import Reading, WindowReader
from gaussdb_tasks.model.normalise import status_of
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import HOUR, Micros, iso
from gaussdb_tasks.settings import LoadSettings

_BLIND_SPOT: Final = (
    "the service lists running tasks only within a window of time, and such a window hides them "
    "or was not seen to show one"
)


class WindowOutcome(NamedTuple):
    """A window as it was read, and why it was read."""

    purpose: Purpose
    reading: Reading


class ProjectReading:
    """One project's load: iterate over ``batches`` to the end, then ask what it came to.

    Attributes:
        windows: every window, or part of one, that was read.
        doubts: what could not be proved, in words.
        expected_count: tasks of the horizon as known here; None where nothing was compared.
        reported_count: tasks of the horizon as the API counts them; likewise.
    """

    def __init__(  # noqa: PLR0913 - what a reading consists of
        self,
        fetch_page: FetchPage,
        settings: LoadSettings,
        state: ProjectState,
        history: ChangeDetector,
        *,
        connections: int,
        on_progress: Callable[[int, int], None] = lambda _seen, _announced: None,
    ) -> None:
        self.windows: list[WindowOutcome] = []
        self.doubts: list[str] = []
        self.expected_count: int | None = None
        self.reported_count: int | None = None
        self._policy = settings
        self._knowledge = state
        self._sightings = Observations(history)
        self._executor = ThreadPoolExecutor(connections, thread_name_prefix="page")
        self._pager = Pager(
            FutureTolerant(fetch_page, settings.now),
            self._executor,
            lambda: self.is_count_usable is True,
        )
        self._reader = WindowReader(
            self._pager,
            lambda: self.is_running_listed is True,
            # What was no count the last time is none; a count that was one has to prove it again.
            is_count_usable=False if state.is_count_usable is False else None,
        )
        self._has_listed_running = False
        self._is_start_filter_refuted = False
        self._is_sweep_refused = False
        self._sweep_doubt: tuple[str, int | None] | None = None
        self._on_progress = on_progress

    @property
    def is_count_usable(self) -> bool | None:
        """Whether the API's total_count can be counted on; None if nothing has told yet."""
        learnt = self._reader.is_count_usable
        return self._knowledge.is_count_usable if learnt is None else learnt

    @property
    def is_running_listed(self) -> bool | None:
        """Whether windows of time list tasks that have no end; None if nothing has told yet."""
        if self._sightings.looks_at_starts:
            return True
        if self._is_start_filter_refuted:
            return False
        proved = self._proved()
        swept = self._sightings.open_swept.items()
        if any(proved.shows(at) and not self._is_listed(job_id) for job_id, at in swept):
            return False
        return self._knowledge.is_running_listed

    @property
    def is_sweep_whole(self) -> bool | None:
        """False if the sweep is known to leave running tasks out; None if nothing has told yet."""
        unswept = self._sightings.unswept_running
        # A task that was started between the sweep and the window tells nothing.
        if unswept is not None and unswept < self._policy.now - HOUR:
            return False
        return self._knowledge.is_sweep_whole

    def batches(self) -> Iterator[Batch]:
        """Read the project, yielding what is new as it comes.

        Raises:
            AccessError: the API refuses, and would again.
            ServiceError: the API fails; what was yielded is true, but not all there is.
        """
        try:
            yield from self._sweep()
            if self._is_second_sweep_worthwhile():
                yield from self._list_running(self._policy.horizon_window)
            plan = plan_load(self._policy, self._knowledge, self._sightings.open_seen())
            for window in plan.windows:
                yield from self._read(window.time_range, window.purpose)
            yield from self._look_for_hidden()
            if plan.is_horizon_counted:
                yield from self._reconcile()
            self._note_missing()
            yield from self._look_for_blind_spot()
            self._settle_doubts()
        finally:
            # Who stops a load must not wait for calls that may be resting for minutes.
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _sweep(self) -> Iterator[Batch]:
        """Ask for running tasks without naming a time, since a filter on it may hide them."""
        query = TaskQuery(status=STATUS_RUNNING)
        try:
            first = self._pager.fetch_page(query, offset=0)
        except RequestRefusedError:  # this server wants both bounds, always
            self._is_sweep_refused = True
            query = TaskQuery(*self._policy.horizon_window, STATUS_RUNNING)
            first = self._pager.fetch_page(query, offset=0)
        if any(is_final(status_of(record)) for record in first.records):
            # This server does not heed the status. What it lists the windows list as well.
            yield self._sightings.sort_out(first.records, note=lambda _task: None)
            return
        walk, doubt = self._reader.read_query(query, first)
        if doubt is not None:
            self._sweep_doubt = (f"running tasks: {doubt}", walk.total_counts[-1])
        yield self._sightings.sort_out(walk.records(), self._note_swept)

    def _note_swept(self, task: Task) -> None:
        self._sightings.note_swept(task)
        if self._is_sweep_refused:  # then it was a window like any other
            self._sightings.note_listed(task)

    def _is_second_sweep_worthwhile(self) -> bool:
        """Tell whether listing the horizon's running tasks spares more than it costs.

        Without times the service may look back a few days only, so tasks that have been running
        for longer would each need a window. A list of them within the horizon is one call, useful
        where windows list running tasks at all.
        """
        if self._knowledge.is_sweep_whole is not False or self.is_running_listed is False:
            return False
        seen = self._sightings.open_seen()
        in_flight = [id_ for id_, known in self._knowledge.tasks.items() if known.is_in_flight]
        planned = plan_load(self._policy, self._knowledge, seen)
        least = plan_load(self._policy, self._knowledge, in_flight)
        return planned.expected_calls - least.expected_calls > 1

    def _read(self, time_range: TimeRange, purpose: Purpose) -> Iterator[Batch]:
        if purpose is Purpose.HORIZON:
            self._reader.is_count_usable = None  # it is all read: a chance to learn it anew
        readings: list[Reading] = []
        for records in self._reader.read(time_range, readings):
            yield self._sightings.sort_out(records)
            self._on_progress(self._sightings.history.seen_count, self._reader.announced_count)
        self.windows += (WindowOutcome(purpose, reading) for reading in readings)

    def _look_for_hidden(self) -> Iterator[Batch]:
        """Read on from the oldest task in flight that nothing has shown yet.

        A window around its start, as it was planned, hides a task that ended after the window, if
        that is what the filter looks at.
        """
        if self._policy.time_range is not None or self.is_running_listed is True:
            return
        hidden = reconciliation.hidden_tasks(self._sightings, self._proved(), self._policy.visible)
        oldest = min((known.created_at for known in hidden), default=None)
        if oldest is not None:
            time_range = TimeRange(oldest - 2 * EDGE, self._policy.horizon_window.end)
            yield from self._read(time_range, Purpose.IN_FLIGHT)

    def _reconcile(self) -> Iterator[Batch]:
        """Count the horizon; if it is not what is known, read all of it."""
        query = TaskQuery(self._comparable_from(), self._policy.horizon_window.end)
        page = self._pager.fetch_page(query, offset=0)
        yield self._sightings.sort_out(page.records)
        if not self._reader.can_count(query, page):
            return
        expectation = self._expect(query)
        if expectation.running and self.is_running_listed is not True:
            if not self._has_listed_running:
                yield from self._list_running(self._policy.horizon_window)
            expectation = self._expect(query)._replace(running=0)
        self.expected_count = expectation.certain + expectation.running
        self.reported_count = page.total_count
        if not expectation.allows(page.total_count or 0):
            yield from self._read(self._policy.horizon_window, Purpose.HORIZON)

    def _look_for_blind_spot(self) -> Iterator[Batch]:
        """Find out whether tasks in flight could have been seen at all.

        If running tasks cannot be swept without times, only a window can show them. Whether it
        would, a finished task tells: it is listed by a window that closes before its end, or not.
        """
        if not self._is_sweep_refused or self.is_running_listed is not None:
            return
        ended = self._sightings.ended
        if ended is None or ended.ended_at is None:
            return
        query = TaskQuery(ended.created_at - EDGE, ended.ended_at - EDGE)
        page = self._pager.fetch_page(query, offset=0)
        self._sightings.looks_at_starts = any(r.identity == ended.job_id for r in page.records)
        self._is_start_filter_refuted = not self._sightings.looks_at_starts
        yield self._sightings.sort_out(page.records)

    def _settle_doubts(self) -> None:
        """Say what is not proved, now that everything is known that this load will know."""
        if self._sweep_doubt is not None:
            doubt, total_count = self._sweep_doubt
            complete = (w.reading for w in self.windows if w.reading.is_complete)
            if any(reading.total_count == total_count for reading in complete):
                # The count of everything, given for the running tasks too, is no count of these.
                self._reader.is_count_usable = False
            else:
                self.doubts.append(doubt)
        if self._is_sweep_refused and self.is_running_listed is not True:
            self.windows = [
                WindowOutcome(purpose, reading.doubted(_BLIND_SPOT))
                for purpose, reading in self.windows
            ]
        for _, reading in self.windows:
            if reading.doubt is not None:
                start, end = reading.time_range
                self.doubts.append(f"window {iso(start)} to {iso(end)}: {reading.doubt}")

    def _list_running(self, time_range: TimeRange) -> Iterator[Batch]:
        """List the running tasks that a window shows."""
        query = TaskQuery(*time_range, STATUS_RUNNING)
        walk, _ = self._reader.read_query(query, self._pager.fetch_page(query, offset=0))
        self._has_listed_running = True
        yield self._sightings.sort_out(walk.records())

    def _expect(self, query: TaskQuery) -> Expectation:
        return reconciliation.expect(self._sightings, self._proved(), query.start or 0)

    def _comparable_from(self) -> Micros:
        """Return from when on the API and the archive must know the same tasks."""
        created = sorted(known.created_at for _, known in self._sightings.history.tasks())
        return reconciliation.quiet_start(created, self._policy.surely_visible_from + FADING)

    def _proved(self) -> Proved:
        complete = (w.reading.time_range for w in self.windows if w.reading.is_complete)
        return Proved.from_complete(complete, self._policy.now)

    def _is_listed(self, job_id: str) -> bool:
        return job_id in self._sightings.open_listed or self._sightings.history.is_final(job_id)

    def _note_missing(self) -> None:
        missing = reconciliation.missing_tasks(
            self._sightings,
            self._proved(),
            surely_visible_from=self._policy.surely_visible_from + FADING,
            is_running_listed=self.is_running_listed is True,
        )
        for job_id in missing:
            self._sightings.history.miss(job_id)
        whole = [w.reading.is_complete for w in self.windows if w.purpose is Purpose.HORIZON]
        self._sightings.history.gone_rejects |= set(
            reconciliation.missing_rejects(
                self._sightings, self._proved(), is_all_read=bool(whole) and all(whole)
            )
        )
