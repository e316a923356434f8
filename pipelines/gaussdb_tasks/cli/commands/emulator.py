"""``gaussdb-tasks emulator``: run a local task center with invented data."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, get_args

import click

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.options import combine, invented_data_options, option
from gaussdb_tasks.cli.time_options import time_option
from gaussdb_tasks.emulator import (
    Behaviour,
    Emulator,
    FaultPlan,
    InventedWorld,
    RandomFaults,
    RateLimit,
    RealClock,
)
from gaussdb_tasks.emulator.behaviour import OffsetUnit, Order, TimeFilter, TotalCount
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import MINUTE, Micros, iso
from gaussdb_tasks.model.times import now as machine_clock

_SECONDS_TO_STOP: Final = 5


@click.command("emulator", context_settings={"allow_interspersed_args": False})
@click.argument("words", metavar="[COMMAND]...", nargs=-1, type=click.UNPROCESSED)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8280,
    help="Port on 127.0.0.1; 0 uses any free port.",
)
@invented_data_options
@combine("behaviour", Behaviour)
@time_option("--clock", "clock", "Start of its clock. Default: the machine's clock.")
@option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    help="Speed of its clock: with 60, an hour passes in a minute. A load uses the machine's "
    "clock; set the load's --now to match.",
)
@option(
    "--time-filter",
    type=click.Choice(get_args(TimeFilter)),
    default="created",
    help="Fields that start_time and end_time filter by.",
)
@option(
    "--offset-unit",
    type=click.Choice(get_args(OffsetUnit)),
    default="records",
    help="Unit of offset.",
)
@option(
    "--total-count",
    type=click.Choice(get_args(TotalCount)),
    default="exact",
    help="Value of total_count.",
)
@option(
    "--order",
    type=click.Choice(get_args(Order)),
    default="newest_first",
    help="Order of the tasks.",
)
@option(
    "--fault-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share of calls that fail with a transient error.",
)
@option(
    "--rate-limit",
    type=click.IntRange(min=1),
    help="Maximum number of calls in five minutes; more are answered 429. Default: no limit.",
)
@option(
    "--token-lifetime-minutes",
    type=click.IntRange(min=1),
    default=24 * 60,
    help="Lifetime of a token from a sign-in, in minutes.",
)
def command(  # noqa: PLR0913 - one parameter an option
    *,
    words: Sequence[str],
    port: int,
    seed: int,
    tasks_per_day: int,
    clock: Micros | None,
    speed: float,
    behaviour: Behaviour,
    fault_rate: float,
    rate_limit: int | None,
    token_lifetime_minutes: int,
) -> None:
    """Run a local task center with invented data.

    Its tasks start, progress, end and fail as its clock runs. It follows the API reference. Options
    set the behaviour that the reference leaves open. It prints the settings for a load on stdout,
    and runs until Ctrl-C. With a COMMAND it gives the settings to that command, and ends with it.

    \b
    Examples:
      gaussdb-tasks emulator --tasks-per-day 200
      gaussdb-tasks emulator --port 0 -- gaussdb-tasks list --status Running --watch 2
    """
    emulator = Emulator(
        InventedWorld(seed, tasks_per_day=tasks_per_day),
        behaviour=behaviour,
        clock=RealClock(offset=0 if clock is None else clock - machine_clock(), speed=speed),
        faults=list(_faults(rate_limit, fault_rate, seed)),
        token_lifetime=token_lifetime_minutes * MINUTE,
        port=port,
    )
    with emulator, suppress(KeyboardInterrupt):
        if words:
            sys.exit(_run(words, _settings(emulator)))
        console.write_lines(_environment(emulator))
        console.info(
            f"task center at {emulator.endpoint}, its clock is {iso(emulator.clock.now())}"
        )
        threading.Event().wait()


def _faults(rate_limit: int | None, fault_rate: float, seed: int) -> Iterator[FaultPlan]:
    if rate_limit is not None:
        yield RateLimit(rate_limit, 5 * MINUTE)
    if fault_rate:
        yield RandomFaults(fault_rate, seed)


def _run(words: Sequence[str], settings: Mapping[str, str]) -> int:
    """Run a command with settings in place of the user's sign-in; return its exit code."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    try:
        process = subprocess.Popen(words, env={**own, **settings})  # noqa: S603 - the user's command
    except OSError as error:
        message = f"{words[0]}: it cannot be run ({error.strerror}); check the name of the command"
        raise ConfigurationError(message) from error
    try:
        return process.wait()
    except KeyboardInterrupt:
        # A terminal sends Ctrl-C to the command, too; other signals reach only this process.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
        process.terminate()
        process.wait()
        raise


def _settings(emulator: Emulator) -> Mapping[str, str]:
    return {
        "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
        "GAUSSDB_TASKS_PROJECT_ID": " ".join(emulator.project_ids),
        "OS_TOKEN": emulator.token,
    }


def _environment(emulator: Emulator) -> list[str]:
    return [
        *(f"export {name}={shlex.quote(value)}" for name, value in _settings(emulator).items()),
        "# or, in place of the token and the projects, a sign-in:",
        f"# export OS_AUTH_URL={emulator.auth_url} OS_USERNAME={emulator.user}",
        f"# export OS_PASSWORD={emulator.password} OS_USER_DOMAIN_NAME={emulator.account.domain}",
        f"# export OS_PROJECT_ID={emulator.project_ids[0]} OS_REGION_NAME=eu-de",
    ]
