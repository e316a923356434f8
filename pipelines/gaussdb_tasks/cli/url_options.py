"""Types of options whose value is a URL: checked where it is given, before any work begins."""

from collections.abc import Callable
from typing import Final

import click

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import clean


class UrlType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.2
    """A text that a check accepts as a URL; it stays a text."""

    name = "url"

    def __init__(self, check: Callable[[str, str], object]) -> None:
        """Take the check.

        Args:
            check: gets the URL and the name of the option; raises ``ConfigurationError``.
        """
        self._check = check

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL without blanks around it.

        Raises:
            BadParameter: the check refuses it.
        """
        option = "" if param is None else param.opts[0]
        url = clean(value)
        try:
            self._check(url, option)
        except ConfigurationError as error:
            self.fail(str(error).removeprefix(f"{option}: "), param, ctx)
        return url


def _check_service(url: str, option: str) -> None:
    from gaussdb_tasks.api.auth.endpoints import checked_url  # noqa: PLC0415 - help does not need it

    checked_url(url, source=option)


def _check_ping(url: str, option: str) -> None:
    from gaussdb_tasks.api.auth.endpoints import checked_ping_url  # noqa: PLC0415 - as above

    checked_ping_url(url, source=option)


def _check_timestamp(url: str, option: str) -> None:
    from gaussdb_tasks.archive.timestamp_authority import check_url  # noqa: PLC0415 - as above

    check_url(url, option=option)


def _check_copy(url: str, option: str) -> None:
    from gaussdb_tasks.archive.mirror.remote import refuse_other_urls  # noqa: PLC0415 - as above

    refuse_other_urls(url, option=option)


def _check_target(url: str, option: str) -> None:
    from gaussdb_tasks.publication.target import check_url  # noqa: PLC0415 - as above

    check_url(url, option=option)


SERVICE: Final = UrlType(_check_service)
PING: Final = UrlType(_check_ping)
TIMESTAMP_AUTHORITY: Final = UrlType(_check_timestamp)
COPY: Final = UrlType(_check_copy)
PUBLICATION: Final = UrlType(_check_target)
