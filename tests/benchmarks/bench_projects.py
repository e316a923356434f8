"""Measure calls and seconds of loads of many projects without new tasks.

``make bench-projects`` runs it; PROJECTS sets the number of projects.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.load import LoadRequest, run_load
from gaussdb_tasks.model.times import DAY
from gaussdb_tasks.settings import AccessRequest, LoadSettings
from tests.support.emulator_client import NOW, record

_PROJECTS: Final = int(os.environ.get("PROJECTS", "1000"))
_LOADS: Final = 3


def main() -> None:
    """Run the loads, and print a line for each."""
    names = {f"{number:032x}": f"eu-de_team{number}" for number in range(_PROJECTS)}
    world = FixedWorld({each: [record(n)] for n, each in enumerate(names)}, names=names)
    account = Account()
    clock = SettableClock(NOW)
    table = Table("load", "sign-in s", "load s", "calls per project", "sign-in calls per project")
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(world, clock=clock, account=account) as emulator,
    ):
        environ = {
            "OS_AUTH_URL": emulator.auth_url,
            "OS_USERNAME": account.user,
            "OS_PASSWORD": account.password,
            "OS_USER_DOMAIN_NAME": account.domain,
            "OS_REGION_NAME": "eu-de",
        }
        os.environ.update(environ)
        request = AccessRequest(endpoint=emulator.endpoint, all_projects=True)
        for number in range(_LOADS):
            clock.set(NOW + number * DAY)
            made = len(emulator.calls)
            started = time.monotonic()
            accesses = sign_in(request, environ).accesses
            signed_in = time.monotonic()
            load_request = LoadRequest(
                DataDir(Path(folder)), accesses, LoadSettings(now=NOW + number * DAY)
            )
            report = run_load(load_request)
            all_calls = len(emulator.calls) - made
            calls = report.total("call_count")
            table.add_row(
                str(number + 1),
                f"{signed_in - started:.1f}",
                f"{time.monotonic() - signed_in:.1f}",
                f"{calls / _PROJECTS:.2f}",
                f"{(all_calls - calls) / _PROJECTS:.2f}",
            )
            if report.exit_code:
                sys.exit(f"load {number + 1} ended with {report.exit_code}")
    Console().print(table)


if __name__ == "__main__":
    main()
