"""Values as people read them: in tables, and in Markdown."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

MISSING: Final = "NULL"

# What would move the cursor, colour the terminal, or turn the writing around.
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})


def cell_text(value: Any) -> str:
    """Return a value as one cell shows it; characters that cannot be seen are spelt out."""
    match value:
        case None:
            return MISSING
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case float():
            return f"{value:.4g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
        case list() | dict():
            return _visible(json_text(value))
        case _:
            return _visible(str(value))


def json_text(value: list[Any] | dict[Any, Any]) -> str:
    """Return a nested value as JSON."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def is_number(value: Any) -> bool:
    """Tell whether a value belongs at the right of its column."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(map(_spelt, text))


def _spelt(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNSEEN_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode()
