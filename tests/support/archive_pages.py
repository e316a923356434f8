"""Parts of the archive's README, written by ``make docs``: the columns of each file."""

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
    for table in (*archive_tables.OF_A_LOAD, archive_tables.TASK_TYPES):
        print(f"### {table.file_name}\n")
        print(f"{table.meaning[0].upper()}{table.meaning[1:]}.\n")
        print("| column | type | null | meaning |\n| --- | --- | --- | --- |")
        for column in table.columns:
            null = "may be" if column.nullable else "never"
            kind = _PARQUET_TYPES[column.data_type]
            print(f"| `{column.name}` | {kind} | {null} | {column.description} |")
        print()
