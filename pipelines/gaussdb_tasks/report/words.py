"""How the report writes: durations, rates, counts, and texts that others wrote."""

import unicodedata
from datetime import date, datetime
from itertools import pairwise
from typing import Final

MISSING: Final = "\N{EN DASH}"

# Units stay with their numbers when lines break.
SPACE: Final = "\N{NO-BREAK SPACE}"
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_LONGEST_TEXT: Final = 400
_TAIL: Final = 80


def duration(seconds: float | None) -> str:
    """Write a duration with its two largest units: ``18 min 4 s``."""
    if seconds is None:
        return MISSING
    if round(seconds, 3) < 1:
        return f"{round(seconds * 1000)}{SPACE}ms"
    if round(seconds, 1) < 10:  # noqa: PLR2004 - below it, tenths matter
        return f"{_plain(round(seconds, 1))}{SPACE}s"
    return _in_two_units(seconds)


def _in_two_units(seconds: float) -> str:
    # Rounded to the smaller of both units, or 59.7 s would be 60 s.
    smaller = next(
        (
            small
            for (_, large), (_, small) in pairwise(_UNITS)
            if round(seconds / small) * small >= large
        ),
        1,
    )
    left = round(seconds / smaller) * smaller
    parts = []
    for name, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:,}{SPACE}{name}")
    return SPACE.join(parts)


def short_duration(seconds: float, step: float | None = None) -> str:
    """Write a round duration for an axis: ``1.5 h``, or ``90 min`` where its step is short."""
    if seconds == 0:
        return "0"
    if (step or seconds) < 1:
        return f"{_plain(seconds * 1000)}{SPACE}ms"
    # Halves read well along an axis, and only there.
    least, part = (step, 0.5) if step else (seconds, 1)
    name, size = next(
        (name, size) for name, size in _UNITS if size == 1 or least % (size * part) == 0
    )
    return f"{_plain(seconds / size)}{SPACE}{name}"


def percent(share: float | None) -> str:
    """Write a share of 1 in per cent, with a tenth; what is little is not nothing."""
    if share is None:
        return MISSING
    in_percent = share * 100
    if 0 < in_percent < 0.05:  # noqa: PLR2004 - would be rounded to nothing
        return f"<{SPACE}0.1{SPACE}%"
    if 99.95 <= in_percent < 100:  # noqa: PLR2004 - would be rounded to all
        return f">{SPACE}99.9{SPACE}%"
    return f"{in_percent:.1f}{SPACE}%"


def short_percent(share: float) -> str:
    """Write a round share for an axis: ``20 %``."""
    return f"{_plain(round(share * 100, 6))}{SPACE}%"


def count(number: int | None) -> str:
    """Write a count with commas between thousands."""
    return MISSING if number is None else f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun."""
    return f"{number:,}{SPACE}{one if number == 1 else many or one + 's'}"


def moment(at: datetime | None) -> str:
    """Write an instant to the minute, as the views have it: UTC without a zone."""
    return MISSING if at is None else f"{at.date().isoformat()}{SPACE}{at:%H:%M}"


def day(on: date) -> str:
    """Write a day."""
    return on.isoformat()


def shown(text: str | None, longest: int = _LONGEST_TEXT) -> str:
    """Return a text of others as it can be shown: cut in its middle, nothing invisible in it.

    What controls a terminal, or turns the direction of writing, is written as its number.
    """
    if text is None:
        return MISSING
    visible = "".join(map(_visible, _cut(text, longest)))
    return visible.strip() or "(blank)"


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    tail = min(_TAIL, longest // 3)
    return f"{text[: longest - tail]} […] {text[-tail:]} ({len(text):,} characters)"


def _visible(character: str) -> str:
    if character in "\t\n\r" or unicodedata.category(character).startswith("Z"):
        return " "
    if unicodedata.category(character).startswith("C"):
        return f"\\u{{{ord(character):04x}}}"
    return character


def _plain(number: float) -> str:
    return f"{number:,.3f}".rstrip("0").rstrip(".")
