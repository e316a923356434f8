"""The results of a load by project, as its manifest has them: from its rows of two tables."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from gaussdb_tasks.archive.manifest import ProjectResult
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import iso

RUN_COLUMNS = (
    "region",
    "project_id",
    "outcome",
    "seen_count",
    "new_count",
    "changed_count",
    "rejected_count",
    "vanished_count",
)
"""The columns of ``load_runs`` that the results are made of."""
WINDOW_COLUMNS = (
    "region",
    "project_id",
    "epoch_us(window_from)",
    "epoch_us(window_to)",
    "epoch_us(covered_from)",
    "epoch_us(covered_to)",
    "is_complete",
)
"""SQL for the columns of ``coverage`` that the results are made of."""


def project_results(
    runs: Iterable[Sequence[Any]], windows: Iterable[Sequence[Any]]
) -> tuple[ProjectResult, ...]:
    """Return the results of a load, in order of region and project.

    Args:
        runs: values of ``RUN_COLUMNS``.
        windows: values of ``WINDOW_COLUMNS``.
    """
    read: dict[tuple[str, str], list[TimeRange]] = defaultdict(list)
    covered: dict[tuple[str, str], list[TimeRange]] = defaultdict(list)
    for region, project_id, *bounds, is_complete in windows:
        read[region, project_id].append(TimeRange(*bounds[:2]))
        if is_complete:
            covered[region, project_id].append(TimeRange(*bounds[2:]))
    return tuple(
        ProjectResult(
            **dict(zip(RUN_COLUMNS, values, strict=True)),
            read=_as_text(read[values[0], values[1]]),
            covered=_as_text(covered[values[0], values[1]]),
        )
        for values in sorted(runs, key=lambda values: (values[0], values[1]))
    )


def _as_text(time_ranges: Sequence[TimeRange]) -> tuple[tuple[str, str], ...]:
    return tuple((iso(start), iso(end)) for start, end in merge(time_ranges))
