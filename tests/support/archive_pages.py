"""Parts of the archive's page, written by ``make docs``: what lies in each file."""

from typing import Final

from gaussdb_tasks.archive import archive_tables

_PARQUET_TYPES: Final = {
    "text": "string",
    "json": "string (JSON)",
    "bigint": "int64",
    "double": "double",
    "bool": "bool",
    "date": "date32",
    "timestamp": "timestamp[us], UTC",
}


def files() -> None:
    """Describe every kind of file, column by column."""
    for segment in (*archive_tables.OF_A_LOAD, archive_tables.TASK_TYPES):
        print(f"### {segment.file_name}\n")
        print(f"{segment.meaning[0].upper()}{segment.meaning[1:]}.\n")
        print("| column | type | null | meaning |\n| --- | --- | --- | --- |")
        for column in segment.columns:
            null = "may be" if column.nullable else "never"
            kind = _PARQUET_TYPES[column.data_type]
            print(f"| `{column.name}` | {kind} | {null} | {column.description} |")
        print()
