"""A task center with invented or given tasks, over real HTTP on loopback.

It behaves as the API is described, and, where the description leaves something open, as told:

    with Emulator(InventedWorld(seed=7)) as emulator:
        print(emulator.endpoint, emulator.auth_url)
"""

from gaussdb_tasks.emulator.access import Account
from gaussdb_tasks.emulator.behaviour import Behaviour
from gaussdb_tasks.emulator.calls import Call, CallLog
from gaussdb_tasks.emulator.clock import Clock, RealClock, SettableClock
from gaussdb_tasks.emulator.control import CLOCK_PATH
from gaussdb_tasks.emulator.fault_plans import (
    DiesAfter,
    FaultPlan,
    RandomFaults,
    RateLimit,
    Script,
)
from gaussdb_tasks.emulator.faults import (
    PASSING_FAULTS,
    Fault,
    answers,
    broken_off,
    dropped,
    not_json,
    proxy_page,
    redirect,
    server_error,
    slow,
    too_many_requests,
    truncated,
)
from gaussdb_tasks.emulator.fixed_world import FixedWorld
from gaussdb_tasks.emulator.identity import SERVICE_TYPE
from gaussdb_tasks.emulator.invented_world import InventedWorld
from gaussdb_tasks.emulator.listing import Query
from gaussdb_tasks.emulator.messages import Response, gateway_error, json_response, service_error
from gaussdb_tasks.emulator.server import Emulator
from gaussdb_tasks.emulator.signatures import KeyPair
from gaussdb_tasks.emulator.stories import TaskStory
from gaussdb_tasks.emulator.world import Project, Snapshot, Task, World

__all__ = [
    "CLOCK_PATH",
    "PASSING_FAULTS",
    "SERVICE_TYPE",
    "Account",
    "Behaviour",
    "Call",
    "CallLog",
    "Clock",
    "DiesAfter",
    "Emulator",
    "Fault",
    "FaultPlan",
    "FixedWorld",
    "InventedWorld",
    "KeyPair",
    "Project",
    "Query",
    "RandomFaults",
    "RateLimit",
    "RealClock",
    "Response",
    "Script",
    "SettableClock",
    "Snapshot",
    "Task",
    "TaskStory",
    "World",
    "answers",
    "broken_off",
    "dropped",
    "gateway_error",
    "json_response",
    "not_json",
    "proxy_page",
    "redirect",
    "server_error",
    "service_error",
    "slow",
    "too_many_requests",
    "truncated",
]
