"""The plan of a load, as text and as plain values."""

from collections.abc import Iterator
from typing import Any, Final

from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.plan import Plan, Purpose
from gaussdb_tasks.model.project_state import ProjectKey, project_label
from gaussdb_tasks.model.times import iso

_PURPOSES: Final = {
    Purpose.NEW: "new time",
    Purpose.IN_FLIGHT: "tasks in flight",
    Purpose.HORIZON: "the full horizon",
    Purpose.TIME_RANGE: "the requested time",
}


def plan_lines(key: ProjectKey, name: str | None, plan: Plan) -> Iterator[str]:
    """Yield the lines that describe the plan of a project, call by call."""
    label = project_label(f"{key.project_id} ({key.region})", name)
    yield f"project {label}: {_range(plan)}"
    yield f"  running tasks, without times: {_calls(1)}"
    for window in plan.windows:
        start, end = window.time_range
        calls = _calls(window.expected_calls)
        yield f"  {_PURPOSES[window.purpose]}: {iso(start)} to {iso(end)}: {calls}"
    if plan.is_horizon_counted:
        yield f"  count of the full horizon: {_calls(1)}"


def plan_as_dict(key: ProjectKey, name: str | None, plan: Plan) -> dict[str, Any]:
    """Return the plan of a project as plain values, for JSON."""
    return {
        "region": key.region,
        "project_id": key.project_id,
        "project_name": name,
        "expected_calls": plan.expected_calls,
        "max_calls": None if plan.is_guess else plan.expected_calls + plan.reread_calls,
        "is_guess": plan.is_guess,
        "is_horizon_counted": plan.is_horizon_counted,
        "windows": [
            {
                "purpose": window.purpose.value,
                "from": iso(window.time_range.start),
                "to": iso(window.time_range.end),
                "expected_calls": window.expected_calls,
            }
            for window in plan.windows
        ],
    }


def _range(plan: Plan) -> str:
    if plan.is_guess:
        return (
            f"at least {_calls(plan.expected_calls)}, and 1 more for each {PAGE_LIMIT - 1} tasks; "
            "their number is not known before the first load"
        )
    expected = f"{_calls(plan.expected_calls)} expected"
    if not plan.reread_calls:
        return expected
    return f"{expected}, {plan.expected_calls + plan.reread_calls:,} if a task is missing"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"
