"""The dlt source: the task center as resources for any pipeline and any destination.

This package's nightly load runs these resources with what its database knows. In a pipeline of
their own they remember in dlt's state what they must know of earlier loads; dlt keeps that state in
the destination, together with the rows it belongs to.
"""

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
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.project_tables import ProjectSource, Run, new_run_id, next_load_number
from gaussdb_tasks.model import tables, times
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.tables import Table
from gaussdb_tasks.settings import AccessRequest, LoadSettings, RetrySettings
from gaussdb_tasks.version import VERSION

SOURCE_NAME: Final = "task_center"


@dlt.source(name=SOURCE_NAME, max_table_nesting=0)
def task_center(  # noqa: PLR0913 - each is a setting dlt can inject
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

    Sign-in: ``token`` as it is, or a cloud of ``clouds.yaml`` by name, or else the ``OS_*``
    variables. Every run appends to ``task_versions`` and merges into ``tasks``.

    Args:
        project_id: the project; None for the one of the sign-in.
        endpoint: address of the service; None for the usual one of the region.
        region: region of the cloud, such as eu-de.
        token: a project-scoped IAM token.
        os_cloud: a cloud of ``clouds.yaml``.
        full: read the whole horizon again.
        now: the load's clock, timezone-aware; None for the machine's.

    Raises:
        ConfigurationError: there are no credentials, or an address is none.
        AccessError: the service refuses; inside dlt's own exception once the pipeline runs.
        ServiceError: the service fails; likewise.
    """

    def read() -> Extraction:
        clock = times.now() if now is None else times.from_datetime(now)
        settings = LoadSettings(now=clock, full=full)
        accesses = _sign_in(project_id, endpoint, region, token, os_cloud)
        remembered = dlt.current.source_state().setdefault("projects", {})
        sources = [_remembering(access, settings, remembered) for access in accesses]
        run = Run(new_run_id(clock), next_load_number(sources), VERSION, settings)
        return Extraction(run, sources, on_kept=partial(_remember, run, remembered))

    return resources(read, merge="delete-insert")


def resources(
    read: Callable[[], Extraction], *, merge: TLoaderMergeStrategy
) -> tuple[DltResource, ...]:
    """Make the resources of a load, all of them fed by one reading of the API.

    Args:
        read: starts a reading; called once a run, and again when the resources are run again.
        merge: dlt's merge strategy for tables with one row a thing.
    """
    reading = _Reading(read)
    merged = TMergeDispositionDict(disposition="merge", strategy=merge)
    return (
        _resource(tables.TASK_VERSIONS, "append", reading, Extraction.task_versions),
        _resource(tables.TASKS, merged, reading, Extraction.tasks),
        _resource(tables.COVERAGE, "append", reading, Extraction.coverage),
        _resource(tables.LOAD_RUNS, "append", reading, Extraction.load_runs),
        _resource(tables.REJECTED_RECORDS, "append", reading, Extraction.rejected_records),
        _resource(tables.VANISHED_TASKS, merged, reading, Extraction.vanished_tasks),
        _resource(tables.TASK_TYPES, "replace", reading, Extraction.task_types),
    )


class _Reading:
    """One reading of the API for all resources of a run.

    dlt asks each resource for its rows once a run. So a resource that asks again begins a new run,
    and a new run needs a new reading.
    """

    def __init__(self, read: Callable[[], Extraction]) -> None:
        self._read = read
        self._current: Extraction | None = None
        self._asked: set[str] = set()

    def for_table(self, table: Table) -> Extraction:
        if self._current is None or table.name in self._asked:
            self._current = self._read()
            self._asked = set()
        self._asked.add(table.name)
        return self._current


def _resource(
    table: Table,
    write_disposition: TWriteDispositionConfig,
    reading: _Reading,
    rows: Callable[[Extraction], Iterator[pa.Table]],
) -> DltResource:
    def fill() -> Iterator[pa.Table]:
        yield from rows(reading.for_table(table))

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
            message = "a token needs project_id and endpoint"
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


def _remembering(
    access: ProjectAccess, settings: LoadSettings, remembered: Mapping[str, Any]
) -> ProjectSource:
    """Read a project with what dlt's state remembers of it."""
    key = ProjectKey(access.region, access.project_id)
    since = settings.visible.start
    rate_limiter = RateLimiter()
    return ProjectSource(
        key=key,
        fetch_page=TaskCenterClient.for_project(access, rate_limiter, RetrySettings()).fetch_page,
        calls_made=lambda: rate_limiter.calls_made,
        state=source_state.from_json(remembered.get(source_state.state_key(key)), since),
        find=lambda _job_id, _created_at: None,
    )


def _remember(run: Run, remembered: MutableMapping[str, Any], extraction: Extraction) -> None:
    """Keep what is known after a reading; dlt stores it together with the rows, or not at all."""
    for project in extraction.projects:
        remembered[source_state.state_key(project.key)] = source_state.to_json(
            project.state_after(), run.settings.visible.start
        )
