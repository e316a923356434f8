"""The example in pipelines/README.md of a Dagster code location; a test runs it."""

from collections.abc import Iterator

import dlt
from dagster import AssetExecutionContext, Definitions, ScheduleDefinition, define_asset_job
from dagster_dlt import DagsterDltResource, dlt_assets

from gaussdb_tasks import task_center


@dlt_assets(
    dlt_source=task_center(),
    dlt_pipeline=dlt.pipeline("audit", destination="duckdb", dataset_name="gaussdb"),
)
def gaussdb(context: AssetExecutionContext, dlt_resource: DagsterDltResource) -> Iterator[object]:
    yield from dlt_resource.run(context=context)


nightly = define_asset_job("nightly", selection=[gaussdb])
defs = Definitions(
    assets=[gaussdb],
    schedules=[ScheduleDefinition(job=nightly, cron_schedule="5 3 * * *")],
    resources={"dlt_resource": DagsterDltResource()},
)
