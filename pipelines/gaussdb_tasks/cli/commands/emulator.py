"""``gaussdb-tasks emulator``: a local task center with invented data."""

import threading
from contextlib import suppress
from typing import get_args

import click

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.options import invention_options, option, time_option
from gaussdb_tasks.emulator import (
    Behaviour,
    Emulator,
    FaultPlan,
    InventedWorld,
    RandomFaults,
    RateLimit,
    RealClock,
)
from gaussdb_tasks.emulator import behaviour as switches
from gaussdb_tasks.model.times import MINUTE, Micros, iso
from gaussdb_tasks.model.times import now as machine_clock


@click.command("emulator")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8280,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@invention_options
@time_option("--clock", "clock", "Where its clock starts. Default: the machine's clock.")
@option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How fast its clock runs: with 60, an hour passes in a minute. A load goes by its own "
    "clock: tell it this one with --now.",
)
@option(
    "--time-filter",
    type=click.Choice(get_args(switches.TimeFilter)),
    default="created",
    show_default=True,
    help="What start_time and end_time filter.",
)
@option(
    "--offset-unit",
    type=click.Choice(get_args(switches.OffsetUnit)),
    default="records",
    show_default=True,
    help="What offset counts.",
)
@option(
    "--total-count",
    type=click.Choice(get_args(switches.TotalCount)),
    default="exact",
    show_default=True,
    help="What total_count is.",
)
@option(
    "--order",
    type=click.Choice(get_args(switches.Order)),
    default="newest_first",
    show_default=True,
    help="In which order tasks are listed.",
)
@option(
    "--fault-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How often a call fails in a way that passes.",
)
@option(
    "--rate-limit",
    type=click.IntRange(min=1),
    help="Calls in five minutes, after which the answer is 429. Default: as many as come.",
)
@option(
    "--token-lifetime-minutes",
    type=click.IntRange(min=1),
    default=24 * 60,
    show_default=True,
    help="How long a token from a sign-in lives.",
)
def command(  # noqa: PLR0913 - one parameter an option
    *,
    port: int,
    seed: int,
    tasks_per_day: int,
    clock: Micros | None,
    speed: float,
    time_filter: switches.TimeFilter,
    offset_unit: switches.OffsetUnit,
    total_count: switches.TotalCount,
    order: switches.Order,
    fault_rate: float,
    rate_limit: int | None,
    token_lifetime_minutes: int,
) -> None:
    """Run a local task center with invented data.

    Its tasks start, progress, end and fail while one watches. It speaks the API as documented, and
    the switches set what the documentation leaves open. It prints how to use it, on stdout, and
    runs until it is stopped with Ctrl-C.

    \b
    Example:
      gaussdb-tasks emulator --tasks-per-day 200
    """
    faults: list[FaultPlan] = []
    if rate_limit is not None:
        faults.append(RateLimit(rate_limit, 5 * MINUTE))
    if fault_rate:
        faults.append(RandomFaults(fault_rate, seed))
    emulator = Emulator(
        InventedWorld(seed, tasks_per_day=tasks_per_day),
        behaviour=Behaviour(
            time_filter=time_filter,
            offset_unit=offset_unit,
            total_count=total_count,
            order=order,
        ),
        clock=RealClock(offset=0 if clock is None else clock - machine_clock(), speed=speed),
        faults=faults,
        token_lifetime=token_lifetime_minutes * MINUTE,
        port=port,
    )
    with emulator, suppress(KeyboardInterrupt):
        click.echo(_how_to_use(emulator))
        console.info(
            f"task center at {emulator.endpoint}, its clock is {iso(emulator.clock.now())}"
        )
        threading.Event().wait()


def _how_to_use(emulator: Emulator) -> str:
    lines = [
        f"export GAUSSDB_TASKS_ENDPOINT={emulator.endpoint}",
        f"export GAUSSDB_TASKS_PROJECT_ID='{' '.join(emulator.project_ids)}'",
        f"export OS_TOKEN={emulator.token}",
        "# or, in place of the token and the projects, a sign-in:",
        f"# export OS_AUTH_URL={emulator.auth_url} OS_USERNAME={emulator.user}",
        f"# export OS_PASSWORD={emulator.password} OS_USER_DOMAIN_NAME={emulator.account.domain}",
        f"# export OS_PROJECT_ID={emulator.project_ids[0]} OS_REGION_NAME=eu-de",
    ]
    return "\n".join(lines)
