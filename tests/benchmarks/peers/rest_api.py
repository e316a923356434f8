"""dlt's declarative rest_api source, as its documentation shows it.

Usage: python -m tests.benchmarks.peers.rest_api URL FOLDER [LOADER_FILE_FORMAT]
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dlt
from dlt.sources.rest_api import rest_api_source


def main(url: str, folder: Path, loader_file_format: Any = None) -> None:
    """Load all tasks into one table; None for dlt's default format of loader files."""
    parts = urlsplit(url)
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{parts.scheme}://{parts.netloc}",
                "paginator": {"type": "offset", "limit": 100, "total_path": "total_count"},
            },
            "resources": [
                {
                    "name": "tasks",
                    "endpoint": {
                        "path": parts.path,
                        "params": dict(parse_qsl(parts.query)),
                        "data_selector": "tasks",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=str(folder / "dlt"),
        destination=dlt.destinations.duckdb(str(folder / "peer.duckdb")),
        dataset_name="task_center",
    )
    pipeline.run(source, loader_file_format=loader_file_format)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
