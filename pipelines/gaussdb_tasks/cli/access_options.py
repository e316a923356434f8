"""Options that choose the sign-in and the projects to read."""

from typing import TYPE_CHECKING

import click

from gaussdb_tasks.cli.completion import Suggested, clouds
from gaussdb_tasks.cli.options import Command, combine, option, together
from gaussdb_tasks.cli.url_options import SERVICE

if TYPE_CHECKING:
    from gaussdb_tasks.model.shard import Shard


def _read_shard(_ctx: click.Context, _param: click.Parameter, value: str | None) -> "Shard | None":
    from gaussdb_tasks.model.shard import parse_shard  # noqa: PLC0415 - help does not need it

    return None if value is None else parse_shard(value)


access_options = together(
    option(
        "--endpoint",
        type=SERVICE,
        help="Address of the service. Default: the address of the region.",
    ),
    option(
        "--all-projects",
        is_flag=True,
        help="Read every project that the user can access, as listed by IAM.",
    ),
    option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="With --all-projects: read only projects whose name or id matches the pattern; "
        "repeatable.",
    ),
    option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="With --all-projects: skip projects whose name or id matches the pattern, such as "
        "'eu-nl_*'; repeatable.",
    ),
    option(
        "--shard",
        metavar="I/N",
        callback=_read_shard,
        help="With --all-projects: read only the I-th of N shares of all projects, such as "
        "3/10. Each share needs its own data directory.",
    ),
    option(
        "--project-id",
        "project_ids",
        multiple=True,
        metavar="ID",
        help="Project to read; repeatable. Default: the project of the sign-in.",
    ),
    option("--region", help="Region, such as eu-de."),
    option(
        "--os-cloud",
        "os_clouds",
        multiple=True,
        type=Suggested(clouds),
        metavar="NAME",
        help="Cloud of clouds.yaml to sign in with; repeatable. Default: that of OS_CLOUD.",
    ),
)
"""The options that choose the sign-in and the projects to read."""


def access_request(function: Command) -> Command:
    """Add the options of access; pass them to the command as one ``AccessRequest``: ``access``."""
    from gaussdb_tasks.settings import AccessRequest  # noqa: PLC0415 - the group does not need it

    return access_options(combine("access", AccessRequest)(function))
