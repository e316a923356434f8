"""All errors of the package, and the exit codes of its commands."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Self

from gaussdb_tasks.known_secrets import mask


class ExitCode(IntEnum):
    """The exit codes, which schedulers rely on."""

    DONE = 0
    FAILED = 1
    """Nothing was published; run it again."""
    USAGE = 2
    """An option, a setting, a credential or a permission is wrong; a retry does not help."""
    NEEDS_ATTENTION = 3
    """Published, but needs attention: rejected records, an incomplete window, a gap."""
    LOCKED = 4
    """Another load holds the lock."""


class GaussdbTasksError(Exception):
    """An error with one line for the user: the problem, the cause and the fix.

    Several errors that are joined have a line each. Secrets are masked at once: the message is
    shown, logged, sent to monitoring and stored.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(map(mask, lines))
        super().__init__(*self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def with_lines(self, *lines: str) -> Self:
        """Return the same error with other lines."""
        other = type(self)(*lines)
        other.exit_code = self.exit_code
        return other


class ConfigurationError(GaussdbTasksError):
    """An option, a setting or a credential is wrong."""

    exit_code = ExitCode.USAGE


class AccessError(GaussdbTasksError):
    """The service refuses this user, project or request; a retry does not help."""

    exit_code = ExitCode.USAGE


class SignInRefusedError(AccessError):
    """The password, the token or the key is refused."""


class RequestRefusedError(AccessError):
    """The service does not accept the parameters of a request."""


class ServiceError(GaussdbTasksError):
    """The service failed in every attempt."""


class ResponseTooLargeError(ServiceError):
    """A response is larger than its records can be; fewer records may fit."""


class LimitReachedError(ServiceError):
    """A bound of the load was reached; what was read and proved until then is kept."""


class LockedError(GaussdbTasksError):
    """Another load uses the data directory."""

    exit_code = ExitCode.LOCKED


class DatabaseError(GaussdbTasksError):
    """The database file cannot be read, cloned or published."""


class ResourceError(DatabaseError):
    """This process lacks memory, threads, open files or space. The files it reads may be intact."""


class CheckFailedError(GaussdbTasksError):
    """A data check found rows that must not be published."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it, the first one last."""
    shown: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in shown:
        shown.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def worst_of(errors: Sequence[GaussdbTasksError]) -> GaussdbTasksError:
    """Join errors into one, a line each; its type is ServiceError if a retry may help."""
    worst = next((error for error in errors if isinstance(error, ServiceError)), errors[0])
    merged = worst.with_lines(*dict.fromkeys(line for error in errors for line in error.lines))
    merged.__cause__ = worst
    return merged
