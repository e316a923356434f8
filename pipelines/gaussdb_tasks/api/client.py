"""The task center's one listing, page by page."""

from dataclasses import dataclass

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.api.responses import Page, parse_page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import RetrySettings


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """What to list: tasks between two instants, both of them asked for; optionally of a status."""

    start: Micros | None = None
    end: Micros | None = None
    status: str | None = None

    def params(self) -> dict[str, str]:
        """Return the query parameters; instants widened to whole milliseconds."""
        params = {}
        if self.status is not None:
            params["status"] = self.status
        if self.start is not None:
            params["start_time"] = str(self.start // 1000)
        if self.end is not None:
            params["end_time"] = str(-(-self.end // 1000))
        return params


class TaskCenterClient:
    """Reads pages of one project's tasks."""

    def __init__(self, caller: HttpClient) -> None:
        self._caller = caller
        self._path = f"/v3/{caller.place.project_id}/tasks"

    @classmethod
    def for_project(
        cls, access: ProjectAccess, budget: RateLimiter, retry_settings: RetrySettings
    ) -> "TaskCenterClient":
        """Make a client for a project that one has access to."""
        place = ApiTarget(access.endpoint, access.project_id)
        return cls(
            HttpClient(
                access.http, access.identity, place, budget=budget, retry_settings=retry_settings
            )
        )

    @property
    def calls_made(self) -> int:
        """How many calls were made so far."""
        return self._caller.calls_made

    @property
    def server_date(self) -> Micros | None:
        """The clock of whoever answered last, to the second; None where it did not say."""
        return self._caller.server_date

    @property
    def clock_ahead(self) -> Micros | None:
        """By how much this machine's clock is ahead of that one."""
        return self._caller.clock_ahead

    def fetch_page(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Fetch one page of a query's list.

        Raises:
            AccessError: the service refuses, and would again.
            ServiceError: it failed as often as patience allows.
        """
        params = {**query.params(), "offset": str(offset), "limit": str(limit)}
        return self._caller.get(self._path, params, parse_page)
