"""List the tasks of several projects as the task center shows them now; nothing is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.sign_in import FailedSignIn
from gaussdb_tasks.api.client import TaskCenterClient
from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.errors import GaussdbTasksError, worst_of
from gaussdb_tasks.extract.parallel import read_together
from gaussdb_tasks.extract.part import Part, PartRequest, Row, read_part, rows
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import RetrySettings

_RETRIES: Final = RetrySettings(attempts=3)


class ProjectListing(NamedTuple):
    """What one project lists; the name is empty if it is not known."""

    project: ProjectKey
    name: str
    part: Part


@dataclass(frozen=True, slots=True)
class Listing:
    """What the projects list at a time.

    Attributes:
        failures: the errors of clouds and projects that could not be read.
        calls_made: the calls that it took, repeats included.
    """

    listed_at: Micros
    projects: Sequence[ProjectListing]
    failures: Sequence[GaussdbTasksError]
    calls_made: int

    def rows(self) -> Iterator[Row]:
        """Yield a row of ``listed_tasks`` for each record of each project that was read."""
        for project, name, part in self.projects:
            columns = {**project._asdict(), "project_name": name or None}
            yield from rows(columns, part.records, self.listed_at)


@dataclass(frozen=True, slots=True)
class Projects:
    """The projects to list, with the rate limiters that they share.

    Attributes:
        failed_sign_ins: clouds that could not be signed in to; the others are listed.
        connections: how many projects are read at the same time.
    """

    accesses: Sequence[ProjectAccess]
    failed_sign_ins: Sequence[FailedSignIn] = ()
    connections: int = 8
    limiters: RateLimiters = field(default_factory=lambda: RateLimiters(8))

    def listing(self, request: PartRequest, clock: Callable[[], Micros]) -> Listing:
        """Read the requested part of each project.

        Raises:
            GaussdbTasksError: no project could be read.
        """
        listed_at = clock()
        clients = [self._client(access) for access in self.accesses]
        readers = [
            partial(self._read, access, client, request, listed_at)
            for access, client in zip(self.accesses, clients, strict=True)
        ]
        failures = [each.error for each in self.failed_sign_ins]
        listed: dict[ProjectKey, ProjectListing] = {}
        for result in read_together(readers, self.connections):
            if isinstance(result, ProjectListing):
                listed[result.project] = result
            else:
                failures.append(result)
        if not listed:
            raise worst_of(failures)
        in_order = [listed[each.key] for each in self.accesses if each.key in listed]
        return Listing(listed_at, in_order, failures, sum(client.calls_made for client in clients))

    def _client(self, access: ProjectAccess) -> TaskCenterClient:
        limiter = self.limiters.limiter_for(access.identity.account, access.endpoint)
        return TaskCenterClient.for_project(access, limiter, _RETRIES)

    def _read(
        self,
        access: ProjectAccess,
        client: TaskCenterClient,
        request: PartRequest,
        now: Micros,
    ) -> Iterator[ProjectListing | GaussdbTasksError]:
        try:
            part = read_part(client.fetch_page, request, now, self.connections)
        except GaussdbTasksError as error:
            yield error
        else:
            yield ProjectListing(access.key, access.learned_name(), part)
