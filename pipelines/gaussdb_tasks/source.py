"""The dlt source: the task center as resources for any pipeline and any destination.

The command ``load`` of this package runs these resources with the project state from its database.
In other pipelines they keep the project state in dlt's state. dlt stores that state in the
destination, together with the rows that it belongs to.
"""

import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, cast

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TAnySchemaColumns, TWriteDispositionConfig
from dlt.common.typing import TTableHintTemplate
from dlt.extract import DltResource

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.client import TaskCenterClient
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.errors import ConfigurationError, worst_of
from gaussdb_tasks.extract import arrow_rows
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.listing import Projects
from gaussdb_tasks.extract.part import LISTED_TASKS, PartRequest
from gaussdb_tasks.extract.project_tables import (
    Outcome,
    ProjectSource,
    ProjectSummary,
    Run,
    new_run_id,
)
from gaussdb_tasks.model import tables, times
from gaussdb_tasks.model.project_state import project_label
from gaussdb_tasks.model.tables import Table
from gaussdb_tasks.settings import LoadSettings, RetrySettings
from gaussdb_tasks.source_destination import adapt_to_destination, as_stored
from gaussdb_tasks.source_settings import (
    CONNECTIONS,
    SOURCE_NAME,
    HistorySettings,
    PartSettings,
    SignIn,
    refuse_unusable_clock,
)
from gaussdb_tasks.source_state import StoredStates
from gaussdb_tasks.version import VERSION

_LOG: Final = logging.getLogger(__name__)


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME, spec=HistorySettings, max_table_nesting=0)
def task_center(  # noqa: PLR0913 - dlt can inject each of these settings but the clock
    project_id: str | Sequence[str] | None = None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    token: dlt.TSecretStrValue | None = None,
    os_cloud: str | Sequence[str] | None = None,
    full: bool = False,
    now: datetime | None = None,
) -> tuple[DltResource, ...]:
    """Read new and changed tasks of one or more projects, incrementally from run to run.

    Sign-in: ``token``, or a cloud of ``clouds.yaml``, or else the ``OS_*`` variables. Every run
    appends to ``task_versions`` and merges into ``tasks``.

    Args:
        project_id: the project, or a list of projects; None for the project of the sign-in.
        endpoint: address of the service; None for the default of the region.
        region: region of the cloud, such as eu-de.
        token: a project-scoped IAM token.
        os_cloud: name of a cloud in ``clouds.yaml``, or a list of names.
        full: read the full horizon again.
        now: the load's clock, timezone-aware; None for the machine's clock.

    Raises:
        ConfigurationError: settings contradict each other; inside dlt's own exception while the
            pipeline runs: credentials are missing, an address is wrong, or the destination cannot
            merge.
        AccessError: the service refuses; inside dlt's own exception while the pipeline runs.
        ServiceError: the service fails; inside dlt's own exception while the pipeline runs.
    """
    refuse_unusable_clock(now)
    signing_in = SignIn.with_settings(project_id, os_cloud, endpoint, region, token)

    def read() -> Extraction:
        adapt_to_destination()
        clock = times.now() if now is None else times.from_datetime(now)
        settings = LoadSettings(now=clock, full=full)
        stored = StoredStates(_stored_projects(), settings.visible.start)
        limiters = RateLimiters(CONNECTIONS)
        sources = [
            _source(access, limiters, stored, is_clock_real=now is None)
            for access in signing_in.accesses()
        ]
        run = Run(
            new_run_id(clock), stored.next_load_number(), VERSION, settings, on_read=_warn_of_fault
        )
        return Extraction(run, sources, on_taken=partial(_store, stored))

    return resources(read, merged="merge", constant="merge")


@dlt.source(name="task_center_part", section=SOURCE_NAME, spec=PartSettings, max_table_nesting=0)
def task_center_part(  # noqa: PLR0913 - dlt can inject each of these settings but the clock
    project_id: str | Sequence[str] | None = None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    token: dlt.TSecretStrValue | None = None,
    os_cloud: str | Sequence[str] | None = None,
    status: str | None = None,
    name: str | None = None,
    now: datetime | None = None,
) -> DltResource:
    """Read the tasks of a status or a name in the last 30 days, as the service shows them now.

    A part proves nothing. A task that is missing from it may exist, be hidden or be deleted. So it
    has no coverage, no versions and no vanished tasks, and each run replaces ``listed_tasks``. Use
    ``task_center`` to keep a history.

    Args:
        project_id: the project, or a list of projects; None for the project of the sign-in.
        endpoint: address of the service; None for the default of the region.
        region: region of the cloud, such as eu-de.
        token: a project-scoped IAM token.
        os_cloud: name of a cloud in ``clouds.yaml``, or a list of names.
        status: Running, Completed or Failed; None for all.
        name: kind of task, as the API names it; None for all.
        now: the clock of the run, timezone-aware; None for the machine's clock.

    Raises:
        ConfigurationError: settings contradict each other; inside dlt's own exception while the
            pipeline runs: credentials are missing, or an address is wrong.
        AccessError: the service refuses; inside dlt's own exception while the pipeline runs.
        ServiceError: the service fails; inside dlt's own exception while the pipeline runs.
    """
    refuse_unusable_clock(now)
    signing_in = SignIn.with_settings(project_id, os_cloud, endpoint, region, token)

    def read() -> Iterator[pa.Table]:
        _LOG.warning(
            "task_center_part reads a part of the list, which proves nothing: "
            "no coverage is recorded, and no task is marked as vanished"
        )
        clock = times.now() if now is None else times.from_datetime(now)
        projects = Projects(signing_in.accesses())
        listing = projects.listing(PartRequest(status, name), lambda: clock)
        if listing.failures:  # a part of a part would replace the last one
            raise worst_of(listing.failures)
        yield LISTED_TASKS.arrow_from_rows(list(listing.rows()))

    return _filled(LISTED_TASKS, "replace", read)


def resources(
    read: Callable[[], Extraction],
    *,
    merged: TWriteDispositionConfig,
    constant: TWriteDispositionConfig = "replace",
    appends_tasks: bool = False,
) -> tuple[DltResource, ...]:
    """Make the resources of a load; all of them share one read of the API.

    Args:
        read: starts to read the API; called once per run of the resources.
        merged: write disposition of the tables of latest states. A merge without a strategy is
            done in the way that the destination prefers.
        constant: write disposition of the table of documented kinds. If two sources of a run
            replace it, dlt keeps the rows of both.
        appends_tasks: whether to append to ``tasks``, which must be empty; a merge takes three
            times as long.
    """
    shared = _SharedExtraction(read)
    return (
        _resource(tables.TASK_VERSIONS, "append", shared, Extraction.task_versions),
        _resource(tables.TASKS, "append" if appends_tasks else merged, shared, Extraction.tasks),
        _resource(tables.COVERAGE, "append", shared, Extraction.coverage),
        _resource(tables.LOAD_RUNS, "append", shared, Extraction.load_runs),
        _resource(tables.REJECTED_RECORDS, "append", shared, Extraction.rejected_records),
        _resource(tables.VANISHED_TASKS, merged, shared, Extraction.vanished_tasks),
        _resource(tables.TASK_TYPES, constant, shared, Extraction.task_types),
    )


class _SharedExtraction:
    """One extraction for all resources of a run.

    dlt asks each resource for its rows once per run. So a resource that asks again starts a new
    run, which needs a new extraction.
    """

    def __init__(self, read: Callable[[], Extraction]) -> None:
        self._read = read
        self._current: Extraction | None = None
        self._served: set[str] = set()

    def for_table(self, table: Table) -> Extraction:
        if self._current is None or table.name in self._served:
            self._current = self._read()
            self._served = set()
        self._served.add(table.name)
        return self._current


def _resource(
    table: Table,
    write_disposition: TWriteDispositionConfig,
    shared: _SharedExtraction,
    rows: Callable[[Extraction], Iterator[pa.Table]],
) -> DltResource:
    def fill() -> Iterator[pa.Table]:
        yield from arrow_rows.joined(rows(shared.for_table(table)))

    return _filled(table, write_disposition, fill)


def _filled(
    table: Table, write_disposition: TWriteDispositionConfig, fill: Callable[[], Iterator[pa.Table]]
) -> DltResource:
    """Make the resource of a table, with all its columns declared."""

    def stored() -> Iterator[pa.Table]:
        yield from map(as_stored, fill())

    resource: DltResource = dlt.resource(
        stored,
        name=table.name,
        write_disposition=write_disposition,
        columns=cast("TTableHintTemplate[TAnySchemaColumns]", table.dlt_columns()),
        primary_key=table.primary_key,
    )
    return resource


def _stored_projects() -> MutableMapping[str, Any]:
    """Return the states of projects in the state of the resource that they belong to.

    If dlt drops the versions, it drops this state, too, and the next run reads everything again.
    """
    state: MutableMapping[str, Any] = dlt.current.resource_state(tables.TASK_VERSIONS.name)
    earlier = dlt.current.source_state().pop("projects", {})  # where 0.1.0 kept them
    return cast("MutableMapping[str, Any]", state.setdefault("projects", earlier))


def _store(stored: StoredStates, extraction: Extraction) -> None:
    """Put the project states into dlt's state; dlt stores it together with the rows, or not."""
    stored.update({project.key: project.state_after() for project in extraction.projects})


def _source(
    access: ProjectAccess, limiters: RateLimiters, stored: StoredStates, *, is_clock_real: bool
) -> ProjectSource:
    try:
        state = stored.state(access.key)
    except ConfigurationError as error:  # a wrong region stops this project only
        return ProjectSource.unreadable(access.key, error, access.learned_name())
    limiter = limiters.limiter_for(access.identity.account, access.endpoint)
    client = TaskCenterClient.for_project(access, limiter, RetrySettings())
    return ProjectSource(
        key=access.key,
        fetch_page=client.fetch_page,
        calls_made=lambda: client.calls_made,
        state=state,
        find=lambda _job_id, _created_at: None,
        clock_ahead=lambda: client.clock_ahead if is_clock_real else None,
        learned_name=access.learned_name,
    )


def _warn_of_fault(summary: ProjectSummary) -> None:
    """Log why a project is not proved complete: the run of a pipeline has no exit code for it."""
    if summary.outcome is not Outcome.COMPLETE:
        reasons = summary.error or "; ".join(summary.incomplete_reasons)
        label = project_label(summary.key.project_id, summary.name)
        _LOG.warning("project %s: outcome %s: %s", label, summary.outcome.value, reasons)
