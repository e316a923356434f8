"""What a user can set, as plain values: what to read, and how patiently."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Which projects to read, and with which sign-in; None and empty: as the environment says.

    Attributes:
        os_clouds: names of clouds in ``clouds.yaml``.
        connections: how many calls to one project may be under way at once.
        all_projects: every project that the user may enter, in place of ``project_ids``.
        include: of these only those whose name or id matches one of the patterns.
        exclude: of these none whose name or id matches one of the patterns.
    """

    os_clouds: tuple[str, ...] = ()
    project_ids: tuple[str, ...] = ()
    endpoint: str | None = None
    region: str | None = None
    connections: int = 8
    all_projects: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on asking."""

    attempts: int = 6
    """How often a call may fail."""
    throttled_attempts: int = 20
    """How often a call may be sent away by a gateway that rations them, five minutes at a time."""
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    """The longest pause between two attempts, where the service names none."""
    longest_rest_seconds: float = 900.0
    """The longest ``Retry-After`` that is waited for."""
