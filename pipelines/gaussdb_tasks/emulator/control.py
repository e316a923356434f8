"""The path by which other processes read the emulator's clock and set it: `/_emulator/clock`.

`GET` answers `{"now": "2026-01-31T02:00:00Z"}`; `PUT` with the same document sets a clock that
can be set, and is refused with 409 if it runs by itself.
"""

import json
from typing import Final

from gaussdb_tasks.emulator.clock import Clock, SettableClock
from gaussdb_tasks.emulator.messages import Request, Response, json_response
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model import times

CLOCK_PATH: Final = "/_emulator/clock"


def answer_control(request: Request, clock: Clock) -> Response | None:
    """Answer a call to the control path; None if it is none."""
    if request.path != CLOCK_PATH or request.method not in {"GET", "PUT"}:
        return None
    if request.method == "PUT":
        if not isinstance(clock, SettableClock):
            return json_response(409, {"error": "this clock runs by itself"})
        try:
            text = str(json.loads(request.body)["now"])
            clock.set(times.parse_instant(text, option="now"))
        except (ValueError, KeyError, TypeError, ConfigurationError):
            return json_response(400, {"error": 'send {"now": "2026-01-31T02:00:00Z"}'})
    return json_response(200, {"now": times.iso(clock.now())})
