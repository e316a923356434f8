"""What an edit is: its kind, how it is made, and what the auditor holds from before."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, TypeAlias

from tests.support.audited_archive import AuditedArchive


class Evidence(StrEnum):
    """What an auditor holds besides the data directory."""

    NOTHING = auto()
    HEAD = auto()
    """The head of the chain, noted elsewhere."""
    KEY = auto()
    """The public key that signed first."""
    AUTHORITY = auto()
    """The root certificate of the time stamp authority."""
    COPY = auto()
    """A copy of the archive, to compare with."""


Apply: TypeAlias = Callable[[AuditedArchive, random.Random], str]
"""Edits in a place that the random numbers choose; describes the edit."""


@dataclass(frozen=True)
class Edit:
    """An edit that is found with what an auditor holds."""

    kind: str
    name: str
    evidence: Evidence
    apply: Apply


EDITS: Final[list[Edit]] = []
"""Every edit of the campaign, from the modules beside this one."""


def edit(kind: str, *evidence: Evidence) -> Callable[[Apply], Apply]:
    """Add an edit to the campaign, once for each thing that is enough to find it."""

    def register(apply: Apply) -> Apply:
        for each in evidence or (Evidence.NOTHING,):
            EDITS.append(Edit(kind, apply.__name__, each, apply))
        return apply

    return register
