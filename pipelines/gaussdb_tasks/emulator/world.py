"""What the emulator needs of a world of tasks: its projects, and a snapshot at an instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gaussdb_tasks.model.times import Micros


@dataclass(frozen=True, slots=True)
class Project:
    """A project of the tenant, as the identity service lists it."""

    project_id: str
    name: str


class Task(Protocol):
    """A task of which a record can be made for any instant."""

    @property
    def created_at(self) -> Micros:
        """When the task was started."""
        ...

    @property
    def job_id(self) -> str:
        """The task's identity inside its project."""
        ...

    @property
    def name(self) -> str:
        """What kind of task it is."""
        ...

    def status_at(self, now: Micros, /) -> str:
        """Tell the status that the record shows at an instant."""
        ...

    def shown_end_at(self, now: Micros, /) -> Micros | None:
        """Tell the end that the record shows at an instant, be it reached or planned."""
        ...

    def body_at(self, now: Micros, /) -> bytes:
        """Write the record as JSON, as the API shows it at an instant."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a project's task center holds at an instant; two snapshots are equal only as one.

    `tasks` lists first the `dated_count` tasks whose times can be read, by creation and oldest
    first, then those whose times cannot: these count as inside every window.
    """

    now: Micros
    tasks: Sequence[Task]
    dated_count: int


class World(Protocol):
    """Projects and the tasks in them."""

    @property
    def projects(self) -> Sequence[Project]:
        """The projects, in a fixed order."""
        ...

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Show a project's task center at an instant; tasks created before `since` may lack.

        As long as nothing changed the same snapshot is returned, so that what was derived from
        it can be kept.

        Raises:
            KeyError: the world has no such project.
        """
        ...
