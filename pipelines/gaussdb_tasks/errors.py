"""Everything that can go wrong, as one family, and the exit codes that are part of the contract."""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the scheduler that ran it."""

    DONE = 0
    FAILED = 1
    """Nothing was published; running it again is safe and right."""
    USAGE = 2
    """An option, a setting, a credential or a permission is wrong; running it again won't help."""
    NEEDS_ATTENTION = 3
    """Published, but somebody must look: rejected records, an incomplete window, a gap."""
    LOCKED = 4
    """Another load holds the lock."""


class GaussdbTasksError(Exception):
    """One clear sentence for the user: what is wrong and how to mend it."""

    exit_code = ExitCode.FAILED


class ConfigurationError(GaussdbTasksError):
    """An option, a setting or a credential cannot be right."""

    exit_code = ExitCode.USAGE


class AccessError(GaussdbTasksError):
    """The service refuses this user, this project or this request, and will again."""

    exit_code = ExitCode.USAGE


class RequestRefusedError(AccessError):
    """The service does not accept the parameters of a request."""


class ServiceError(GaussdbTasksError):
    """The service failed, and went on failing for as long as was reasonable to ask."""


class LockedError(GaussdbTasksError):
    """Another load works in the data directory."""

    exit_code = ExitCode.LOCKED


class DatabaseError(GaussdbTasksError):
    """The database file cannot be read, cloned or published."""


class CheckFailedError(GaussdbTasksError):
    """A data check found rows that must not be published."""


def worst_of(errors: Sequence[GaussdbTasksError]) -> GaussdbTasksError:
    """Make one error of several, a line each: only settings, and running again would not help."""
    worst = next((error for error in errors if isinstance(error, ServiceError)), errors[0])
    merged = type(worst)("\n".join(dict.fromkeys(str(error) for error in errors)))
    merged.__cause__ = worst
    return merged
