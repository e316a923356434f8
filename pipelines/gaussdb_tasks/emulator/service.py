"""The tasks API: check each parameter as documented, and answer with a page or an error."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, NoReturn

from gaussdb_tasks.contract import (
    PAGE_LIMIT,
    STATUS_COMPLETED,
    STATUS_FAILED,
    STATUS_RUNNING,
    TASK_TYPES,
)
from gaussdb_tasks.emulator.behaviour import Behaviour
from gaussdb_tasks.emulator.clock import Clock
from gaussdb_tasks.emulator.credentials import Authenticator
from gaussdb_tasks.emulator.http import (
    RefusedError,
    Request,
    Response,
    compact_json,
    json_body,
    service_error,
)
from gaussdb_tasks.emulator.pages import Page, Paginator, Query
from gaussdb_tasks.emulator.world import World
from gaussdb_tasks.model.times import Micros

_PATH: Final = re.compile(r"/v3/[^/]+/tasks/?")
_PARAMETERS: Final = frozenset({"status", "name", "start_time", "end_time", "offset", "limit"})
_STATUSES: Final = frozenset({STATUS_RUNNING, STATUS_COMPLETED, STATUS_FAILED})
_NAMES: Final = frozenset(task_type.name for task_type in TASK_TYPES)
_MICROS_PER_MILLI: Final = 1_000
_MAX_DIGITS: Final = 16

BeforePage = Callable[[Query], object]
"""Called with each valid request for a page, just before the answer."""


def is_tasks_call(request: Request) -> bool:
    """Return whether a request is a call to the tasks API."""
    return request.method == "GET" and _PATH.fullmatch(request.path) is not None


@dataclass(slots=True)
class TaskService:
    """Answers the tasks API for a world."""

    world: World
    authenticator: Authenticator
    clock: Clock
    before_page: BeforePage
    forbidden_projects: Collection[str] = ()
    _paginator: Paginator = field(default_factory=Paginator, init=False)

    def answer(self, request: Request, behaviour: Behaviour) -> Response:
        """Answer a call to the tasks API."""
        try:
            return _page_response(self._page(request, behaviour))
        except RefusedError as refusal:
            return refusal.response

    def _page(self, request: Request, behaviour: Behaviour) -> Page:
        permitted = self.authenticator.authenticate(
            request, self.clock.now(), behaviour.expired_token
        )
        project_id = self._permitted_project(request, permitted)
        query = _read_query(project_id, request.query, behaviour)
        self.before_page(query)
        now = self.clock.now()
        snapshot = self.world.snapshot(project_id, since=now - behaviour.horizon, now=now)
        return self._paginator.page(snapshot, query, behaviour, now)

    def _permitted_project(self, request: Request, permitted: Collection[str]) -> str:
        project_id = request.path.split("/")[2]
        if project_id not in self.authenticator.project_ids:
            # The API reference has no error code for this; only the status is certain.
            _refuse(404, "DBS.280404", f"The project {project_id} does not exist.")
        if project_id not in permitted or project_id in self.forbidden_projects:
            _refuse(403, "DBS.280015", "You do not have the permission to perform this operation.")
        return project_id


def _read_query(
    project_id: str, parameters: tuple[tuple[str, str], ...], behaviour: Behaviour
) -> Query:
    given = dict(parameters)
    if len(given) < len(parameters) or not given.keys() <= _PARAMETERS:
        _refuse_parameter("unknown or repeated parameter")
    query = Query(
        project_id=project_id,
        status=_one_of(_STATUSES, given.get("status"), "status"),
        name=_one_of(_NAMES, given.get("name"), "name"),
        start=_time(given.get("start_time"), "start_time"),
        end=_time(given.get("end_time"), "end_time"),
        offset=_offset(given.get("offset", "0")),
        limit=_limit(given.get("limit", str(PAGE_LIMIT))),
    )
    _check_bounds(query, behaviour)
    return query


def _check_bounds(query: Query, behaviour: Behaviour) -> None:
    given = (query.start is not None) + (query.end is not None)
    required = {"none": (0, 1, 2), "together": (0, 2), "always": (2,)}
    if given not in required[behaviour.required_bounds]:
        _refuse_parameter("start_time and end_time are mandatory")
    if query.start is not None and query.end is not None and query.start > query.end:
        _refuse_parameter("start_time is later than end_time")


def _one_of(allowed: Collection[str], value: str | None, parameter: str) -> str | None:
    if value is not None and value not in allowed:
        _refuse_parameter(parameter)
    return value


def _time(value: str | None, parameter: str) -> Micros | None:
    if value is None:
        return None
    if not _is_number(value):
        _refuse_parameter(parameter)
    return int(value) * _MICROS_PER_MILLI


def _offset(value: str) -> int:
    if not _is_number(value):
        _refuse(400, "DBS.280440", "The offset must be a number and not negative.")
    return int(value)


def _limit(value: str) -> int:
    if not _is_number(value) or not 1 <= int(value) <= PAGE_LIMIT:
        _refuse(400, "DBS.280439", f"The limit must be a number from 1 to {PAGE_LIMIT}.")
    return int(value)


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS


def _refuse_parameter(detail: str) -> NoReturn:
    _refuse(400, "DBS.280001", f"Parameter error: {detail}.")


def _refuse(status: int, code: str, message: str) -> NoReturn:
    raise RefusedError(service_error(status, code, message))


def _page_response(page: Page) -> Response:
    # Concatenated, not encoded again: the records must be sent byte for byte as given.
    count = b""
    if page.has_total_count:
        count = b',"total_count":' + compact_json(page.total_count)
    return json_body(200, b'{"tasks":[' + b",".join(page.bodies) + b"]" + count + b"}")
