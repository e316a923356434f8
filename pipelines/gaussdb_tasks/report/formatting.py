"""Format durations, rates, counts, times and untrusted text for the report."""

from datetime import date, datetime
from itertools import pairwise
from typing import Final

from gaussdb_tasks.foreign_text import shortened, visible

MISSING: Final = "\N{EN DASH}"
# Not from the calendar module, which uses the language of the machine.
MONTH_NAMES: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

# Keeps a number and its unit on one line.
SPACE: Final = "\N{NO-BREAK SPACE}"
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float | None) -> str:
    """Format a duration with its two largest units: ``18 min 4 s``."""
    if seconds is None:
        return MISSING
    if round(seconds, 3) < 1:
        return f"{round(seconds * 1000)}{SPACE}ms"
    if round(seconds, 1) < 10:  # noqa: PLR2004 - below it, tenths are shown
        return f"{_plain(round(seconds, 1))}{SPACE}s"
    return _in_two_units(seconds)


def _in_two_units(seconds: float) -> str:
    # Round to the smaller of both units first; otherwise 59.7 s becomes 60 s.
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
    """Format a round duration for an axis: ``1.5 h``, or ``90 min`` if the step is short."""
    if seconds == 0:
        return "0"
    if (step or seconds) < 1:
        return f"{_plain(seconds * 1000)}{SPACE}ms"
    # Halves are easy to read along an axis, but not alone.
    least, part = (step, 0.5) if step else (seconds, 1)
    name, size = next(
        (name, size) for name, size in _UNITS if size == 1 or least % (size * part) == 0
    )
    return f"{_plain(seconds / size)}{SPACE}{name}"


def percent(share: float | None) -> str:
    """Format a share of 1 in percent; a small share is never shown as 0 %."""
    if share is None:
        return MISSING
    in_percent = share * 100
    if 0 < in_percent < 0.05:  # noqa: PLR2004 - would be rounded to 0
        return f"<{SPACE}0.1{SPACE}%"
    if 99.95 <= in_percent < 100:  # noqa: PLR2004 - would be rounded to 100
        return f">{SPACE}99.9{SPACE}%"
    return f"{in_percent:.1f}{SPACE}%"


def short_percent(share: float) -> str:
    """Format a round share for an axis: ``20 %``."""
    return f"{_plain(round(share * 100, 6))}{SPACE}%"


def count(number: int | None) -> str:
    """Format a count with commas between thousands."""
    return MISSING if number is None else f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Format a count with its noun."""
    return f"{number:,}{SPACE}{one if number == 1 else many or one + 's'}"


def minute(at: datetime | None) -> str:
    """Format a time to the minute; views return UTC without a zone."""
    return MISSING if at is None else f"{at.date().isoformat()}{SPACE}{at:%H:%M}"


def day(on: date) -> str:
    """Format a date, or the date of a time."""
    return on.isoformat()[:10]


def shown(text: str | None, max_length: int) -> str:
    """Return foreign text in a form that is safe to show; long text is cut in its middle."""
    if text is None:
        return MISSING
    return visible(shortened(text, max_length)) if text.strip() else "(blank)"


def _plain(number: float) -> str:
    return f"{number:,.3f}".rstrip("0").rstrip(".")
