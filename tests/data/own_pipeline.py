"""The example in pipelines/README.md of a pipeline with the source; a test runs it."""

import dlt

from gaussdb_tasks import task_center

pipeline = dlt.pipeline("audit", destination="duckdb", dataset_name="gaussdb")
pipeline.run(task_center())
