"""Show foreign text: all text from outside passes here before a terminal, log or table gets it.

Foreign text is what the service, a store, a file, a user or a library wrote. Shown as it is, it
could move the cursor, forge a line of a log, or reverse the direction of what follows.
"""

import re
import unicodedata
from typing import Final

MAX_MESSAGE_CHARACTERS: Final = 2_000
"""Length that a line of a message is cut to."""

# Control, format (also bidirectional), unassigned, private use, surrogate; line, paragraph ends.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_MAX_TAIL: Final = 200
_AROUND: Final = re.compile(r"\A[\s\ufeff\u200b\x00]+|[\s\ufeff\u200b\x00]+\Z")


def clean(value: str) -> str:
    """Strip what editors and shells leave around a value: line ends, blanks, a byte order mark.

    Every value of the settings passes here: secrets, files and variables.
    """
    return _AROUND.sub("", value)


def visible(text: str) -> str:
    r"""Return a text as one line; invisible characters become escapes such as ``\x1b`` and ``\n``.

    Letters of all scripts and their combining characters stay.
    """
    # Python calls a text printable if it has no invisible character, and no space but U+0020.
    return text if text.isprintable() else "".join(map(_escape, text))


def visible_json(encoded: str) -> str:
    r"""Return JSON with the same values, in which invisible characters are ``\uXXXX``.

    Line feeds stay: in JSON they can only stand between values.
    """
    return encoded if encoded.isprintable() else "".join(map(_escape_json, encoded))


def shortened(text: str, max_length: int = MAX_MESSAGE_CHARACTERS) -> str:
    """Cut a long text in its middle, and append its length; both ends tell most."""
    if len(text) <= max_length:
        return text
    tail = min(_MAX_TAIL, max_length // 3)
    return f"{text[: max_length - tail]} […] {text[-tail:]} ({len(text):,} characters)"


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE


def _escape(character: str) -> str:
    if not _is_invisible(character):
        return character
    return character.encode("unicode_escape").decode()


def _escape_json(character: str) -> str:
    if character == "\n" or not _is_invisible(character):
        return character
    import json  # noqa: PLC0415 - hardly any text needs it

    return json.dumps(character)[1:-1]
