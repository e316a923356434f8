"""The emulator: a world of tasks behind real HTTP on loopback, with an identity service beside."""

import itertools
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gaussdb_tasks.emulator.access import Account, Gate
from gaussdb_tasks.emulator.behaviour import Behaviour
from gaussdb_tasks.emulator.calls import CallLog
from gaussdb_tasks.emulator.clock import Clock, RealClock
from gaussdb_tasks.emulator.control import answer_control
from gaussdb_tasks.emulator.fault_plans import FaultPlan, fault_among
from gaussdb_tasks.emulator.identity import Identity
from gaussdb_tasks.emulator.listing import Query
from gaussdb_tasks.emulator.messages import Delivery, Request, Response, gateway_error
from gaussdb_tasks.emulator.service import BeforePage, TaskService, is_tasks_call
from gaussdb_tasks.emulator.wire import HOST, LoopbackServer
from gaussdb_tasks.emulator.world import World
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, SECOND, Micros

if TYPE_CHECKING:
    import ssl


@dataclass(eq=False)
class Emulator:
    """A task center on loopback; a context manager that serves inside its block.

    `behaviour` and `faults` may be exchanged while it serves. On leaving, whatever went wrong
    inside it is raised, so that an error of the emulator, or of a hook, is never taken for one
    of the service.
    """

    world: World
    _: KW_ONLY
    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Clock = field(default_factory=RealClock)
    faults: Sequence[FaultPlan] = ()
    """Strike calls to the tasks API."""
    identity_faults: Sequence[FaultPlan] = ()
    """Strike calls to the identity API, which are counted apart."""
    account: Account = field(default_factory=Account)
    token_lifetime: Micros = DAY
    """How long a token from a sign-in lives, by the emulator's clock."""
    token_uses: int | None = None
    """How many calls a token from a sign-in is good for."""
    forbidden_projects: Collection[str] = ()
    """Projects the user may enter without being permitted to see their tasks."""
    region: str = "eu-de"
    port: int = 0
    """0 takes any free port."""
    date_skew: Micros = 0
    """By how much the Date header is ahead of the emulator's clock."""
    sleep: Callable[[float], object] = time.sleep
    """How slow answers wait."""
    tls: "ssl.SSLContext | None" = None
    """Serves https with this context."""
    calls: CallLog = field(default_factory=CallLog, init=False)
    """The calls to the tasks API so far."""
    token: str = field(default="", init=False)
    """A token for all projects that lives until it is revoked."""

    def __post_init__(self) -> None:
        self.project_ids: Sequence[str] = tuple(each.project_id for each in self.world.projects)
        self._gate = Gate(self.account, frozenset(self.project_ids))
        self.token = self._gate.tokens.issue(self.project_ids)
        self._service = TaskService(
            self.world, self._gate, self.clock, self._run_hooks, self.forbidden_projects
        )
        self._hooks: list[BeforePage] = []
        self._hooks_lock = threading.RLock()
        self._identity_calls = itertools.count(1)

    def __enter__(self) -> Self:
        try:
            self._server = LoopbackServer(self.port, self._answer, self._date, self.tls)
        except OSError as error:
            message = f"cannot listen on {HOST}:{self.port}: {error.strerror}; take another port"
            raise ConfigurationError(message) from error
        self._identity = Identity(
            gate=self._gate,
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
        """Call a function with each valid request for a page, just before it is answered.

        It may edit the world or set the clock; one runs at a time. Works as a decorator.
        """
        self._hooks.append(hook)
        return hook

    def revoke(self, token: str) -> None:
        """End one token at once."""
        self._gate.tokens.revoke(token)

    def revoke_tokens(self) -> None:
        """End every token issued so far, `token` too, as a change of password does."""
        self._gate.tokens.revoke_all()

    def _run_hooks(self, query: Query) -> None:
        with self._hooks_lock:
            for hook in self._hooks:
                hook(query)

    def _date(self) -> str:
        return formatdate((self.clock.now() + self.date_skew) / SECOND, usegmt=True)

    def _answer(self, request: Request) -> Delivery:
        if is_tasks_call(request):
            return self._answer_tasks_call(request)
        response = answer_control(request, self.clock)
        if response is None:
            return self._answer_identity_call(request)
        return Delivery(response)

    def _answer_tasks_call(self, request: Request) -> Delivery:
        number = self.calls.number_next()
        delivery = self._deliver(
            self.faults, number, lambda: self._service.answer(request, self.behaviour)
        )
        self.calls.record(number, request, delivery.status)
        return delivery

    def _answer_identity_call(self, request: Request) -> Delivery:
        number = next(self._identity_calls)
        return self._deliver(
            self.identity_faults, number, lambda: self._identity.answer(request) or _no_such_api()
        )

    def _deliver(
        self, plans: Sequence[FaultPlan], call: int, answer: Callable[[], Response]
    ) -> Delivery:
        fault = fault_among(plans, call, self.clock.now())
        if fault.delay_seconds:
            self.sleep(fault.delay_seconds)
        return fault.deliver(answer)


def _no_such_api() -> Response:
    message = "The API does not exist or has not been published in the environment"
    return gateway_error(404, "APIGW.0101", message)
