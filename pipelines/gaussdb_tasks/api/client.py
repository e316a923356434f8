"""Read the list of tasks of one project, page by page."""

from dataclasses import dataclass, replace

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.http_client import ApiTarget, HttpClient
from gaussdb_tasks.api.rate_limit import RateLimiter
from gaussdb_tasks.api.responses import Page, parse_page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import RetrySettings


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """Select tasks between two times, both inclusive, and optionally of one status or name."""

    start: Micros | None = None
    end: Micros | None = None
    status: str | None = None
    name: str | None = None

    def params(self) -> dict[str, str]:
        """Return the query parameters; times are widened to whole milliseconds."""
        params = {}
        if self.status is not None:
            params["status"] = self.status
        if self.name is not None:
            params["name"] = self.name
        if self.start is not None:
            params["start_time"] = str(self.start // 1000)
        if self.end is not None:
            params["end_time"] = str(-(-self.end // 1000))
        return params


class TaskCenterClient:
    """Reads pages of one project's tasks."""

    def __init__(self, http_client: HttpClient) -> None:
        self._http_client = http_client
        self._path = f"/v3/{http_client.target.project_id}/tasks"

    @classmethod
    def for_project(
        cls, access: ProjectAccess, rate_limiter: RateLimiter, retry_settings: RetrySettings
    ) -> "TaskCenterClient":
        """Make the client of a project from its access."""
        if access.read_seconds is not None:
            retry_settings = replace(retry_settings, read_seconds=access.read_seconds)
        return cls(
            HttpClient(
                access.http,
                access.identity,
                ApiTarget(access.endpoint, access.project_id),
                rate_limiter=rate_limiter,
                retry_settings=retry_settings,
            )
        )

    @property
    def calls_made(self) -> int:
        """The number of calls made so far, repeats included."""
        return self._http_client.calls_made

    @property
    def server_date(self) -> Micros | None:
        """The ``Date`` of the latest response, to the second; None if it had none."""
        return self._http_client.server_date

    @property
    def clock_ahead(self) -> Micros | None:
        """How far this machine's clock was ahead of ``server_date``."""
        return self._http_client.clock_ahead

    def fetch_page(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Fetch one page of the tasks that a query selects.

        Raises:
            AccessError: the service refuses the call; a repeat would not help.
            ServiceError: every allowed attempt failed.
        """
        params = {**query.params(), "offset": str(offset), "limit": str(limit)}
        return self._http_client.get(self._path, params, parse_page)
