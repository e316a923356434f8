"""The emulator: a task center and an identity service over HTTP on loopback."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gaussdb_tasks.contract import TOKEN_HEADER
from gaussdb_tasks.emulator.behaviour import Behaviour
from gaussdb_tasks.emulator.clock import Clock, RealClock, answer_clock_call
from gaussdb_tasks.emulator.credentials import Account, Authenticator
from gaussdb_tasks.emulator.fault_injection import FaultPlan, first_fault
from gaussdb_tasks.emulator.http import (
    HOST,
    Delivery,
    LoopbackServer,
    Request,
    Response,
    gateway_error,
)
from gaussdb_tasks.emulator.keystone import Keystone
from gaussdb_tasks.emulator.pages import Query
from gaussdb_tasks.emulator.service import BeforePage, TaskService, is_tasks_call
from gaussdb_tasks.emulator.world import World
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, SECOND, Micros

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the tasks API; `status` is None if the connection was dropped."""

    number: int
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    status: int | None

    @property
    def project_id(self) -> str:
        """The project in the path."""
        return self.path.split("/")[2]

    @property
    def token(self) -> str | None:
        """The token in the request."""
        return self.headers.get(TOKEN_HEADER.lower())


class CallLog:
    """Calls in the order of their answers, numbered from 1 in the order of arrival.

    A call is recorded before its answer is sent. An iterator covers the calls up to its start.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._arrived = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, index: int) -> Call:
        return self._calls[index]

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.copy())

    def next_number(self) -> int:
        """Return the number of an arriving call."""
        with self._lock:
            self._arrived += 1
            return self._arrived

    def record(self, number: int, request: Request, status: int | None) -> None:
        """Record an answered call."""
        call = Call(
            number,
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            status,
        )
        with self._lock:
            self._calls.append(call)

    def count(self, *, status: int | None = None, project_id: str | None = None) -> int:
        """Count the calls with this status and project; None matches every call."""
        return sum(
            status in (None, call.status) and project_id in (None, call.project_id) for call in self
        )

    def clear(self) -> None:
        """Delete all calls and start again at number 1."""
        with self._lock:
            self._calls.clear()
            self._arrived = 0


@dataclass(eq=False)
class Emulator:
    """A task center on loopback; a context manager that serves inside its block.

    `behaviour` and `faults` may be replaced while it serves. On exit it raises the first error of
    the emulator or of a hook, so that a test never takes such an error for one of the service.
    """

    world: World
    _: KW_ONLY
    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Clock = field(default_factory=RealClock)
    faults: Sequence[FaultPlan] = ()
    """Faults of calls to the tasks API."""
    identity_faults: Sequence[FaultPlan] = ()
    """Faults of calls to the identity API, which have their own call numbers."""
    account: Account = field(default_factory=Account)
    token_lifetime: Micros = DAY
    """How long a token from a sign-in is valid, by the emulator's clock."""
    token_uses: int | None = None
    """Maximum number of calls with a token from a sign-in."""
    forbidden_projects: Collection[str] = ()
    """Projects that the user can sign in to, without permission to list their tasks."""
    region: str = "eu-de"
    port: int = 0
    """0 uses any free port."""
    date_skew: Micros = 0
    """How far the Date header is ahead of the emulator's clock."""
    sleep: Callable[[float], object] = time.sleep
    """Waits before a slow answer."""
    tls: "ssl.SSLContext | None" = None
    """Serve HTTPS with this context."""
    calls: CallLog = field(default_factory=CallLog, init=False)
    """The calls to the tasks API so far."""
    identity_calls: CallLog = field(default_factory=CallLog, init=False)
    """The calls to the identity API so far."""
    token: str = field(default="", init=False)
    """A token for all projects, valid until it is revoked."""

    def __post_init__(self) -> None:
        self.project_ids: Sequence[str] = tuple(each.project_id for each in self.world.projects)
        self._authenticator = Authenticator(self.account, frozenset(self.project_ids))
        self.token = self._authenticator.tokens.issue(self.project_ids)
        self._service = TaskService(
            self.world, self._authenticator, self.clock, self._run_hooks, self.forbidden_projects
        )
        self._hooks: list[BeforePage] = []
        self._hooks_lock = threading.RLock()

    def __enter__(self) -> Self:
        try:
            self._server = LoopbackServer(self.port, self._answer, self._date, self.tls)
        except OSError as error:
            message = f"cannot listen on {HOST}:{self.port}: {error.strerror}; use another port"
            raise ConfigurationError(message) from error
        self._keystone = Keystone(
            authenticator=self._authenticator,
            projects=self.world.projects,
            clock=self.clock,
            endpoint=self.endpoint,
            region=self.region,
            token_lifetime=self.token_lifetime,
            token_uses=self.token_uses,
        )
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        if error is None and self._server.errors:
            raise self._server.errors[0]

    @property
    def endpoint(self) -> str:
        """The address of the tasks API, without a path."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{HOST}:{self._server.server_port}"

    @property
    def auth_url(self) -> str:
        """The address of the identity API."""
        return f"{self.endpoint}/v3"

    @property
    def user(self) -> str:
        """The account's user name."""
        return self.account.user

    @property
    def password(self) -> str:
        """The account's password."""
        return self.account.password

    def before_page(self, hook: BeforePage) -> BeforePage:
        """Call a function with each valid request for a page, just before the answer.

        It may edit the world or set the clock. One hook runs at a time. Works as a decorator.
        """
        self._hooks.append(hook)
        return hook

    def revoke(self, token: str) -> None:
        """Revoke one token."""
        self._authenticator.tokens.revoke(token)

    def revoke_tokens(self) -> None:
        """Revoke every token issued so far, including `token`, as a change of password does."""
        self._authenticator.tokens.revoke_all()

    def _run_hooks(self, query: Query) -> None:
        with self._hooks_lock:
            for hook in self._hooks:
                hook(query)

    def _date(self) -> str:
        return formatdate((self.clock.now() + self.date_skew) / SECOND, usegmt=True)

    def _answer(self, request: Request) -> Delivery:
        if is_tasks_call(request):
            return self._answer_tasks_call(request)
        response = answer_clock_call(request, self.clock)
        if response is None:
            return self._answer_identity_call(request)
        return Delivery(response)

    def _answer_tasks_call(self, request: Request) -> Delivery:
        number = self.calls.next_number()
        delivery = self._deliver(
            self.faults, number, lambda: self._service.answer(request, self.behaviour)
        )
        self.calls.record(number, request, delivery.status)
        return delivery

    def _answer_identity_call(self, request: Request) -> Delivery:
        number = self.identity_calls.next_number()
        delivery = self._deliver(
            self.identity_faults, number, lambda: self._keystone.answer(request) or _no_such_api()
        )
        self.identity_calls.record(number, request, delivery.status)
        return delivery

    def _deliver(
        self, plans: Sequence[FaultPlan], call: int, answer: Callable[[], Response]
    ) -> Delivery:
        fault = first_fault(plans, call, self.clock.now())
        if fault.delay_seconds:
            self.sleep(fault.delay_seconds)
        return fault.deliver(answer)


def _no_such_api() -> Response:
    message = "The API does not exist or has not been published in the environment"
    return gateway_error(404, "APIGW.0101", message)
