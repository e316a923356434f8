"""Options that choose the sign-in and the projects to read."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gaussdb_tasks.cli.completion import Suggested, clouds
from gaussdb_tasks.cli.options import combine, option
from gaussdb_tasks.cli.url_options import SERVICE

if TYPE_CHECKING:
    from gaussdb_tasks.model.shard import Shard

_F = TypeVar("_F", bound=Callable[..., Any])


def _read_shard(_ctx: click.Context, _param: click.Parameter, value: str | None) -> "Shard | None":
    from gaussdb_tasks.model.shard import parse_shard  # noqa: PLC0415 - help does not need it

    return None if value is None else parse_shard(value)


_OPTIONS: Final = (
    option(
        "--os-cloud",
        "os_clouds",
        multiple=True,
        type=Suggested(clouds),
        metavar="NAME",
        help="Cloud of clouds.yaml to sign in with; repeatable. Default: that of OS_CLOUD.",
    ),
    option("--region", help="Region, such as eu-de."),
    option(
        "--project-id",
        "project_ids",
        multiple=True,
        metavar="ID",
        help="Project to read; repeatable. Default: the project of the sign-in.",
    ),
    option(
        "--shard",
        metavar="I/N",
        callback=_read_shard,
        help="With --all-projects: read only the I-th of N shares of all projects, such as "
        "3/10. Each share needs its own data directory.",
    ),
    option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="With --all-projects: skip projects whose name or id matches the pattern, such as "
        "'eu-nl_*'; repeatable.",
    ),
    option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="With --all-projects: read only projects whose name or id matches the pattern; "
        "repeatable.",
    ),
    option(
        "--all-projects",
        is_flag=True,
        help="Read every project that the user can access, as listed by IAM.",
    ),
    option(
        "--endpoint",
        type=SERVICE,
        help="Address of the service. Default: the address of the region.",
    ),
)
"""In the reverse order of the help, as decorators are applied."""


def access_options(function: _F) -> _F:
    """Add the options that choose the sign-in and the projects to read."""
    for decorate in _OPTIONS:
        function = decorate(function)
    return function


def access_request(function: _F) -> _F:
    """Add the options of access; pass them to the command as one ``AccessRequest``: ``access``."""
    from gaussdb_tasks.settings import AccessRequest  # noqa: PLC0415 - the group does not need it

    return access_options(combine("access", AccessRequest)(function))
