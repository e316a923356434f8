"""Stretches of time that left the horizon unread."""

import duckdb

from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import Micros, to_datetime

_NEWLY_LOST = """
    select epoch_us(gaps.gap_from), epoch_us(gaps.gap_to)
    from main.coverage_gaps as gaps
    inner join main.last_loads as last_loads using (region, project_id)
    where
        gaps.is_lost
        and region = ?
        and project_id = ?
        and gaps.gap_to > ? - to_milliseconds(last_loads.horizon_ms)
    order by gaps.gap_from
"""


def newly_lost(
    connection: duckdb.DuckDBPyConnection, project: ProjectKey, since: Micros
) -> list[TimeRange]:
    """Return the stretches of a project that were lost after an earlier load's clock."""
    observed_at = to_datetime(since).replace(tzinfo=None)
    rows = connection.execute(_NEWLY_LOST, [*project, observed_at]).fetchall()
    return [TimeRange(*bounds) for bounds in rows]
