"""Stretches of time and what is left of them: half-open intervals of instants."""

from collections.abc import Iterable
from typing import NamedTuple

from gaussdb_tasks.instants import Micros


class Stretch(NamedTuple):
    """The instants from ``start`` up to, but not including, ``end``."""

    start: Micros
    end: Micros

    def clip(self, to: "Stretch") -> "Stretch":
        """Return the part that lies inside another stretch; where none does, an empty one."""
        start = min(max(self.start, to.start), to.end)
        return Stretch(start, max(start, min(self.end, to.end)))

    @property
    def is_empty(self) -> bool:
        """Whether no instant lies in it."""
        return self.end <= self.start


def merge(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Unite stretches that overlap or touch; the result is sorted and free of empty ones."""
    merged: list[Stretch] = []
    for stretch in sorted(stretches):
        if stretch.is_empty:
            continue
        if merged and stretch.start <= merged[-1].end:
            merged[-1] = Stretch(merged[-1].start, max(merged[-1].end, stretch.end))
        else:
            merged.append(stretch)
    return tuple(merged)


def subtract(whole: Stretch, parts: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Return what is left of a stretch without the parts, sorted."""
    left: list[Stretch] = []
    at = whole.start
    for part in merge(parts):
        left.append(Stretch(at, min(part.start, whole.end)))
        at = max(at, part.end)
    left.append(Stretch(at, whole.end))
    return tuple(stretch for stretch in left if not stretch.is_empty)
