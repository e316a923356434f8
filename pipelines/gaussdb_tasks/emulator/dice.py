"""Chance that repeats: dice whose throws depend on the seed and on what they are thrown for."""

import math
import random
import uuid

from gaussdb_tasks.model.times import SECOND, Micros


class Dice(random.Random):
    """Random numbers for one purpose; the same seed and purpose throw the same."""

    def __init__(self, *purpose: object) -> None:
        super().__init__("/".join(map(str, purpose)))

    def happens(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return self.random() < probability

    def hex_id(self) -> str:
        """Make an id of 32 hexadecimal digits."""
        return f"{self.getrandbits(128):032x}"

    def uuid(self) -> str:
        """Make a random-looking UUID."""
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def address(self) -> str:
        """Make a private IPv4 address."""
        return f"10.{self.randrange(256)}.{self.randrange(256)}.{self.randrange(1, 255)}"

    def span(self, shortest: Micros, longest: Micros) -> Micros:
        """Draw a span evenly, in whole seconds."""
        return self.randint(shortest // SECOND, longest // SECOND) * SECOND

    def duration(self, median_seconds: float, spread: float) -> Micros:
        """Draw a log-normal duration, in whole seconds and at least one."""
        seconds = median_seconds * math.exp(self.gauss(0, spread))
        return max(1, round(seconds)) * SECOND

    def count(self, mean: float) -> int:
        """Draw how often something happens that happens so often on average."""
        return max(0, round(self.gauss(mean, math.sqrt(mean)))) if mean > 0 else 0
