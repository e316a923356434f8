"""Read IAM's list of a user's projects, and select those to load."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from gaussdb_tasks.api.auth import regions
from gaussdb_tasks.api.auth.access import ProjectEndpoint
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.settings import AccessRequest

# Every account has this project for object storage; no other service accepts it.
_OBJECT_STORAGE_PROJECT: Final = "MOS"


class NoProjectError(ConfigurationError):
    """No project of the user matches what is requested."""


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project that IAM lists for the user."""

    project_id: str
    name: str

    @property
    def region(self) -> str | None:
        """The region at the start of the name, as usual in this cloud; None if there is none."""
        return regions.region_of_project(self.name)


def read_projects(listed: Iterable[Any]) -> list[ListedProject]:
    """Return the enabled projects of IAM's list."""
    return [
        ListedProject(str(each["id"]), str(each.get("name") or ""))
        for each in listed
        if isinstance(each, dict) and each.get("id") and each.get("enabled", True) is not False
    ]


def select_projects(
    listed: Sequence[ListedProject], request: AccessRequest, source: str
) -> list[ListedProject]:
    """Select projects by the patterns for name or id; sorted by name.

    Raises:
        NoProjectError: no project matches; the message names the existing ones.
    """
    selected = [
        project
        for project in sorted(listed, key=lambda each: (each.name, each.project_id))
        if project.name != _OBJECT_STORAGE_PROJECT
        and (request.region is None or project.region in {None, request.region})
        and (not request.include or _matches(project, request.include))
        and not _matches(project, request.exclude)
    ]
    if not selected:
        names = ", ".join(sorted(project.name or project.project_id for project in listed))
        message = (
            f"{source}: no project matches; check --include, --exclude and --region; "
            f"the user's projects: {names or 'none'}"
        )
        raise NoProjectError(message)
    return selected


def project_named(listed: Sequence[ListedProject], name: str, source: str) -> ListedProject:
    """Return the project with a name.

    Raises:
        ConfigurationError: no project has the name, or more than one has.
    """
    found = [project for project in listed if project.name == name]
    if len(found) != 1:
        names = ", ".join(sorted(project.name for project in listed)) or "none"
        message = (
            f"{source}: {len(found)} projects are named {name!r}; the user's projects: {names}"
        )
        raise ConfigurationError(message)
    return found[0]


def endpoint_of_listed(
    project: ListedProject, region: str | None, endpoint: str | None
) -> ProjectEndpoint:
    """Return the endpoint of a listed project, given the configured region and endpoint.

    A configured endpoint belongs to the configured region only.
    """
    is_elsewhere = project.region is not None and project.region != region
    return ProjectEndpoint(
        project.project_id,
        project.region or region,
        None if is_elsewhere and region is not None else endpoint,
        project.name,
    )


def _matches(project: ListedProject, patterns: Iterable[str]) -> bool:
    return any(
        fnmatchcase(text, pattern)
        for pattern in patterns
        for text in (project.name, project.project_id)
    )
