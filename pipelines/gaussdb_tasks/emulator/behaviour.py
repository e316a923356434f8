"""Switches for behaviour that the API reference leaves open; the defaults are the contract.

The behaviour of the live service is unknown here, so a client must work with every setting.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gaussdb_tasks.contract import HORIZON_DAYS, PAGE_LIMIT
from gaussdb_tasks.model.times import DAY, Micros

TimeFilter: TypeAlias = Literal["created", "created_and_ended"]
RequiredBounds: TypeAlias = Literal["none", "together", "always"]
Bounds: TypeAlias = Literal["inclusive", "exclusive"]
BoundPrecision: TypeAlias = Literal["milliseconds", "seconds"]
OffsetUnit: TypeAlias = Literal["records", "pages", "pages_from_one"]
Order: TypeAlias = Literal["newest_first", "oldest_first", "arbitrary", "shuffled"]
TotalCount: TypeAlias = Literal["exact", "missing", "null", "string", "page_length", "lagging"]
ExpiredToken: TypeAlias = Literal["gateway_401", "service_403"]

GATEWAY_401: Final = "gateway_401"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One possible behaviour of the live service; `Behaviour()` is the contract."""

    time_filter: TimeFilter = "created"
    """`created`: both bounds apply to created_at. `created_and_ended`: created_at at or after
    start_time and ended_at at or before end_time, as a sibling service documents. This hides tasks
    without an end. Without bounds only the default period applies, to created_at."""

    required_bounds: RequiredBounds = "none"
    """`none`: each bound is optional. `together`: one without the other is refused.
    `always`: both are required. The refusal is 400 DBS.280001."""

    default_period: Micros = 7 * DAY
    """Period listed when a request has no bounds; the console lists seven days."""

    bounds: Bounds = "inclusive"
    """Whether a record exactly at a bound is listed."""

    bound_precision: BoundPrecision = "milliseconds"
    """`seconds`: the service drops the milliseconds of both bounds."""

    offset_unit: OffsetUnit = "records"
    """`records`: the index of the first record. `pages`: the page number, from 0.
    `pages_from_one`: the page number, from 1; 0 is the first page as well."""

    page_cap: int = PAGE_LIMIT
    """Maximum page length, whatever valid `limit` was requested."""

    order: Order = "newest_first"
    """`arbitrary`: not ordered by time, but the same in each answer. `shuffled`: another order in
    each answer."""

    total_count: TotalCount = "exact"
    """`missing`: no such field. `page_length`: the records of this page. `lagging`: `lag` less
    than the exact count, at least 0."""

    lag: int = 1
    """How far a lagging count is short. A negative lag counts deleted tasks too."""

    horizon: Micros = HORIZON_DAYS * DAY
    """Tasks created longer ago than this are never listed."""

    expired_token: ExpiredToken = GATEWAY_401
    """`gateway_401`: the gateway's answer. `service_403`: DBS.280056, the service's answer."""
