"""What the API's description leaves open, as switches whose defaults are the contract.

Nobody says what the live service does here, so a client must come out right whichever way each
switch stands.
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
    """One way the live service may turn out to behave; `Behaviour()` is the contract."""

    time_filter: TimeFilter = "created"
    """`created`: both bounds hold for created_at. `created_and_ended`: created_at at or after
    start_time and ended_at at or before end_time, which hides tasks that have no end yet, as a
    sibling service documents. Without any bound only the default period applies, to created_at."""

    required_bounds: RequiredBounds = "none"
    """`none`: each bound may stand alone. `together`: one without the other is refused.
    `always`: both must be given. Refused is 400 DBS.280001."""

    default_period: Micros = 7 * DAY
    """How far back a request without bounds looks; the console's list shows seven days."""

    bounds: Bounds = "inclusive"
    """Whether a record exactly at a bound is inside."""

    bound_precision: BoundPrecision = "milliseconds"
    """`seconds`: the service drops the milliseconds of both bounds."""

    offset_unit: OffsetUnit = "records"
    """`records`: the index of the first record. `pages`: the number of the page, from 0.
    `pages_from_one`: from 1, and 0 is the first page as well."""

    page_cap: int = PAGE_LIMIT
    """A page never holds more than this, whatever valid `limit` was asked for."""

    order: Order = "newest_first"
    """`arbitrary`: no order by time, but the same in each answer. `shuffled`: another order in
    each answer."""

    total_count: TotalCount = "exact"
    """`missing`: no such field. `page_length`: the records of this page. `lagging`: the count as
    it was `lag` tasks ago."""

    lag: int = 1
    """By how many tasks a lagging count is short; negative, it still counts deleted ones."""

    horizon: Micros = HORIZON_DAYS * DAY
    """Tasks created longer ago than this are never listed."""

    expired_token: ExpiredToken = GATEWAY_401
    """`gateway_401`: as the gateway answers. `service_403`: DBS.280056, as the service does."""
