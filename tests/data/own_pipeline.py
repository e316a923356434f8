"""The README's example of a pipeline of one's own; a test runs it."""

import dlt

from gaussdb_tasks import task_center

pipeline = dlt.pipeline("audit", destination="duckdb", dataset_name="gaussdb")
pipeline.run(task_center(os_cloud="otc-prod"))
