"""Windows that end a little later than now, and services that do not accept such a thing."""

from dataclasses import replace

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract.paging import FetchPage
from gaussdb_tasks.model.times import Micros


class FutureTolerant:
    """Fetches pages; once a service has refused an end in the future, of windows up to now.

    Windows reach a little beyond now, since clocks differ. A service may call that a bad parameter.
    """

    def __init__(self, fetch_page: FetchPage, now: Micros) -> None:
        self._fetch_page = fetch_page
        self._now = now
        self._is_future_refused = False

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Return the page.

        Raises:
            RequestRefusedError: the service refuses it for another reason.
        """
        if query.end is None or query.end <= self._now:
            return self._fetch_page(query, offset=offset, limit=limit)
        up_to_now = replace(query, end=self._now)
        if self._is_future_refused:
            return self._fetch_page(up_to_now, offset=offset, limit=limit)
        try:
            return self._fetch_page(query, offset=offset, limit=limit)
        except RequestRefusedError:
            page = self._fetch_page(up_to_now, offset=offset, limit=limit)
            self._is_future_refused = True
            return page
