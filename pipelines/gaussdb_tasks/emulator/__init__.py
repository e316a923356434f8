"""A task center with invented or given tasks, served over HTTP on loopback.

It follows the API reference. `Behaviour` sets what the reference leaves open:

    with Emulator(InventedWorld(seed=7)) as emulator:
        print(emulator.endpoint, emulator.auth_url)
"""

from gaussdb_tasks.emulator.behaviour import Behaviour
from gaussdb_tasks.emulator.clock import CLOCK_PATH, Clock, RealClock, SettableClock
from gaussdb_tasks.emulator.credentials import Account, KeyPair
from gaussdb_tasks.emulator.emulator import Call, CallLog, Emulator
from gaussdb_tasks.emulator.fault_injection import (
    TRANSIENT_FAULTS,
    FailsAfter,
    Fault,
    FaultPlan,
    RandomFaults,
    RateLimit,
    Script,
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
from gaussdb_tasks.emulator.http import Response, gateway_error, json_response, service_error
from gaussdb_tasks.emulator.invented_tasks import InventedTask
from gaussdb_tasks.emulator.invented_world import InventedWorld
from gaussdb_tasks.emulator.keystone import SERVICE_TYPE
from gaussdb_tasks.emulator.pages import Query
from gaussdb_tasks.emulator.world import FixedWorld, Project, Snapshot, Task, World

__all__ = [
    "CLOCK_PATH",
    "SERVICE_TYPE",
    "TRANSIENT_FAULTS",
    "Account",
    "Behaviour",
    "Call",
    "CallLog",
    "Clock",
    "Emulator",
    "FailsAfter",
    "Fault",
    "FaultPlan",
    "FixedWorld",
    "InventedTask",
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
