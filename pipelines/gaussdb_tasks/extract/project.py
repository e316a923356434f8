"""Read one project: the running tasks, the planned windows, and the count of the horizon."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.contract import STATUS_RUNNING, is_final
from gaussdb_tasks.errors import LimitReachedError, RequestRefusedError, ResponseTooLargeError
from gaussdb_tasks.extract import reconciliation
from gaussdb_tasks.extract.change_detection import ChangeDetector
from gaussdb_tasks.extract.observations import Batch, Listed, Observations
from gaussdb_tasks.extract.paged_read import PagedRead
from gaussdb_tasks.extract.paging import FetchPage, Pager
from gaussdb_tasks.extract.plan import Purpose, plan_load
from gaussdb_tasks.extract.proof import reason_of_two
from gaussdb_tasks.extract.reconciliation import HORIZON_MARGIN, Expectation, ProvedTime
from gaussdb_tasks.extract.traits import WINDOW_MARGIN, ApiTraits
from gaussdb_tasks.extract.window_result import WindowResult
from gaussdb_tasks.extract.windows import WindowReader
from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.normalise import status_of
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task_columns import NO_TASKS
from gaussdb_tasks.model.time_range import TimeRange, merge, subtract
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.settings import LoadSettings

_BOUND_REACHED: Final = (LimitReachedError, ResponseTooLargeError)

_RUNNING_TASKS_HIDDEN: Final = (
    "running tasks may be missing: the service lists tasks only within a window of time, and such "
    "a window hides running tasks or has not shown one yet"
)


class WindowRead(NamedTuple):
    """A window that was read: the reason for reading it, and the result."""

    purpose: Purpose
    result: WindowResult


class ProjectReader:
    """Reads one project: iterate over ``batches`` to the end, then use the attributes.

    Attributes:
        traits: the traits of the API that the load has learned.
        windows: every window, or part of one, that was read.
        incomplete_reasons: why the load is incomplete; empty if all of it is proved.
        expected_count: tasks of the horizon as the archive holds them; None if not compared.
        reported_count: tasks of the horizon as the API counts them; None if not compared.
    """

    def __init__(  # noqa: PLR0913 - the parts of a load
        self,
        fetch_page: FetchPage,
        settings: LoadSettings,
        state: ProjectState,
        changes: ChangeDetector,
        *,
        connections: int,
        on_progress: Callable[[int, int], None] = lambda _seen, _announced: None,
    ) -> None:
        self.traits = ApiTraits(state, settings.now)
        self.windows: list[WindowRead] = []
        self.incomplete_reasons: list[str] = []
        self.expected_count: int | None = None
        self.reported_count: int | None = None
        self._settings = settings
        self._state = state
        self._observations = Observations(changes, self.traits)
        self._executor = ThreadPoolExecutor(connections, thread_name_prefix="page")
        self._pager = Pager(fetch_page, self._executor, self.traits)
        self._window_reader = WindowReader(self._pager, self.traits)
        self._has_listed_running = False
        self._sweep_reads: tuple[PagedRead, PagedRead] | None = None
        self._on_progress = on_progress

    @property
    def excess_count(self) -> int:
        """How many more rows than tasks the API counts, by its lists or by the compared counts."""
        results = [window.result for window in self.windows]
        listed = sum(each.repeated_count + each.unlisted_count for each in results)
        is_horizon_read = any(window.purpose is Purpose.HORIZON for window in self.windows)
        if is_horizon_read or self.incomplete_reasons or self.reported_count is None:
            return listed
        return max(listed, self.reported_count - (self.expected_count or 0))

    @property
    def is_horizon_proved(self) -> bool:
        """Whether the load has read the full horizon and proved it complete."""
        full_reads = [w.result.is_complete for w in self.windows if w.purpose is Purpose.HORIZON]
        return bool(full_reads) and all(full_reads)

    def batches(self) -> Iterator[Batch]:
        """Read the project and yield the new states, page by page.

        Raises:
            AccessError: the API refuses, and will refuse again.
            ServiceError: the API fails; the batches so far are right, but not all there is.
        """
        try:
            yield from self._within_bounds("running tasks", self._sweep())
            if self._is_second_sweep_worthwhile():
                listing = self._list_running(self._settings.horizon_window)
                yield from self._within_bounds("running tasks", listing)
            plan = plan_load(self._settings, self._state, self._observations.open_seen())
            for window in plan.windows:
                yield from self._read(window.time_range, window.purpose)
            yield from self._read_hidden()
            if plan.is_horizon_counted:
                yield from self._within_bounds("the count of all tasks", self._reconcile())
            self._mark_missing()
            yield from self._within_bounds("the test of the time filter", self._test_filter())
            yield self._observe(())
            self._finish()
        finally:
            # A load that is stopped must not wait for calls, which may be paused for minutes.
            self._executor.shutdown(wait=False, cancel_futures=True)

    def settle(self) -> Batch:
        """Return the states that waited for the end of the load and are new.

        If only the query for running tasks was read, the service may list the end of a task too.
        """
        proved, observations = self._proved_time(), self._observations
        undecided = {
            job_id
            for job_id, created_at in observations.open_swept.items()
            if job_id not in observations.open_listed and not proved.shows(created_at)
        }
        return Batch(NO_TASKS, observations.changes.settle(undecided), [])

    def _within_bounds(self, subject: str, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield batches; if a bound ends them, record why the load is incomplete."""
        try:
            yield from batches
        except _BOUND_REACHED as error:
            self.incomplete_reasons.append(f"{subject}: {error}")

    def _sweep(self) -> Iterator[Batch]:
        """List the running tasks without times, since a time filter may hide them."""
        query = TaskQuery(status=STATUS_RUNNING)
        try:
            first = self._pager.fetch_first(query)
        except RequestRefusedError:
            self.traits.are_times_required = True
            query = TaskQuery(*self._settings.horizon_window, STATUS_RUNNING)
            first = self._pager.fetch_first(query)
        if any(is_final(status_of(record)) for record in first.records):
            # This server ignores the status. The windows list the same tasks.
            yield self._observe(first.records, note=lambda _listed: None)
            return
        self._sweep_reads = self._window_reader.read_query(query, first)
        yield self._observe(self._sweep_reads[1].records(), self._note_swept)

    def _note_swept(self, listed: Listed) -> None:
        self._observations.note_swept(listed)
        if self.traits.are_times_required:  # then the query was a window
            self._observations.note_listed(listed)

    def _is_second_sweep_worthwhile(self) -> bool:
        """Check whether listing the horizon's running tasks saves more calls than it costs.

        Without times the service may look back a few days only. Then each task that has been
        running for longer would need a window. Listing them within the horizon is one call, useful
        if windows list running tasks at all.
        """
        if self._state.is_sweep_whole is not False or self.traits.is_running_listed is False:
            return False
        seen = self._observations.open_seen()
        in_flight = known_tasks.in_flight(self._state.tasks)
        planned = plan_load(self._settings, self._state, seen)
        least = plan_load(self._settings, self._state, seen.union(in_flight))
        return planned.expected_calls - least.expected_calls > 1

    def _read(self, time_range: TimeRange, purpose: Purpose) -> Iterator[Batch]:
        if purpose is Purpose.HORIZON:
            self.traits.is_count_usable_in_load = None  # a full read can learn it again
        results: list[WindowResult] = []
        try:
            for records in self._window_reader.read(time_range, results):
                yield self._observe(records)
                seen_count = self._observations.changes.seen_count
                self._on_progress(seen_count, self._window_reader.announced_count)
        except _BOUND_REACHED as error:
            unread = subtract(time_range, merge(result.time_range for result in results))
            results += (WindowResult(part, 0, None, str(error)) for part in unread)
        self.windows += (WindowRead(purpose, result) for result in results)
        self._learn_what_windows_hide()

    def _observe(
        self, records: Iterable[Record], note: Callable[[Listed], None] | None = None
    ) -> Batch:
        listed = tuple(records)
        # A record counts as seen however it came: a probe may show a state that no window shows.
        unlisted = {id(record): record for record in self._pager.fetched_alone}
        for record in listed if unlisted else ():
            unlisted.pop(id(record), None)
        self._pager.fetched_alone.clear()
        batch = self._observations.observe(listed, note, unlisted=unlisted.values())
        self._learn_what_windows_hide()
        return batch

    def _learn_what_windows_hide(self) -> None:
        proved = self._proved_time()
        self.traits.is_running_hidden = any(
            proved.shows(created_at) and not self._is_listed(job_id)
            for job_id, created_at in self._observations.open_swept.items()
        )

    def _is_listed(self, job_id: str) -> bool:
        observations = self._observations
        return job_id in observations.open_listed or observations.changes.is_final(job_id)

    def _read_hidden(self) -> Iterator[Batch]:
        """Read from the oldest task in flight that no page has shown, up to now.

        If the filter looks at ends, the planned window around its start hides a task that ended
        after the window.
        """
        if self._settings.time_range is not None or self.traits.is_running_listed is True:
            return
        hidden = reconciliation.hidden_tasks(
            self._observations, self._proved_time(), self._settings.visible
        )
        oldest = min((known.created_at for known in hidden), default=None)
        if oldest is not None:
            time_range = TimeRange(oldest - 2 * WINDOW_MARGIN, self._settings.horizon_window.end)
            yield from self._read(time_range, Purpose.IN_FLIGHT)

    def _reconcile(self) -> Iterator[Batch]:
        """Count the horizon; if the count is not as expected, read all of it."""
        query = TaskQuery(self._comparable_from(), self._settings.horizon_window.end)
        page = self._pager.fetch_first(query)
        yield self._observe(page.records)
        if not self._window_reader.can_count(query, page):
            return
        expectation = self._expect(query)
        if expectation.running and self.traits.is_running_listed is not True:
            if not self._has_listed_running:
                yield from self._list_running(self._settings.horizon_window)
            expectation = self._expect(query)._replace(running=0)
        self.expected_count = expectation.certain + expectation.running
        self.reported_count = page.total_count
        total_count = page.total_count or 0
        # The excess of a full read before is known: rows that are listed twice, or never.
        is_as_known = expectation.allows(total_count - self._state.excess_count)
        if not expectation.allows(total_count) and not is_as_known:
            yield from self._read(self._settings.horizon_window, Purpose.HORIZON)

    def _test_filter(self) -> Iterator[Batch]:
        """Find out whether windows list tasks in flight, if nothing else can list them.

        A finished task shows it: a window that closes before its end lists it or does not.
        """
        if not self.traits.are_times_required or self.traits.is_running_listed is not None:
            return
        ended = self._observations.ended
        if ended is None or ended.ended_at is None:
            return
        query = TaskQuery(ended.created_at - WINDOW_MARGIN, ended.ended_at - WINDOW_MARGIN)
        page = self._pager.fetch_first(query)
        self.traits.filters_by_start = any(r.identity == ended.job_id for r in page.records)
        yield self._observe(page.records)

    def _finish(self) -> None:
        """Collect the reasons why the load is incomplete, now that all traits are learned."""
        reason = self._sweep_reads and reason_of_two(*self._sweep_reads, self.traits)
        if self._sweep_reads and reason is not None:
            total_count = self._sweep_reads[1].total_counts[-1]
            complete = (w.result for w in self.windows if w.result.is_complete)
            if any(result.total_count == total_count for result in complete):
                # The service counts all tasks, although only running ones were asked for.
                self.traits.is_count_usable_in_load = False
            else:
                self.incomplete_reasons.append(f"running tasks: {reason}")
        if self.traits.are_times_required and self.traits.is_running_listed is not True:
            self.windows = [
                WindowRead(purpose, result.marked_incomplete(_RUNNING_TASKS_HIDDEN))
                for purpose, result in self.windows
            ]
        results = [result for _, result in self.windows]
        unlisted = sum(result.unlisted_count for result in results)
        excess = unlisted + sum(result.repeated_count for result in results)
        if unlisted and excess > self._state.excess_count:
            # Reported once: a count that stays higher than the same list is a trait of the service.
            self.incomplete_reasons.append(
                f"the API counts {unlisted} tasks more than it lists, and lists the same twice"
            )
        for result in results:
            if result.incomplete_reason is not None:
                start, end = map(iso, result.time_range)
                self.incomplete_reasons.append(
                    f"window {start} to {end}: {result.incomplete_reason}"
                )

    def _list_running(self, time_range: TimeRange) -> Iterator[Batch]:
        query = TaskQuery(*time_range, STATUS_RUNNING)
        first = self._pager.fetch_first(query)
        _, paged_read = self._window_reader.read_query(query, first)
        self._has_listed_running = True
        yield self._observe(paged_read.records())

    def _expect(self, query: TaskQuery) -> Expectation:
        return reconciliation.expect(self._observations, self._proved_time(), query.start or 0)

    def _comparable_from(self) -> Micros:
        """Return the time from which the API and the archive must hold the same tasks."""
        states = self._observations.changes.states
        return reconciliation.quiet_start(states, self._surely_visible_from)

    @property
    def _surely_visible_from(self) -> Micros:
        return self._settings.surely_visible_from + HORIZON_MARGIN

    def _proved_time(self) -> ProvedTime:
        complete = (w.result.time_range for w in self.windows if w.result.is_complete)
        return ProvedTime.from_complete(complete, self._settings.now)

    def _mark_missing(self) -> None:
        changes = self._observations.changes
        missing = reconciliation.missing_tasks(
            self._observations,
            self._proved_time(),
            surely_visible_from=self._surely_visible_from,
            is_running_listed=self.traits.is_running_listed is True,
        )
        for job_id in missing:
            changes.mark_missing(job_id)
        changes.gone_rejects |= set(
            reconciliation.missing_rejects(
                self._observations,
                self._proved_time(),
                is_all_read=self.is_horizon_proved,
            )
        )
