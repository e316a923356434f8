"""Adapt the resources to what the destination of the running pipeline can do."""

from typing import Final

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.configuration.container import Container
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.schema.typing import TLoaderMergeStrategy

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import TASK_TYPES, TASKS, VANISHED_TASKS

_MERGED: Final = frozenset({TASKS.name, VANISHED_TASKS.name, TASK_TYPES.name})
# These replace the row with the same key; dlt's other strategies keep old rows, or no new ones.
_REPLACING: Final = frozenset[TLoaderMergeStrategy | None]({"delete-insert", "upsert"})
# They refuse a text with U+0000, and dlt would try the same package again in each run.
_WITHOUT_NULL_CHARACTERS: Final = frozenset({"postgres", "redshift"})


def adapt_to_destination() -> None:
    """Refuse to run if a selected table must be merged, and the destination can only append.

    dlt would append after a warning: the table would have a row for each change of a task. The
    table of documented kinds is replaced there: it is the same in each run. Outside a pipeline, or
    before its destination is chosen, nothing is refused.

    Raises:
        ConfigurationError: the destination can only append, and how to go on.
    """
    capabilities = Container().get(DestinationCapabilitiesContext)
    if capabilities is None:
        return
    resources = dlt.current.source().resources
    appended = _appended_tables(capabilities)
    if TASK_TYPES.name in appended:
        resources[TASK_TYPES.name].apply_hints(write_disposition="replace")
        appended.remove(TASK_TYPES.name)
    if appended:
        formats = [f"table_format={each!r}" for each in capabilities.supported_table_formats]
        load_as = f"give pipeline.run {' or '.join(formats)}, or " if formats else ""
        others = ", ".join(repr(name) for name in resources if name not in appended)
        message = (
            f"the destination can only append, and {' and '.join(appended)} would get a row for "
            f"each change; {load_as}leave them out: task_center(...).with_resources({others})"
        )
        raise ConfigurationError(message)


def _appended_tables(capabilities: DestinationCapabilitiesContext) -> list[str]:
    """Return the selected tables that dlt would append to instead of merging."""
    selected = dlt.current.source().resources.selected
    tables = {name: selected[name].compute_table_schema() for name in selected if name in _MERGED}
    return [
        name
        for name, table in tables.items()
        if table.get("write_disposition") == "merge"
        and resolve_merge_strategy(tables, table, capabilities) not in _REPLACING
    ]


def as_stored(rows: pa.Table) -> pa.Table:
    """Return rows as the running pipeline's destination can hold them: U+FFFD replaces U+0000."""
    capabilities = Container().get(DestinationCapabilitiesContext)
    if capabilities is None or capabilities.sqlglot_dialect not in _WITHOUT_NULL_CHARACTERS:
        return rows
    columns = [
        pc.replace_substring(column, "\0", "\ufffd") if pa.types.is_string(column.type) else column
        for column in rows.columns
    ]
    return pa.Table.from_arrays(columns, schema=rows.schema)
