"""The projects that a user may enter, as IAM lists them, and which of them are wanted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from gaussdb_tasks.api.auth import endpoints
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

# Every account has it; object storage uses it, and no other service can be called with it.
_NO_PROJECT_OF_SERVICES: Final = "MOS"


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project that the user may enter."""

    project_id: str
    name: str

    @property
    def region(self) -> str | None:
        """The region that its name begins with, as names in this cloud do; None if it does not."""
        return endpoints.region_of_project(self.name)


def read_projects(listed: Iterable[Any]) -> list[ListedProject]:
    """Take the projects out of IAM's list, disabled ones left out."""
    return [
        ListedProject(str(each["id"]), str(each.get("name") or ""))
        for each in listed
        if isinstance(each, dict) and each.get("id") and each.get("enabled", True) is not False
    ]


def select_projects(
    listed: Sequence[ListedProject], request: AccessRequest, source: str
) -> list[ListedProject]:
    """Choose those that the patterns ask for, by name or id, in the order of their names.

    Raises:
        ConfigurationError: none is left; the message names those there are.
    """
    wanted = [
        project
        for project in sorted(listed, key=lambda each: (each.name, each.project_id))
        if project.name != _NO_PROJECT_OF_SERVICES
        and (request.region is None or project.region in {None, request.region})
        and (not request.include or _matches(project, request.include))
        and not _matches(project, request.exclude)
    ]
    if not wanted:
        names = ", ".join(sorted(project.name or project.project_id for project in listed))
        message = (
            f"{source}: of the projects that the user may enter none is left to read; "
            f"mind --include, --exclude and --region; there are: {names or 'none'}"
        )
        raise ConfigurationError(message)
    return wanted


def project_named(listed: Sequence[ListedProject], name: str, source: str) -> ListedProject:
    """Find a project by its name.

    Raises:
        ConfigurationError: there is none, or more than one.
    """
    found = [project for project in listed if project.name == name]
    if len(found) != 1:
        names = ", ".join(sorted(project.name for project in listed)) or "none"
        message = f"{source}: {len(found)} projects are named {name!r}; there are: {names}"
        raise ConfigurationError(message)
    return found[0]


def _matches(project: ListedProject, patterns: Iterable[str]) -> bool:
    return any(
        fnmatchcase(text, pattern)
        for pattern in patterns
        for text in (project.name, project.project_id)
    )
