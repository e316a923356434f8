"""Find out whether the destination of the running pipeline can merge."""

from typing import Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.schema.typing import TLoaderMergeStrategy, TSchemaTables

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import LOADED_TABLES

_NAMES: Final = frozenset(table.name for table in LOADED_TABLES)
# These replace the row with the same key; dlt's other strategies keep old rows, or no new ones.
_REPLACING: Final = frozenset[TLoaderMergeStrategy | None]({"delete-insert", "upsert"})


def refuse_append_only() -> None:
    """Refuse to run if a selected table must be merged and the destination can only append.

    dlt would append after a warning, and the table would have a row for each change of a task.
    Outside a pipeline, or before its destination is chosen, nothing is refused.

    Raises:
        ConfigurationError: the destination can only append, and how to go on.
    """
    capabilities = Container().get(DestinationCapabilitiesContext)
    if capabilities is None:
        return
    tables = _selected_tables()
    appended = {
        name: table
        for name, table in tables.items()
        if table.get("write_disposition") == "merge"
        and resolve_merge_strategy(tables, table, capabilities) not in _REPLACING
    }
    if not appended:
        return
    formats = " or ".join(f"table_format={each!r}" for each in capabilities.supported_table_formats)
    load_as = f"run the pipeline with {formats}, or " if formats else ""
    others = ", ".join(repr(name) for name in tables if name not in appended)
    message = (
        f"the destination can only append, but {' and '.join(appended)} must be merged, or they "
        f"would have a row for each change; {load_as}leave them out: .with_resources({others})"
    )
    raise ConfigurationError(message)


def _selected_tables() -> TSchemaTables:
    resources = dlt.current.source().resources.selected
    return {name: resources[name].compute_table_schema() for name in resources if name in _NAMES}
