"""The share of all projects that one loader of a fleet reads. Pure."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import ProjectKey

MAX_SHARDS: Final = 1_000
_TEXT: Final = re.compile(r"(?P<number>\d{1,9})(?P<is_index>\+1)?/(?P<count>\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of a number of shards, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, project: ProjectKey) -> bool:
        """Return whether this shard reads a project."""
        return number_of(project, self.count) == self.number


def number_of(project: ProjectKey, count: int) -> int:
    """Return the number of the shard that reads a project, out of a count of shards.

    It is the I for which the SHA-256 of the lines I, region and project id, in UTF-8 and joined by
    a line feed, is greatest (rendezvous hashing). So all machines agree, and of N + 1 shards in
    place of N, the new one takes its projects from all others, and no other project moves.
    """
    region, project_id = project
    return max(
        range(1, count + 1),
        key=lambda number: sha256(f"{number}\n{region}\n{project_id}".encode()).digest(),
    )


def parse_shard(text: str) -> Shard:
    """Read ``I/N``; ``K+1/N`` is an index K that counts from 0, as schedulers have it.

    Raises:
        ConfigurationError: it is not written so, or not 1 <= I <= N.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        message = f"--shard: {text!r} is not a shard; write it like 3/10, the third of ten shards"
        raise ConfigurationError(message)
    shard = Shard(int(found["number"]) + bool(found["is_index"]), int(found["count"]))
    if not 1 <= shard.count <= MAX_SHARDS:
        message = f"--shard: {text}: the number of shards must be from 1 to {MAX_SHARDS:,}"
        raise ConfigurationError(message)
    if not 1 <= shard.number <= shard.count:
        message = (
            f"--shard: {text}: shards count from 1/{shard.count} to {shard.count}/{shard.count}"
        )
        raise ConfigurationError(message)
    return shard
