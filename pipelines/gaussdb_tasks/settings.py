"""Settings of a load as plain values: projects, retries, clock and time range."""

from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.contract import HORIZON_DAYS
from gaussdb_tasks.model.shard import Shard
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, MINUTE, CalendarPeriod, Micros

HORIZON: Final[Micros] = HORIZON_DAYS * DAY


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The projects to read, and the sign-in; None and empty values come from the environment.

    Attributes:
        os_clouds: names of clouds in ``clouds.yaml``.
        connections: how many calls to one project may run at the same time.
        all_projects: read every project that the user may enter, instead of ``project_ids``.
        include: read only projects whose name or id matches one of the patterns.
        exclude: read no project whose name or id matches one of the patterns.
        shard: read only this share of all projects; None reads all.
    """

    os_clouds: tuple[str, ...] = ()
    project_ids: tuple[str, ...] = ()
    endpoint: str | None = None
    region: str | None = None
    connections: int = 8
    all_projects: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Limits for the retries of a call."""

    attempts: int = 6
    """Attempts of one call, throttled ones not counted."""
    throttled_attempts: int = 20
    """Attempts of one call that the gateway answers with 429."""
    slow_attempts: int = 3
    """Attempts of one call whose answer does not come in time."""
    unresolved_attempts: int = 2
    """Attempts of one call to a host whose name has no address."""
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    """The longest wait for the next part of an answer."""
    answer_seconds: float = 60.0
    """The longest time for an answer, its head and its body together."""
    first_wait_seconds: float = 1.0
    max_wait_seconds: float = 60.0
    """The longest wait between two attempts without ``Retry-After``."""
    max_retry_after_seconds: float = 900.0
    """The longest ``Retry-After`` that a load waits for."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """The clock of a load, and the time ranges that it reads."""

    now: Micros
    horizon: Micros = HORIZON
    overlap: Micros = 15 * MINUTE
    margin: Micros = 5 * MINUTE
    """Time by which windows extend into the future, since clocks differ."""
    full: bool = False
    time_range: TimeRange | None = None
    """Read this time range only."""

    @property
    def visible(self) -> TimeRange:
        """The time whose tasks the task center still lists."""
        return TimeRange(self.now - self.horizon, self.now)

    @property
    def surely_visible_from(self) -> Micros:
        """Start of the time that is visible if a month is 30 days and if it is a calendar month.

        "The last month" reaches back 28 days for most of March, and 30 or 31 otherwise.
        """
        return max(self.visible.start, CalendarPeriod(months=1).before(self.now))

    @property
    def horizon_window(self) -> TimeRange:
        """The window that reads the full horizon."""
        return TimeRange(self.now - self.horizon, self.now + self.margin)
