"""The dlt source: the task center as resources for any pipeline and any destination.

The command ``load`` of this package runs these resources with the project state from its database.
In other pipelines they keep the project state in dlt's state. dlt stores that state in the
destination, together with the rows that it belongs to.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from functools import partial
from typing import Any, Final, cast

import dlt
import pyarrow as pa
from dlt.common.schema.typing import (
    TAnySchemaColumns,
    TLoaderMergeStrategy,
    TMergeDispositionDict,
    TWriteDispositionConfig,
)
from dlt.common.typing import TTableHintTemplate
from dlt.extract import DltResource

from gaussdb_tasks import source_state
from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import sign_in, token_access
from gaussdb_tasks.api.client import TaskCenterClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.errors import ConfigurationError, worst_of
from gaussdb_tasks.extract import arrow_rows
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.listing import Projects
from gaussdb_tasks.extract.part import LISTED_TASKS, PartRequest
from gaussdb_tasks.extract.project_tables import ProjectSource, Run, new_run_id, next_load_number
from gaussdb_tasks.model import tables, times
from gaussdb_tasks.model.tables import Table
from gaussdb_tasks.settings import AccessRequest, LoadSettings, RetrySettings
from gaussdb_tasks.version import VERSION

SOURCE_NAME: Final = "task_center"
_LOG: Final = logging.getLogger(__name__)


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def task_center(  # noqa: PLR0913 - dlt can inject each of these settings
    project_id: str | None = None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    token: dlt.TSecretStrValue | None = None,
    os_cloud: str | None = None,
    full: bool = False,
    now: datetime | None = None,
) -> tuple[DltResource, ...]:
    """Read new and changed tasks of a project, incrementally from one run to the next.

    Sign-in: ``token``, or a cloud of ``clouds.yaml``, or else the ``OS_*`` variables. Every run
    appends to ``task_versions`` and merges into ``tasks``.

    Args:
        project_id: the project; None for the project of the sign-in.
        endpoint: address of the service; None for the default of the region.
        region: region of the cloud, such as eu-de.
        token: a project-scoped IAM token.
        os_cloud: name of a cloud in ``clouds.yaml``.
        full: read the full horizon again.
        now: the load's clock, timezone-aware; None for the machine's clock.

    Raises:
        ConfigurationError: credentials are missing, or an address is wrong.
        AccessError: the service refuses; inside dlt's own exception while the pipeline runs.
        ServiceError: the service fails; inside dlt's own exception while the pipeline runs.
    """

    def read() -> Extraction:
        clock = times.now() if now is None else times.from_datetime(now)
        settings = LoadSettings(now=clock, full=full)
        accesses = _sign_in(project_id, endpoint, region, token, os_cloud)
        stored = dlt.current.source_state().setdefault("projects", {})
        sources = [_source_from_stored(access, settings, stored) for access in accesses]
        run = Run(new_run_id(clock), next_load_number(sources), VERSION, settings)
        return Extraction(run, sources, on_taken=partial(_store_state, run, stored))

    return resources(read, merge="delete-insert")


@dlt.source(name="task_center_part", max_table_nesting=0)
def task_center_part(  # noqa: PLR0913 - dlt can inject each of these settings
    project_id: str | None = None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    token: dlt.TSecretStrValue | None = None,
    os_cloud: str | None = None,
    status: str | None = None,
    name: str | None = None,
    now: datetime | None = None,
) -> DltResource:
    """Read the tasks of a status or a name in the last 30 days, as the service shows them now.

    A part proves nothing. A task that is missing from it may exist, be hidden or be deleted. So it
    has no coverage, no versions and no vanished tasks, and each run replaces ``listed_tasks``. Use
    ``task_center`` to keep a history.

    Args:
        project_id: the project; None for the project of the sign-in.
        endpoint: address of the service; None for the default of the region.
        region: region of the cloud, such as eu-de.
        token: a project-scoped IAM token.
        os_cloud: name of a cloud in ``clouds.yaml``.
        status: Running, Completed or Failed; None for all.
        name: kind of task, as the API names it; None for all.
        now: the clock of the run, timezone-aware; None for the machine's clock.

    Raises:
        ConfigurationError: credentials are missing, or an address is wrong.
        AccessError: the service refuses; inside dlt's own exception while the pipeline runs.
        ServiceError: the service fails; inside dlt's own exception while the pipeline runs.
    """

    def read() -> Iterator[pa.Table]:
        _LOG.warning(
            "task_center_part reads a part of the list, which proves nothing: "
            "no coverage is recorded, and no task is marked as vanished"
        )
        clock = times.now() if now is None else times.from_datetime(now)
        accesses = _sign_in(project_id, endpoint, region, token, os_cloud)
        listing = Projects(accesses).listing(PartRequest(status, name), lambda: clock)
        if listing.failures:  # a part of a part would replace the last one
            raise worst_of(listing.failures)
        yield LISTED_TASKS.arrow_from_rows(list(listing.rows()))

    return _filled(LISTED_TASKS, "replace", read)


def resources(
    read: Callable[[], Extraction], *, merge: TLoaderMergeStrategy, appends_tasks: bool = False
) -> tuple[DltResource, ...]:
    """Make the resources of a load; all of them share one read of the API.

    Args:
        read: starts to read the API; called once per run of the resources.
        merge: dlt's merge strategy for the tables of latest states.
        appends_tasks: whether to append to ``tasks``, which must be empty; a merge takes three
            times as long.
    """
    shared = _SharedExtraction(read)
    merged = TMergeDispositionDict(disposition="merge", strategy=merge)
    return (
        _resource(tables.TASK_VERSIONS, "append", shared, Extraction.task_versions),
        _resource(tables.TASKS, "append" if appends_tasks else merged, shared, Extraction.tasks),
        _resource(tables.COVERAGE, "append", shared, Extraction.coverage),
        _resource(tables.LOAD_RUNS, "append", shared, Extraction.load_runs),
        _resource(tables.REJECTED_RECORDS, "append", shared, Extraction.rejected_records),
        _resource(tables.VANISHED_TASKS, merged, shared, Extraction.vanished_tasks),
        _resource(tables.TASK_TYPES, "replace", shared, Extraction.task_types),
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
    resource: DltResource = dlt.resource(
        fill,
        name=table.name,
        write_disposition=write_disposition,
        columns=cast("TTableHintTemplate[TAnySchemaColumns]", table.dlt_columns()),
        primary_key=table.primary_key,
    )
    return resource


def _sign_in(
    project_id: str | None,
    endpoint: str | None,
    region: str | None,
    token: str | None,
    os_cloud: str | None,
) -> tuple[ProjectAccess, ...]:
    if token is not None:
        if project_id is None or endpoint is None:
            message = "token is set, but project_id or endpoint is missing; set both"
            raise ConfigurationError(message)
        access = token_access(
            endpoint=endpoint, project_id=project_id, token=token, region=region, connections=8
        )
        return (access,)
    request = AccessRequest(
        os_clouds=() if os_cloud is None else (os_cloud,),
        project_ids=() if project_id is None else (project_id,),
        endpoint=endpoint,
        region=region,
    )
    return sign_in(request, os.environ).accesses


def _source_from_stored(
    access: ProjectAccess, settings: LoadSettings, stored: Mapping[str, Any]
) -> ProjectSource:
    visible_from = settings.visible.start
    rate_limiter = RateLimiter()
    return ProjectSource(
        key=access.key,
        fetch_page=TaskCenterClient.for_project(access, rate_limiter, RetrySettings()).fetch_page,
        calls_made=lambda: rate_limiter.calls_made,
        state=source_state.from_json(stored.get(source_state.state_key(access.key)), visible_from),
        find=lambda _job_id, _created_at: None,
        learned_name=access.learned_name,
    )


def _store_state(run: Run, stored: MutableMapping[str, Any], extraction: Extraction) -> None:
    """Put the project states into dlt's state; dlt stores it together with the rows, or not."""
    for project in extraction.projects:
        stored[source_state.state_key(project.key)] = source_state.to_json(
            project.state_after(), run.settings.visible.start
        )
