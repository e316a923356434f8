"""Random numbers that repeat: each draw follows from a seed and a purpose."""

import math
import random
import uuid

from gaussdb_tasks.model.times import SECOND, Micros


class RandomSource(random.Random):
    """Random numbers for one purpose; the same seed and purpose give the same numbers.

    The words of a purpose are part of the seed: other words make another invented world.
    """

    def __init__(self, *purpose: object) -> None:
        super().__init__("/".join(map(str, purpose)))

    def happens(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def hex_id(self) -> str:
        """Make an id of 32 hexadecimal digits."""
        return f"{self.getrandbits(128):032x}"

    def uuid(self) -> str:
        """Make a UUID of version 4."""
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def address(self) -> str:
        """Make a private IPv4 address."""
        return f"10.{self.randrange(256)}.{self.randrange(256)}.{self.randrange(1, 255)}"

    def uniform_duration(self, shortest: Micros, longest: Micros) -> Micros:
        """Draw a uniform duration in whole seconds, both limits included."""
        return self.randint(shortest // SECOND, longest // SECOND) * SECOND

    def lognormal_duration(self, median_seconds: float, spread: float) -> Micros:
        """Draw a log-normal duration in whole seconds, at least one second."""
        seconds = median_seconds * math.exp(self.gauss(0, spread))
        return max(1, round(seconds)) * SECOND

    def event_count(self, mean: float) -> int:
        """Draw a number of events with this mean (normal approximation of Poisson)."""
        return max(0, round(self.gauss(mean, math.sqrt(mean)))) if mean > 0 else 0
