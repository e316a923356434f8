"""Find what would keep a scheduled load from running on this machine."""

from collections.abc import Iterable, Iterator
from itertools import filterfalse
from pathlib import Path
from typing import Final

from gaussdb_tasks.deployment.needed_paths import ServiceUser, exists
from gaussdb_tasks.deployment.schedules import Schedule
from gaussdb_tasks.deployment.service_paths import is_hidden

_ON_THIS_MACHINE: Final = frozenset({"systemd", "cron"})
_IN_CONTAINERS: Final = frozenset({"kubernetes", "github-actions"})


def schedule_warnings(kind: str, schedule: Schedule) -> Iterator[str]:
    """Yield a sentence for each path that the load of a scheduler could not use as it is.

    Args:
        kind: the scheduler.
        schedule: what the scheduler runs.
    """
    if kind in _IN_CONTAINERS:
        yield from _missing_in_container(schedule)
    if kind in _ON_THIS_MACHINE:
        user = ServiceUser.named(schedule.user)
        if user is None:
            yield (
                f"there is no user {schedule.user} on this machine; create it; permissions were "
                "not checked"
            )
        yield from _in_service(schedule, user) if kind == "systemd" else _in_cron(schedule, user)


def _missing_in_container(schedule: Schedule) -> Iterator[str]:
    present = (schedule.data_dir, schedule.credentials, Path("/tmp"))  # noqa: S108 - a mount
    for path in (*schedule.reads, *schedule.writes):
        if not any(path.is_relative_to(each) for each in present):
            yield (
                f"the container does not have {path}; mount it, or use a path below "
                f"{schedule.data_dir} or {schedule.credentials}"
            )


def _in_service(schedule: Schedule, user: ServiceUser | None) -> Iterator[str]:
    for name in schedule.secrets():
        if not exists(schedule.credentials / name):
            yield (
                f"{schedule.credentials / name} does not exist, and the service does not start "
                "without it; create it; to sign in with a key, create os_secret_key instead"
            )
    files, folders = dict.fromkeys(schedule.needed_files()), dict.fromkeys(schedule.writes)
    for path in filter(is_hidden, {**files, **folders}):
        yield (
            f"{path}: services cannot see home directories and temporary files; the unit makes "
            "this path visible; better move it, such as to /opt, /etc or /srv"
        )
    if user is not None:
        files_seen, folders_seen = (filterfalse(is_hidden, paths) for paths in (files, folders))
        yield from _permissions(user, files_seen, folders_seen)


def _in_cron(schedule: Schedule, user: ServiceUser | None) -> Iterator[str]:
    if user is None:
        return
    if not exists(user.home):
        yield f"cron starts nothing for {user.name}: its home {user.home} does not exist"
    secrets = [schedule.credentials / name for name in schedule.secrets()]
    files = dict.fromkeys([*schedule.needed_files(), *secrets])
    yield from _permissions(user, files, dict.fromkeys(schedule.writes))


def _permissions(
    user: ServiceUser, files: Iterable[Path], folders: Iterable[Path]
) -> Iterator[str]:
    yield from filter(None, map(user.reading_problem, files))
    yield from filter(None, map(user.writing_problem, folders))
