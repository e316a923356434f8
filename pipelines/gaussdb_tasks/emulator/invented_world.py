"""A world of invented tasks that lives: they start, progress, end, fail, and some get stuck.

Everything follows from the seed, day by day, so any period can be shown without a past.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from gaussdb_tasks.emulator.dice import Dice
from gaussdb_tasks.emulator.invention import ProjectLife
from gaussdb_tasks.emulator.stories import TaskStory
from gaussdb_tasks.emulator.world import Project, Snapshot
from gaussdb_tasks.model.times import DAY, SECOND, Micros

DEFAULT_PROJECTS: Final = ("eu-de_shop", "eu-de_finance")
_REMEMBERED_DAYS: Final = 1_000
_REMEMBERED_PERIODS: Final = 16


class InventedWorld:
    """A tenant's projects, each with a fleet of instances and about so many tasks a day.

    Instances are created, backed up every night, restored, resized, upgraded and deleted; people
    work on weekdays. Two worlds of the same seed, projects and pace are alike to the last digit.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        projects: Sequence[str] = DEFAULT_PROJECTS,
        tasks_per_day: int = 40,
    ) -> None:
        self.projects: Sequence[Project] = tuple(
            Project(Dice(seed, name).hex_id(), name) for name in projects
        )
        self._lives = {
            project.project_id: ProjectLife(seed, project.project_id, tasks_per_day)
            for project in self.projects
        }
        self._stories_on = lru_cache(_REMEMBERED_DAYS)(self._invent)
        self._stories_in = lru_cache(_REMEMBERED_PERIODS)(self._join)
        self._snapshot_at = lru_cache(_REMEMBERED_PERIODS)(self._show)

    def stories_between(self, project_id: str, start: Micros, end: Micros) -> list[TaskStory]:
        """List the stories of tasks created from start to end, both inside; oldest first."""
        stories = self._stories_in(project_id, start // DAY, end // DAY)
        return [story for story in stories if start <= story.created_at <= end]

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Show a project's task center at an instant; the world moves once a second."""
        return self._snapshot_at(project_id, since // DAY, now // SECOND * SECOND)

    def _show(self, project_id: str, first_day: int, now: Micros) -> Snapshot:
        stories = self._stories_in(project_id, first_day, now // DAY)
        listed = [story for story in stories if story.is_listed_at(now)]
        return Snapshot(now, listed, len(listed))

    def _join(self, project_id: str, first_day: int, last_day: int) -> Sequence[TaskStory]:
        days = (self._stories_on(project_id, day) for day in range(first_day, last_day + 1))
        return tuple(chain.from_iterable(days))

    def _invent(self, project_id: str, day: int) -> Sequence[TaskStory]:
        return self._lives[project_id].stories_on(day)
