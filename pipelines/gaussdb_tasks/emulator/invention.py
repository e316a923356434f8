"""Invents what happens in a project on a day: a pure function of seed, project and day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Final

from gaussdb_tasks.emulator.dice import Dice
from gaussdb_tasks.emulator.fleet import Fleet, Instance
from gaussdb_tasks.emulator.kinds import BACKUP, CLONE, CREATE, DELETE, STARTED_BY_PEOPLE, Kind
from gaussdb_tasks.emulator.stories import Manner, TaskStory
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND, Micros

_STANDING_SHARE: Final = 0.4
"""How many of a day's tasks are nightly backups of instances that stay."""
_WORKDAY_FACTOR: Final = 1.3
_WEEKEND_FACTOR: Final = 0.25
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday, and Monday counts as 0."""
_SATURDAY: Final = 5
_OFFICE_SHARE: Final = 0.85
_STUCK_SHARE: Final = 0.003
_DELETED_SHARE: Final = 0.004
_KINDS_WEIGHTS: Final = [kind.weight for kind in STARTED_BY_PEOPLE]


@dataclass(frozen=True)
class ProjectLife:
    """All that ever happens in one project, about so many tasks a day."""

    seed: int
    project_id: str
    tasks_per_day: int

    def stories_on(self, day: int) -> tuple[TaskStory, ...]:
        """Invent the tasks created on a UTC day, counted from 1970; oldest first."""
        dice = Dice(self.seed, self.project_id, "day", day)
        alive = self._fleet.alive_on(day)
        stories = [
            *self._nightly_backups(dice, day, alive),
            *self._births_and_ends(dice, day),
            *self._started_by_people(dice, day, alive),
        ]
        return tuple(sorted(stories, key=attrgetter("created_at")))

    @cached_property
    def _fleet(self) -> Fleet:
        size = max(1, round(self.tasks_per_day * _STANDING_SHARE))
        return Fleet(self.seed, self.project_id, size)

    def _nightly_backups(
        self, dice: Dice, day: int, alive: Sequence[Instance]
    ) -> Iterator[TaskStory]:
        for instance in alive:
            created_at = day * DAY + instance.backup_time + dice.span(0, MINUTE)
            yield self._tell(dice, BACKUP, instance, created_at)

    def _births_and_ends(self, dice: Dice, day: int) -> Iterator[TaskStory]:
        for guest in self._fleet.born_on(day):
            kind = CLONE if guest.is_clone else CREATE
            yield from self._until_it_works(dice, kind, guest.instance, guest.born_at)
        for guest in self._fleet.gone_on(day):
            yield from self._until_it_works(dice, DELETE, guest.instance, guest.gone_at)

    def _until_it_works(
        self, dice: Dice, kind: Kind, instance: Instance, created_at: Micros
    ) -> Iterator[TaskStory]:
        """Try again some minutes after each failure, as people do, but not past midnight."""
        end_of_day = (created_at // DAY + 1) * DAY
        while created_at < end_of_day:
            story = self._tell(dice, kind, instance, created_at)
            yield story
            if story.outcome == "Completed" or story.ends_at is None:
                return
            created_at = story.ends_at + dice.span(2 * MINUTE, 20 * MINUTE)

    def _started_by_people(
        self, dice: Dice, day: int, alive: Sequence[Instance]
    ) -> Iterator[TaskStory]:
        is_weekend = (day + _EPOCH_WEEKDAY) % 7 >= _SATURDAY
        factor = _WEEKEND_FACTOR if is_weekend else _WORKDAY_FACTOR
        count = dice.count(factor * (self.tasks_per_day - len(alive)))
        for kind in dice.choices(STARTED_BY_PEOPLE, _KINDS_WEIGHTS, k=count):
            created_at = day * DAY + _time_of_day(dice)
            yield self._tell(dice, kind, dice.choice(alive), created_at)

    def _tell(self, dice: Dice, kind: Kind, instance: Instance, created_at: Micros) -> TaskStory:
        fails = dice.happens(kind.failure_rate)
        duration = dice.duration(kind.median_seconds, kind.spread)
        if fails:
            duration = max(SECOND, int(duration * dice.uniform(0.05, 1.3)) // SECOND * SECOND)
        ends_at = None if dice.happens(_STUCK_SHARE) else created_at + duration
        return TaskStory(
            project_id=self.project_id,
            job_id=dice.uuid(),
            name=kind.name,
            instance_id=instance.instance_id,
            instance_name=instance.name,
            busy_status=kind.busy_status,
            final_status=kind.failed_status if fails else kind.done_status,
            created_at=created_at,
            visible_at=created_at + dice.span(0, 15 * SECOND),
            planned_end=created_at + duration,
            ends_at=ends_at,
            outcome="Failed" if fails else "Completed",
            fail_reason=_reason(dice, kind, instance) if fails else None,
            deleted_at=_deleted_at(dice, ends_at),
            stalls_at_percent=dice.randint(10, 99) if ends_at is None or fails else 99,
            manner=_manner(dice),
        )


def _time_of_day(dice: Dice) -> Micros:
    if dice.happens(_OFFICE_SHARE):
        return int(dice.triangular(6 * HOUR, 18 * HOUR, 9 * HOUR)) // SECOND * SECOND
    return dice.span(0, DAY - SECOND)


def _reason(dice: Dice, kind: Kind, instance: Instance) -> str:
    return dice.choice(kind.reasons).format(
        instance=instance.instance_id,
        node=f"{instance.name}_root_{dice.randrange(3)}",
        uuid=dice.uuid(),
        address=dice.address(),
        number=dice.choice((2, 4, 8, 40, 120, 300, 600, 1800)),
        digit=dice.randint(1, 3),
    )


def _deleted_at(dice: Dice, ends_at: Micros | None) -> Micros | None:
    if ends_at is None or not dice.happens(_DELETED_SHARE):
        return None
    return ends_at + dice.span(10 * MINUTE, 5 * DAY)


def _manner(dice: Dice) -> Manner:
    created_offset, ended_offset = dice.choices(((8, 8), (8, 0), (0, 0)), (85, 8, 7))[0]
    return Manner(
        blank=dice.choices(("null", "empty", "missing"), (80, 12, 8))[0],
        progress=dice.choices(("null", "empty", "number", "percent"), (40, 10, 25, 25))[0],
        created_offset_hours=created_offset,
        ended_offset_hours=ended_offset,
        shows_planned_end=dice.happens(0.05),
        shows_instance=dice.happens(0.99),
    )
